/* links: replicator_core */
/* A helper that sends anything, in pieces of any size, across reconnections and deaths of evrepd:
 * the reader takes no byte that is not there, no number twice, and its prefix never skips a number.
 */
#include "bytes.h"
#include "stream_source.h"

#include <stdlib.h>
#include <string.h>

enum { BUFFER = 4096 };

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len);

struct fuzz {
    struct stream_source s;
    struct stream_memory m;
    uint64_t now_ns;
    uint8_t *buffer; /* Just as long as what is in it, so that a byte too many is seen. */
    size_t len;
};

static void give_up(struct fuzz *f, const struct stream_gap *gap)
{
    if (gap->hole.from > gap->hole.to || gap->hole.from != gap->run->set.prefix + 1)
        abort();
    stream_given_up(&f->s, gap);
}

static void take(struct fuzz *f, const struct stream_item *item)
{
    if (item->sequence == 0 || stream_set_has(&f->s.run->set, item->sequence) != item->replaces)
        abort();
    stream_taken(&f->s, item);
    if (!stream_set_has(&f->s.run->set, item->sequence))
        abort();
}

static void receive(struct fuzz *f, const uint8_t *at, size_t len, bool quiet)
{
    struct stream_item item;
    struct stream_gap gap;
    size_t used = 0;

    if (f->len + len == 0)
        return;
    f->buffer = realloc(f->buffer, f->len + len);
    memcpy(f->buffer + f->len, at, len);
    f->len += len;
    for (;;) {
        enum stream_result r =
            stream_next(&f->s, f->buffer + used, f->len - used, quiet, &item, &gap);

        if (r == STREAM_NEED)
            break;
        if (r == STREAM_TORN) {
            used = f->len;
            stream_disconnected(&f->s, f->now_ns);
            stream_connected(&f->s, 1, true, f->now_ns);
            break;
        }
        if (r == STREAM_HOLE) {
            give_up(f, &gap);
            continue;
        }
        if (r == STREAM_RECORD)
            take(f, &item);
        if (item.used > f->len - used)
            abort();
        used += item.used;
    }
    f->len -= used;
    memmove(f->buffer, f->buffer + used, f->len);
}

/* What was given up is stated to the last number. */
static void state(struct fuzz *f)
{
    struct stream_note note;

    f->now_ns += 1000000000ull;
    while (stream_untold(&f->s, f->now_ns, &note)) {
        if (note.count == 0 || note.count != note.to - note.from + 1)
            abort();
        stream_told(&f->s, &note, f->now_ns);
    }
    if (stream_untold_count(&f->s) != f->s.doubts)
        abort();
}

static void other(struct fuzz *f, uint8_t what)
{
    struct stream_gap gap;

    switch (what % 7) {
    case 0:
        stream_disconnected(&f->s, f->now_ns);
        f->len = 0;
        stream_connected(&f->s, what / 7 % 3, what / 21 % 2, f->now_ns);
        break;
    case 1:
        f->now_ns += (uint64_t)what * 1000000000ull;
        break;
    case 2:
        stream_drain_wanted(&f->s, f->now_ns);
        break;
    case 3:
        f->len = 0;
        stream_open(&f->s, &f->m, 1, 250000000);
        stream_connected(&f->s, what / 7 % 3, what / 21 % 2, f->now_ns);
        break;
    case 4:
        stream_heard(&f->s, stream_prefix(&f->s) - what / 7 % 3);
        break;
    case 5:
        state(f);
        break;
    default:
        stream_held_up(&f->s);
    }
    for (int i = 0; stream_gap_due(&f->s, f->now_ns, &gap); i++) {
        if (i > 2 * STREAM_WINDOW)
            abort();
        give_up(f, &gap);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
    static struct fuzz f;

    memset(&f, 0, sizeof(f));
    stream_open(&f.s, &f.m, 1, 250000000);
    stream_connected(&f.s, 1, true, 0);
    while (len >= 2) {
        uint8_t how = at[0];
        size_t n = at[1];

        at += 2;
        len -= 2;
        if (how >= 200) {
            other(&f, (uint8_t)n);
            continue;
        }
        n = n < len ? n : len;
        receive(&f, at, n, how & 1);
        at += n;
        len -= n;
    }
    free(f.buffer);
    f.buffer = NULL;
    return 0;
}
