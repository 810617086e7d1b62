/* One sink in a loop of its own, and its host, which gives it records and remembers what it says;
 * and a port where a collector may be. */
#ifndef EVREP_TEST_SINK_HOST_H
#define EVREP_TEST_SINK_HOST_H

#include "sink.h"

struct test_host { /* It stays, as in a daemon: a sink is never closed. */
    uv_loop_t loop;
    struct sink *sink;
    struct sink_host calls; /* A test may put its own in before host_open(). */
    const void *record;     /* To give, again and again, until `give` are confirmed. */
    size_t record_len, give;
    size_t at_once; /* So many of them at most in one pull; 0: as many as it has room for. */
    size_t pulled, back, confirmed; /* Records; back: of those pulled, they were lost. */
    size_t ups, downs, warns, losses;
    bool certain;              /* Of the last loss: none of it has left. */
    char said[SINK_ERROR_MAX]; /* What it was down for, or warned of, last; "": nothing yet. */
};

/* Its calls do as the fields say; nothing to give. */
void host_init(struct test_host *h);
/* What the options point to has to stay. */
void host_open(struct test_host *h, const struct sink_options *o);
void host_run_until_up(struct test_host *h);   /* It was, if only for a moment. */
void host_give(struct test_host *h, size_t n); /* Until so many are confirmed in all. */
/* Until the last that was said has that in it; "": until anything is said. */
void host_run_until_said(struct test_host *h, const char *text);

struct port { /* Of 127.0.0.1, and nobody else's. */
    int fd;
    uint16_t number;
    char address[32];
};

/* type: SOCK_STREAM, and nobody listens yet; or SOCK_DGRAM. */
void port_take(struct port *p, int type);

#endif
