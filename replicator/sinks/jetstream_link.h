/* The connection to a JetStream server, by calls that wait for it.  For a thread beside the loop:
 * while one runs, nothing else uses the link. */
#ifndef EVREP_JETSTREAM_LINK_H
#define EVREP_JETSTREAM_LINK_H

#include "jetstream_connect.h"
#include "jetstream_place.h"

enum {
    JETSTREAM_CATCH_UPS = 4,
    JETSTREAM_TRIES = 5, /* Of each scan. */
    JETSTREAM_LOOKS = 5, /* Until the servers of a stream agree. */
    JETSTREAM_SPENT = (4 + JETSTREAM_CATCH_UPS) * JETSTREAM_TRIES * JETSTREAM_LOOKS,
};

struct jetstream_link {
    const struct sink_options *o;
    struct jetstream_place place[NODE_COUNT];
    natsConnection *nc;
    jsCtx *js;
    natsSubscription *acks; /* Answers to publishes: read with a timeout of 0. */
    char inbox[64];         /* Their subject is inbox.N. */
    natsSubscription *spent[JETSTREAM_SPENT];
    size_t spent_count;
    uint64_t depth; /* How far back a question is looked for; 0: JETSTREAM_SCAN. */
};

/* Connects, checks both streams, and reads where their subjects end.  0, or -1 with one line in
 * err; close it in both cases. */
int jetstream_link_open(struct jetstream_link *k, struct nats_loop *l,
                        char err[JETSTREAM_ERROR_MAX]);
void jetstream_link_close(struct jetstream_link *k);
/* After each of these calls, in the loop's thread: frees the subscriptions that it is done with.
 * libnats before 3.6 frees one under the reader's feet when another thread does it. */
void jetstream_link_tidy(struct jetstream_link *k);

/* The last message of the subject, which *m is then, and where it lies; NULL and 0: there is none.
 * 0, or -1 with one line in err. */
int jetstream_read_last(struct jetstream_link *k, const struct jetstream_place *p, uint64_t *last,
                        natsMsg **m, char err[JETSTREAM_ERROR_MAX]);
/* Sets p->last.  Likewise. */
int jetstream_read_end(struct jetstream_link *k, struct jetstream_place *p,
                       char err[JETSTREAM_ERROR_MAX]);

#endif
