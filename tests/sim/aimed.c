/* Faults that hit a moment which chance alone seldom hits.  Drawn from a stream of their own, and
 * only where there are operations too, so that a seed without them (--plain, --operations) is the
 * same run as ever. */
#include "sim.h"

void aimed_draw(struct world *w)
{
    w->aim_hello = 0;
    w->steady = false;
    if (!w->operations || w->unaimed)
        return;
    w->aim_hello = rng_chance(&w->aim, 300) ? rng_between(&w->aim, 100, 800) : 0;
    w->steady = rng_chance(&w->aim, 300);
    TRACE(w, "aimed at %u of 1000 hellos%s", w->aim_hello,
          w->steady ? ", and no record moves to another link" : "");
}

/* T3, section 9: a process dies, or a link breaks, while facts cross; or a word is lost that is
 * said once. */
void aimed_session(struct world *w, const struct node *n)
{
    static const enum fault faults[] = {FAULT_CRASH,      FAULT_CRASH,   FAULT_CRASH_IO,
                                        FAULT_RESET_LINK, FAULT_CUT_ONE, FAULT_CLOG};
    uint64_t after = rng_below(&w->aim, 4 * (uint32_t)w->latency_ns);
    enum fault f = faults[rng_below(&w->aim, sizeof(faults) / sizeof(faults[0]))];
    unsigned node = rng_chance(&w->aim, 500) ? n->id : 1u - n->id;
    bool is_node = f == FAULT_CRASH || f == FAULT_CRASH_IO;

    if (w->ending || !rng_chance(&w->aim, w->aim_hello))
        return;
    world_event(w, w->now + after, EV_AIMED, (uint8_t)f,
                (uint8_t)(is_node ? node : rng_below(&w->aim, SIM_LINKS)), 0);
}
