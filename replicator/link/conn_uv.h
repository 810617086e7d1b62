/* One TCP connection to the peer, from its first byte on; link_uv.c says what they are for. */
#ifndef EVREP_CONN_UV_H
#define EVREP_CONN_UV_H

#include "link_uv.h"

enum {
    CONN_HANDSHAKE_MS = 2000,
    CONN_WAIT_MS = 5000, /* For the end of the one before, from its last byte on. */
    CONN_READ_SIZE = LINK_FRAME_MAX + FRAME_OVERHEAD,
    CONN_DRAINED = 512 << 10, /* Plain bytes: below, there is room for more. */
    CONN_KEY_ID = 16,
};

/*   DIALLING --connected--> SHAKING --proved--> UP ----------------+--> CLOSED, from each state
 *                              |                 ^                 |
 *                              +--proved, there  | the FIN of the  |
 *                                 is one before--+--> WAITING -----+
 *                                                     reads nothing until then
 */
enum conn_purpose {
    CONN_FIRST, /* There is none: to come up. */
    CONN_RENEW, /* In place of the one that is up, at its version, */
    CONN_NEWER, /* and only if the peer has learned a newer one. */
};

enum conn_state { CONN_DIALLING, CONN_SHAKING, CONN_WAITING, CONN_UP, CONN_CLOSED };

struct link;

struct conn {
    uv_tcp_t tcp;
    uv_connect_t dial;
    uv_write_t write;
    uv_shutdown_t shutdown;
    uv_timer_t limit;
    struct link *link;
    enum conn_state state;
    enum conn_purpose purpose; /* Of a dialler. */
    uint16_t offer;            /* The wire version that it offers. */
    int handles;               /* Open ones of tcp and limit. */
    struct handshake shake;
    struct noise_cipher receive;
    struct frames_out out;
    bool has_out, writing, pressed;
    bool last_said;             /* It is succeeded: no more bulk is put in, the FIN follows it. */
    bool fin_sent, fin_written; /* Given to libuv, done. */
    bool fin_read;
    struct conn *before; /* That this one succeeds, until its end. */
    uint64_t moved;      /* Bytes, both ways: */
    uint64_t seen_moved; /* of `before`, at the last look. */
    uint8_t *in;
    size_t in_len;
    uint8_t early[256]; /* What is read before the proof: strangers get no more memory. */
    uint8_t key_id[CONN_KEY_ID];
    uint64_t since_ms;
};

/* NULL: no memory. */
struct conn *conn_new(struct link *l, bool dialler, bool succeeds);
/* Connected: reads, and the dialler speaks. */
void conn_begin(struct conn *c);
/* Proved, and not read before the end of the one that it succeeds; then read on. */
void conn_wait(struct conn *c);
void conn_read_on(struct conn *c);
/* Seals and writes what waits, once the one before has said its end.  May end the connection. */
void conn_flush(struct conn *c);
void conn_push(struct conn *c); /* As far as the kernel takes it; calls nothing back. */
/* Frees all but the handles; link_uv.c knows who has to be told. */
void conn_close(struct conn *c);
void conn_key_id(const uint8_t key[NOISE_KEY], uint8_t out[CONN_KEY_ID]);

/* link_uv.c: */
void link_conn_end(struct conn *c, const char *why);
/* By the peer, in the handshake. */
void link_conn_closed_early(struct conn *c);
/* The handshake cannot go on: ends it.  why: for the dialler. */
void link_conn_broken_off(struct conn *c, const char *why);
/* false: the peer has said that this one leads to nothing. */
bool link_conn_is_wanted(const struct conn *c);
void link_conn_proved(struct conn *c);
void link_conn_fin(struct conn *c);
void link_conn_finished(struct conn *c);
void link_refused(struct link *l, const char *why);
const struct handshake_options *link_shake(const struct link *l);
uv_loop_t *link_loop(const struct link *l);
void link_frame(struct conn *c, const uint8_t *at, size_t len);
void link_batch(struct conn *c);
void link_drained(struct conn *c);
void link_count(struct link *l, size_t received, size_t sent);

#endif
