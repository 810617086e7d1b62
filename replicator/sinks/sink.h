/* A sink carries rendered records and learns what arrived; what it may carry is not its business.
 * One loop, one thread; every callback runs on the loop, never from inside a call of this interface
 * except `pull` from sink_wake(). */
#ifndef EVREP_SINK_H
#define EVREP_SINK_H

#include "types.h"

#include <uv.h>

struct sink_item {
    uint8_t origin;
    position_t position;
    bool in_doubt;
    const uint8_t *bytes; /* One record without framing and without a newline. */
    size_t len;
};

struct sink_host {
    void *ctx;
    /* The next items; their bytes stay valid until the next pull. */
    size_t (*pull)(void *ctx, struct sink_item *items, size_t max, size_t max_bytes);
    void (*confirmed)(void *ctx, size_t n); /* The oldest n that were pulled. */
    /* All that was pulled and not confirmed goes back; it may have arrived or not. */
    void (*lost)(void *ctx, bool certain_none);
    void (*up)(void *ctx);
    void (*down)(void *ctx, const char *why);
    /* To sink_ask(): up to where in the range the sink has it, or it was written; 0: nothing. */
    void (*answer)(void *ctx, uint8_t origin, uint32_t epoch, uint32_t from, enum core_answer kind,
                   uint32_t last);
    /* After ANSWER_WRITTEN: these are confirmed, which this process never pulled.  from: as asked,
     * or where the last call for this range ended. */
    void (*confirmed_written)(void *ctx, uint8_t origin, uint32_t epoch, uint32_t from,
                              uint32_t last);
};

struct sink_options {
    const char *name, *type, *address, *path; /* Must outlive the sink. */
    bool newline; /* Framing: newline instead of octet counting (RFC 6587); */
    bool bare;    /* or none at all: records that hold their own length. */
};

struct sink_state {
    const char *word; /* "up", "down", "connecting" */
    uint64_t confirmed, reconnects;
    char last_error[128];
};

struct sink; /* Starts with struct sink_ops *. */

struct sink_ops {
    void (*wake)(struct sink *s);
    void (*ask)(struct sink *s, uint8_t origin, uint32_t epoch, uint32_t from, uint32_t to);
    void (*reopen)(struct sink *s);
    void (*state)(const struct sink *s, struct sink_state *out);
};

struct sink {
    const struct sink_ops *ops;
    struct sink_host host;
    struct sink_options o;
    uv_loop_t *loop;
};

/* 0, or -1 with one line in err.  A sink that cannot be reached is no error: it goes on trying. */
int sink_open(struct sink **out, uv_loop_t *loop, const struct sink_options *o,
              const struct sink_host *host, char *err, size_t err_size);
void sink_wake(struct sink *s);
void sink_ask(struct sink *s, uint8_t origin, uint32_t epoch, uint32_t from, uint32_t to);
void sink_reopen(struct sink *s);
void sink_state(const struct sink *s, struct sink_state *out);

int tcp_sink_open(struct sink **out, uv_loop_t *loop, const struct sink_options *o,
                  const struct sink_host *host, char *err, size_t err_size);
int file_sink_open(struct sink **out, uv_loop_t *loop, const struct sink_options *o,
                   const struct sink_host *host, char *err, size_t err_size);

#endif
