/* The links to the peer: one authenticated, encrypted TCP connection each (PROTOCOL.md section 9).
 *
 * Node 0 dials, node 1 listens; handshake.h says what is spoken, frames.h how it is sealed.  A
 * connection that is old, or whose key is to be changed, is succeeded by a new one without a gap:
 * the new one is proved first, each side then ends what it sends on the old one with a FIN, the
 * listener first, and goes on with the new one, which the other reads after that FIN (from wire
 * version 2).  Until its FIN a side says on the old one what is urgent: on the new one it would
 * wait for the bulk of both. One thread; callbacks run on the loop, and never from inside a call of
 * this interface.
 */
#ifndef EVREP_LINK_UV_H
#define EVREP_LINK_UV_H

#include "frames.h"
#include "handshake.h"
#include "key.h"

#include <uv.h>

enum {
    LINK_MAX = 2,
    LINK_HANDSHAKES_MAX = 64,    /* Unfinished at a time on one link; the oldest makes room. */
    LINK_RENEW_MS = 3600 * 1000, /* Age at which a connection is succeeded by a new one. */
    LINK_KEY_MS = 3000,          /* Between attempts at a succession under the key in use. */
    LINK_ACCEPTS_MAX = 16,       /* On one link in one turn of the loop. */
    LINK_DOWNGRADE_MS = 60000,   /* All links down for so long: the peer may be an older program. */
    LINK_WHY_MAX = 128,
};

struct link_set;

struct link_options {
    struct handshake_options shake; /* Copied, and wiped by link_set_close(). */
    uint64_t renew_ms;              /* 0: LINK_RENEW_MS. */
    uint64_t key_ms;                /* 0: LINK_KEY_MS. */
    uint64_t downgrade_ms;          /* 0: LINK_DOWNGRADE_MS. */
    size_t link_count;
    struct {
        const char *name, *local, *remote;
    } link[LINK_MAX]; /* "address:port", "[v6]:port" */
};

struct link_callbacks {
    void *ctx;
    void (*on_up)(void *ctx, int link, uint16_t version); /* The wire version of the connection. */
    void (*on_down)(void *ctx, int link, const char *reason);
    void (*on_frame)(void *ctx, int link, const uint8_t *at, size_t len);
    void (*on_batch)(void *ctx);                                 /* After the frames of one read. */
    void (*on_refused)(void *ctx, int link, const char *reason); /* At most one a second each. */
    void (*on_renewed)(void *ctx, int link, bool other_key);     /* Succeeded without a gap. */
    void (*on_drain)(void *ctx, int link);                       /* What waits has become little. */
    /* May be NULL.  Not up, and an attempt at it has failed: each time, so up to ten times a
     * second. */
    void (*on_failed)(void *ctx, int link, const char *reason);
};

/* Which of its keys a connection runs under.  GONE: one that the configuration does not name any
 * more, until the peer takes the one in use. */
enum link_key { LINK_KEY_NONE, LINK_KEY_USED, LINK_KEY_ACCEPTED, LINK_KEY_GONE };

struct link_state {
    uint16_t version;        /* 0: not up. */
    uint64_t refused;        /* Connections and handshakes, since start. */
    uint64_t renewed;        /* Successions. */
    uint64_t received, sent; /* Bytes, sealed. */
    enum link_key key;       /* NONE: not up. */
    char why[LINK_WHY_MAX];  /* It is not up, as far as that is known; else empty. */
};

int link_set_open(struct link_set **out, uv_loop_t *loop, const struct link_options *o,
                  const struct link_callbacks *cb, char *err, size_t err_size);
/* Closes; the memory goes with the loop's close callbacks. */
void link_set_close(struct link_set *set);
/* Copies; written when the loop comes round.  0, or -1: not up, or the queue is full.  urgent:
 * before all that waits, and in order among themselves. */
int link_set_send(struct link_set *set, int link, const uint8_t *at, size_t len, bool urgent);
/* What waits goes to the kernel now, as far as that takes it; calls nothing back.  For a loop that
 * cannot come round yet. */
void link_set_push(struct link_set *set);
size_t link_set_backlog(const struct link_set *set, int link);
/* Ends the connection after the present callback; on_down follows. */
void link_set_kick(struct link_set *set, int link, const char *reason);
/* Other keys from now on: a connection under the key in use goes on without a gap under the new
 * one, which is tried every few seconds until the peer takes it; one under a key that is not
 * accepted any more is ended. */
void link_set_keys(struct link_set *set, size_t count, const uint8_t key[LINK_KEYS][NOISE_KEY]);
/* Reads them from their files: `accept` is empty, or names one more that is accepted.  0, or -1
 * with one line in err: the keys stay as they were.  No copy is left but that of the set. */
int link_set_load_keys(struct link_set *set, const char *use, const char *accept, char *err,
                       size_t err_size);
void link_set_state(const struct link_set *set, int link, struct link_state *out);

#endif
