/* Sealed frames on a connection: u32 length (little-endian, of what follows), sealed bytes.  The
 * length is authenticated with them, the number of the frame is the nonce, and both sides rekey
 * after each LINK_REKEY_FRAMES.  Pure but for the memory of the queues.
 */
#ifndef EVREP_FRAMES_H
#define EVREP_FRAMES_H

#include "noise.h"

enum {
    FRAME_LENGTH_SIZE = 4,
    FRAME_OVERHEAD = FRAME_LENGTH_SIZE + NOISE_TAG,
    LINK_FRAME_MAX = 128 << 10,
    LINK_REKEY_FRAMES = 1 << 20,
    LINK_QUEUE_MAX = 8 << 20, /* Bytes of bulk that wait to be sealed. */
    URGENT_QUEUE_MAX = 64 << 10,
    STAGE_SIZE = 256 << 10, /* Sealed, and not yet with the kernel; */
    STAGE_BULK =
        32 << 10, /* with so much of it no more bulk is: what is urgent would wait for it. */
};

/* Writes len + FRAME_OVERHEAD bytes, and returns that. */
size_t frame_seal(struct noise_cipher *c, const uint8_t *at, size_t len, uint8_t *out);

enum frame_result { FRAME_MORE, FRAME_OPENED, FRAME_IMPOSSIBLE, FRAME_FORGED };

/* One frame out of what was read: `length` is at its 4 bytes, `body` at the `have` bytes behind
 * them, opened in place.  *used: of both. */
enum frame_result frame_open(struct noise_cipher *c, const uint8_t *length, uint8_t *body,
                             size_t have, size_t *used, const uint8_t **at, size_t *len);

/* ---- what waits to be sent ---- */

struct frame_queue {
    uint8_t *bytes; /* u32 length, plain bytes; again. */
    size_t head, tail, cap, max;
};

/* Two queues, so that a heartbeat never waits behind bulk, and one stage of sealed bytes. */
struct frames_out {
    struct frame_queue urgent, bulk;
    struct noise_cipher cipher;
    uint8_t *stage;
    size_t staged;
};

/* 0, or -1: no memory. */
int frames_out_init(struct frames_out *f, const struct noise_cipher *cipher);
void frames_out_deinit(struct frames_out *f);
/* Copies.  0, or -1: too long, or no room. */
int frames_out_put(struct frames_out *f, const uint8_t *at, size_t len, bool urgent);
/* Seals what fits into the stage, which must be empty: urgent ones first. */
void frames_out_fill(struct frames_out *f);
/* Plain bytes that wait. */
size_t frames_out_waiting(const struct frames_out *f);

#endif
