#include "run_bytes.h"
#include "core.h"
#include "frame.h"

#include <stdlib.h>

enum { ITEMS = 64, BYTES_FIRST = 1 << 20, BYTES_MAX = 16 << 20 };

static int reserve(struct run_bytes *b, size_t more)
{
    size_t room = b->room == 0 ? BYTES_FIRST : b->room;
    uint8_t *bytes;

    while (room < b->len + more)
        room *= 2;
    if (room == b->room)
        return 0;
    if (room > BYTES_MAX)
        return -1;
    bytes = realloc(b->at, room);
    if (bytes == NULL)
        return -1;
    b->at = bytes;
    b->room = room;
    return 0;
}

void run_bytes_forget(struct run_bytes *b)
{
    free(b->at);
    free(b->end);
    b->at = NULL;
    b->end = NULL;
    b->len = b->room = 0;
}

static int take_item(struct run_bytes *b, const struct sink *s, const struct sink_item *item)
{
    uint32_t q = position_sequence(item->position);

    if (reserve(b, item->len + FRAME_OVERHEAD_MAX) != 0)
        return -1;
    b->len += frame_put(&s->o, item, b->at + b->len);
    if (q < b->begin) {
        b->offset += b->len; /* It only tells where the next begins. */
        b->len = 0;
    } else {
        b->end[q - b->begin] = b->len;
    }
    return 0;
}

int run_bytes_render(struct run_bytes *b, struct sink *s, const struct run *r)
{
    struct sink_item items[ITEMS];
    size_t n;

    b->offset = r->offset;
    b->len = 0;
    b->end = calloc((size_t)(b->last - b->begin) + 1, sizeof(*b->end));
    if (b->end == NULL)
        return -1;
    for (uint32_t q = r->first; q <= b->last; q += (uint32_t)n) {
        n = s->host.again(s->host.ctx, r->origin, r->epoch, q, b->last, items, ITEMS);
        for (size_t i = 0; i < n; i++) {
            if (take_item(b, s, &items[i]) != 0)
                return -1;
        }
        if (n == 0)
            return -1;
    }
    return 0;
}
