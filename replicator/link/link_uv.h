/* The links to the peer: one authenticated, encrypted TCP connection each (PROTOCOL.md section 9).
 *
 * Node 0 dials, node 1 listens.  A connection: both send a preamble in the clear (12 bytes: "EVRL",
 * u16 wire version, u8 node, u8 role, u32 cluster id, little-endian), which is the prologue of the
 * Noise handshake that follows, and so authentic once that is done; then frames: u32 length, sealed
 * bytes. The listener counts a connection as up only after the first sealed frame of the dialler,
 * as a first message can be replayed.  One thread; callbacks run on the loop. */
#ifndef EVREP_LINK_UV_H
#define EVREP_LINK_UV_H

#include "key.h"

#include <uv.h>

enum {
    LINK_MAX = 2,
    LINK_FRAME_MAX = 128 << 10,
    LINK_QUEUE_MAX = 16 << 20, /* Bytes that wait for the kernel. */
    LINK_REKEY_FRAMES = 1 << 20,
    LINK_WIRE_VERSION = 1,
};

struct link_set;

struct link_options {
    uint8_t node;
    uint32_t cluster_id;
    uint8_t key[NOISE_KEY];
    size_t link_count;
    struct {
        const char *name, *local, *remote;
    } link[LINK_MAX]; /* "address:port", "[v6]:port" */
};

struct link_callbacks {
    void *ctx;
    void (*on_up)(void *ctx, int link);
    void (*on_down)(void *ctx, int link, const char *reason);
    void (*on_frame)(void *ctx, int link, const uint8_t *at, size_t len);
    void (*on_batch)(void *ctx);                                 /* After the frames of one read. */
    void (*on_refused)(void *ctx, int link, const char *reason); /* At most one a second each. */
    void (*on_drain)(void *ctx, int link);
};

int link_set_open(struct link_set **out, uv_loop_t *loop, const struct link_options *o,
                  const struct link_callbacks *cb, char *err, size_t err_size);
/* Closes; the memory goes with the loop's close callbacks. */
void link_set_close(struct link_set *set);
/* Copies.  0, or -1: not up, or the queue is full.  urgent: before what waits. */
int link_set_send(struct link_set *set, int link, const uint8_t *at, size_t len, bool urgent);
size_t link_set_backlog(const struct link_set *set, int link);
/* Ends the connection after the present callback; on_down follows. */
void link_set_kick(struct link_set *set, int link, const char *reason);

#endif
