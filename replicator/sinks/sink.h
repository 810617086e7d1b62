/* A sink carries rendered records and learns what arrived; what it may carry is not its business.
 * One loop, one thread; every callback runs on the loop, never from inside a call of this interface
 * except `pull` from sink_wake(). */
#ifndef EVREP_SINK_H
#define EVREP_SINK_H

#include "backoff.h"
#include "types.h"

#include <uv.h>

enum { SINK_ERROR_MAX = 256, SINK_SAID_MAX = 8 };

struct sink_item {
    uint8_t origin;
    position_t position;
    bool in_doubt;
    bool alone;           /* It was never sent to the peer, which so cannot take it over. */
    uint8_t statement;    /* EVREP_FILTERED, the n-th with the tag of the record that follows; 0:
                             a record. */
    uint32_t replay;      /* Sent again by an operator, under this number; 0: not. */
    const uint8_t *bytes; /* One record without framing and without a newline. */
    size_t len;
};

struct sink_host {
    void *ctx;
    /* The next items; their bytes stay valid until the next pull. */
    size_t (*pull)(void *ctx, struct sink_item *items, size_t max, size_t max_bytes);
    void (*confirmed)(void *ctx, size_t n); /* The oldest n that were pulled. */
    /* All that was pulled and not confirmed goes back; it may have arrived or not.  certain_none:
     * it has not left this host. */
    void (*lost)(void *ctx, bool certain_none);
    /* quiet: what it said when it was down last stands until it is more than a flap. */
    void (*up)(void *ctx, bool quiet);
    void (*down)(void *ctx, const char *why);
    /* Not as bad as down: it is said, and goes on. */
    void (*warn)(void *ctx, const char *what);
    /* To sink_ask(): up to where in the range the sink has it, or it was written; 0: nothing. */
    void (*answer)(void *ctx, uint8_t origin, uint32_t epoch, uint32_t from, uint32_t to,
                   enum core_answer kind, uint32_t last);
    /* After ANSWER_WRITTEN: these are confirmed, which this process never pulled.  from: as asked,
     * or where the last call for this range ended. */
    void (*confirmed_written)(void *ctx, uint8_t origin, uint32_t epoch, uint32_t from,
                              uint32_t last);
    /* Records from .. to rendered anew, as when they were pulled unmarked; they count as nothing.
     * Valid until the next call of this or of pull.  Fewer: they are not here. */
    size_t (*again)(void *ctx, uint8_t origin, uint32_t epoch, uint32_t from, uint32_t to,
                    struct sink_item *items, size_t max);
    /* Up to where the records of a segment are confirmed without a hole; SEQUENCE_MAX: it is
     * settled, all of it is. */
    uint32_t (*emitted)(void *ctx, uint8_t origin, uint32_t epoch);
    /* Has the peer, which can reach this sink, records of that origin for it?  NULL: never. */
    bool (*shared)(void *ctx, uint8_t origin);
};

struct run_book;

struct sink_options {
    const char *name, *type, *transport, *address, *path; /* Must outlive the sink. */
    /* TLS: NULL where nothing is configured. */
    const char *ca_file, *cert_file, *key_file, *server_name;
    bool no_verify;
    const char *url, *stream, *subject, *credentials; /* JetStream; credentials: NULL: none. */
    bool newline;            /* Framing: newline instead of octet counting (RFC 6587); */
    bool bare;               /* or none at all: records that hold their own length. */
    bool sync;               /* file: synced before it counts as confirmed. */
    uint32_t datagram_limit; /* UDP: bytes; what is longer is cut. */
    uint32_t datagram_rate;  /* UDP: a second; 0: as fast as they come. */
    uint32_t window;         /* Records in flight. */
    uint32_t alone_ms;       /* For so long nobody else can hand over records of a new epoch. */
    uint64_t rotate_bytes;   /* file: 0: never by size; */
    uint32_t rotate_s;       /* 0: never by age; */
    uint32_t rotate_keep;    /* so many old ones stay. */
    const char *source;      /* TCP: a floating address (D1b); NULL: none. */
    uint32_t place;          /* With it: names how records are rendered, and the collector; */
    struct run_book *book;   /* what its connections carry, for the peer. */
};

struct sink_state {
    const char *word; /* "up", "down", "connecting" */
    uint64_t confirmed, reconnects, truncated;
    uint64_t duplicates;    /* JetStream: acknowledged as there already. */
    bool floats;            /* A floating source: */
    uint64_t settled;       /* what was in doubt was settled in the connection that carried it; */
    uint64_t unsettled;     /* it could not be: D2.  Questions, since start. */
    uint64_t error_time_ns; /* CLOCK_REALTIME of the last error; 0: none yet. */
    uint64_t error_ns;      /* The same by sink_clock_ns(), which nobody sets. */
    char last_error[SINK_ERROR_MAX];
};

struct sink;

/* D1: which records are asked about. */
struct sink_question {
    uint8_t origin;
    uint32_t epoch, from, to;
    /* The run that they are of: run .. run_end go out in order, and run .. from - 1 are there. */
    uint32_t run, run_end;
    /* When this process opened its first epoch, where theirs is one of those (sink_clock_ns()); 0:
     * it is not. */
    uint64_t opened_ns;
};

struct sink_ops {
    void (*wake)(struct sink *s);
    /* NULL: it cannot know. */
    void (*ask)(struct sink *s, const struct sink_question *q);
    void (*reopen)(struct sink *s); /* SIGHUP; NULL: nothing to do. */
    void (*end)(struct sink *s);    /* The process ends; NULL: nothing to do. */
};

/* Every sink starts with it. */
struct sink {
    const struct sink_ops *ops;
    struct sink_host host;
    struct sink_options o;
    uv_loop_t *loop;
    bool up, connecting, refuses;
    bool says_up; /* The last word in the log. */
    uint32_t ups; /* How often it was said. */
    struct backoff backoff;
    struct sink_state state;
    struct { /* text: its hash. */
        uint32_t text, ups;
        uint64_t ns;
    } said[SINK_SAID_MAX];
};

/* 0, or -1 with one line in err.  A sink that cannot be reached is no error: it goes on trying. */
int sink_open(struct sink **out, uv_loop_t *loop, const struct sink_options *o,
              const struct sink_host *host, char *err, size_t err_size);
void sink_wake(struct sink *s);
void sink_ask(struct sink *s, const struct sink_question *q);
void sink_reopen(struct sink *s);
/* Nothing of it may be used after this but sink_state(). */
void sink_end(struct sink *s);
void sink_state(const struct sink *s, struct sink_state *out);

/* ---- for the sinks themselves ---- */

void sink_is_up(struct sink *s);
/* What was handed over is refused: before something is confirmed, a new connection is nothing to
 * speak of, and neither is that it ends for the same reason. */
void sink_refuses(struct sink *s);
/* Says it once: again an hour later, or a minute later where "up" was said meanwhile, or at once
 * after it was up for so long.  Of ever new words, as a collector can put them, SINK_SAID_MAX in
 * ten minutes; the state has the newest. */
void sink_fault(struct sink *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
void sink_warn(struct sink *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
void sink_confirm(struct sink *s, size_t n);
/* What was pulled and not confirmed goes back. */
void sink_lost(struct sink *s, bool certain_none);
/* CLOCK_BOOTTIME: it goes on while the machine sleeps. */
uint64_t sink_clock_ns(void);
/* How long to wait before the next try. */
uint32_t sink_backoff_ms(struct sink *s);

typedef int sink_open_fn(struct sink **out, uv_loop_t *loop, const struct sink_options *o,
                         const struct sink_host *host, char *err, size_t err_size);
sink_open_fn tcp_sink_open, udp_sink_open, tls_sink_open, relp_sink_open, file_sink_open,
    jetstream_sink_open, floating_sink_open;

#endif
