#include "backoff.h"

static bool is_steady(const struct backoff *b, uint64_t now_ns)
{
    return b->confirmed >= BACKOFF_PROGRESS || now_ns - b->up_ns >= BACKOFF_LIVED_MS * MS_NS;
}

void backoff_up(struct backoff *b, uint64_t now_ns)
{
    b->up_ns = now_ns;
    b->confirmed = 0;
}

bool backoff_confirmed(struct backoff *b, uint64_t n, uint64_t now_ns)
{
    b->confirmed += n;
    if (!b->flaps || b->up_ns == 0 || !is_steady(b, now_ns))
        return false;
    b->flaps = false;
    return true;
}

uint64_t backoff_down(struct backoff *b, uint64_t now_ns)
{
    uint64_t lived_ns = now_ns - b->up_ns;

    if (b->up_ns == 0)
        return 0;
    b->flaps = !is_steady(b, now_ns);
    if (!b->flaps)
        b->ms = 0;
    b->up_ns = 0;
    return lived_ns;
}

uint32_t backoff_next_ms(struct backoff *b, uint32_t random)
{
    uint32_t ms = b->ms != 0 ? b->ms : BACKOFF_MIN_MS;

    b->ms = ms * 2 < BACKOFF_MAX_MS ? ms * 2 : BACKOFF_MAX_MS;
    return ms + random % (ms / 2 + 1);
}
