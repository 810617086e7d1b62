/* How many heartbeats a link loses.  Late is not lost: a machine under load makes many late.  They
 * come in order, so what a counter skips never comes. */
#include "parts.h"

enum { WINDOW = 500 };

static void count(struct cluster_link *l, uint64_t due, uint64_t lost)
{
    if (l->loss[0].due >= WINDOW) {
        l->loss[1] = l->loss[0];
        l->loss[0].due = l->loss[0].lost = 0;
    }
    l->loss[0].due += (uint32_t)due;
    l->loss[0].lost += (uint32_t)lost;
}

/* What was sent before the link came up is not this link's. */
void link_came(struct cluster_link *l, uint64_t counter)
{
    uint64_t skipped = l->counter != 0 ? counter - l->counter - 1 : 0;

    if (skipped > WINDOW)
        skipped = WINDOW;
    count(l, skipped + 1, skipped);
}

/* As of the last step. */
static uint64_t overdue(const struct cluster *c, const struct cluster_link *l)
{
    uint64_t n = c->step_ns > l->heard_ns ? (c->step_ns - l->heard_ns) / c->o.heartbeat_ns : 0;

    if (!l->up || n < SILENT_HEARTBEATS || membership_is_blind(c, c->step_ns))
        return 0;
    return n < WINDOW ? n : WINDOW;
}

/* What is overdue now comes no more. */
void link_went(const struct cluster *c, struct cluster_link *l)
{
    uint64_t lost = overdue(c, l);

    if (lost > 0)
        count(l, lost, lost);
}

uint32_t cluster_loss_ppm(const struct cluster *c, unsigned link)
{
    const struct cluster_link *l = &c->link[link];
    uint64_t late = overdue(c, l);
    uint64_t due = late + l->loss[0].due + l->loss[1].due;

    return due == 0 ? 0 : (uint32_t)((late + l->loss[0].lost + l->loss[1].lost) * 1000000 / due);
}
