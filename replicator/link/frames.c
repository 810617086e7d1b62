#include "frames.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

static void put_length(uint8_t out[FRAME_LENGTH_SIZE], size_t len)
{
    for (int i = 0; i < FRAME_LENGTH_SIZE; i++)
        out[i] = (uint8_t)(len >> (8 * i));
}

static size_t get_length(const uint8_t *at)
{
    return (size_t)at[0] | (size_t)at[1] << 8 | (size_t)at[2] << 16 | (size_t)at[3] << 24;
}

static void advance(struct noise_cipher *c)
{
    if (c->nonce % LINK_REKEY_FRAMES == 0)
        noise_rekey(c);
}

size_t frame_seal(struct noise_cipher *c, const uint8_t *at, size_t len, uint8_t *out)
{
    put_length(out, len + NOISE_TAG);
    noise_seal(c, out, FRAME_LENGTH_SIZE, at, len, out + FRAME_LENGTH_SIZE);
    advance(c);
    return len + FRAME_OVERHEAD;
}

enum frame_result frame_open(struct noise_cipher *c, const uint8_t *length, uint8_t *body,
                             size_t have, size_t *used, const uint8_t **at, size_t *len)
{
    size_t sealed = get_length(length);

    if (sealed < NOISE_TAG || sealed > LINK_FRAME_MAX + NOISE_TAG)
        return FRAME_IMPOSSIBLE;
    if (have < sealed)
        return FRAME_MORE;
    if (noise_open(c, length, FRAME_LENGTH_SIZE, body, sealed, body) != 0)
        return FRAME_FORGED;
    advance(c);
    *used = FRAME_LENGTH_SIZE + sealed;
    *at = body;
    *len = sealed - NOISE_TAG;
    return FRAME_OPENED;
}

/* ---- queues ---- */

static int queue_grow(struct frame_queue *q, size_t need)
{
    size_t cap = q->cap == 0 ? 64 << 10 : 2 * q->cap;
    uint8_t *more;

    while (cap < need)
        cap *= 2;
    more = realloc(q->bytes, cap);
    if (more == NULL)
        return -1;
    q->bytes = more;
    q->cap = cap;
    return 0;
}

/* Grows to what a busy link needs, once; what was sent makes room in front, moved only when that is
 * less than what it makes room for. */
static int queue_put(struct frame_queue *q, const uint8_t *at, size_t len)
{
    size_t size = FRAME_LENGTH_SIZE + len;

    if (q->tail - q->head + size > q->max)
        return -1;
    if (q->tail + size > q->cap && q->head > 0 && q->head >= q->tail - q->head) {
        memmove(q->bytes, q->bytes + q->head, q->tail - q->head);
        q->tail -= q->head;
        q->head = 0;
    }
    if (q->tail + size > q->cap && queue_grow(q, q->tail + size) != 0)
        return -1;
    put_length(q->bytes + q->tail, len);
    memcpy(q->bytes + q->tail + FRAME_LENGTH_SIZE, at, len);
    q->tail += size;
    return 0;
}

static bool queue_seal(struct frame_queue *q, struct frames_out *f)
{
    size_t len;

    if (q->head == q->tail)
        return false;
    len = get_length(q->bytes + q->head);
    if (f->staged + len + FRAME_OVERHEAD > STAGE_SIZE)
        return false;
    f->staged +=
        frame_seal(&f->cipher, q->bytes + q->head + FRAME_LENGTH_SIZE, len, f->stage + f->staged);
    q->head += FRAME_LENGTH_SIZE + len;
    if (q->head == q->tail)
        q->head = q->tail = 0;
    return true;
}

int frames_out_init(struct frames_out *f, const struct noise_cipher *cipher)
{
    memset(f, 0, sizeof(*f));
    f->cipher = *cipher;
    f->urgent.max = URGENT_QUEUE_MAX;
    f->bulk.max = LINK_QUEUE_MAX;
    f->stage = malloc(STAGE_SIZE);
    return f->stage != NULL ? 0 : -1;
}

void frames_out_deinit(struct frames_out *f)
{
    free(f->urgent.bytes);
    free(f->bulk.bytes);
    free(f->stage);
    sodium_memzero(f, sizeof(*f));
}

int frames_out_put(struct frames_out *f, const uint8_t *at, size_t len, bool urgent)
{
    if (len > LINK_FRAME_MAX)
        return -1;
    return queue_put(urgent ? &f->urgent : &f->bulk, at, len);
}

void frames_out_fill(struct frames_out *f)
{
    while (queue_seal(&f->urgent, f))
        ;
    while (f->staged < STAGE_BULK && queue_seal(&f->bulk, f))
        ;
}

size_t frames_out_waiting(const struct frames_out *f)
{
    return f->urgent.tail - f->urgent.head + f->bulk.tail - f->bulk.head;
}
