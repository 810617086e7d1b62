#include "stream_repeat.h"

/* A frame is out of the helper's buffer once it has read that it is acknowledged: then it cannot
 * come again, whatever is in it.  What came first in an earlier connection may have been on its way
 * again since this one began. */
static bool is_out_of_its_buffer(const struct stream_source *s, uint64_t sequence)
{
    return sequence <= (sequence <= s->known ? s->heard : s->run->heard);
}

/* A count begins at 1.  Only another process that cannot be told, met when it dials, may be further
 * on than what we know of the one before; and that could be a late frame, too, where we forgot. */
static bool can_begin_a_count(const struct stream_source *s, uint64_t sequence)
{
    return sequence <= STREAM_FIRST ||
           (s->run->id == 0 && !s->settled && !stream_set_is_forgotten(&s->run->set, sequence));
}

bool stream_is_repeat(const struct stream_source *s, const struct stream_header *h, uint32_t hash)
{
    size_t at = h->sequence % STREAM_WINDOW;
    bool remembered = s->recent[at].sequence == h->sequence;

    if (remembered && s->recent[at].hash != hash)
        return false;
    if (s->drain_open) /* It sends all of its buffer, in which what is acknowledged may be left. */
        return true;
    if (h->type == STREAM_FULL_RESYNC && !s->settled) /* It is not kept for replay. */
        return false;
    if (!can_begin_a_count(s, h->sequence))
        return true;
    if (!remembered && s->settled && h->sequence + STREAM_WINDOW <= s->run->set.newest)
        return false; /* Nobody has that much outstanding. */
    return !is_out_of_its_buffer(s, h->sequence);
}
