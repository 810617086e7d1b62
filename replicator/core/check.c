/* Section 2: E <= I <= R <= S <= J <= P and I <= E + W, as far as this node knows each; and every
 * mark only grows.  Asserted after every call that moves one, in release builds too: of the
 * segments that the call has touched, and of all where it loses or makes a session, and after each
 * flush. */
#include "rules.h"

#include <assert.h>

/* I <= R, I <= J and I <= E + W hold of what N3 has raised, at every sink.  Not of what is intended
 * without being raised: what the session began with (N6; its records may be confirmed alone, and
 * never be sent: `begun`), what is in doubt (section 5: it is of another life, and for a node
 * without its marks a bound), and what an answer has settled (D1: it is handed out as fast as the
 * sink takes it; `begun` too).  Where the peer does not have the sink nobody else can hold an
 * intent, and R does not count. */
static void check_intent(const struct core *c, const struct segment *g, size_t sink,
                         const struct span *s)
{
    uint32_t other = max_u32(max_u32(s->begun, s->doubt), s->emitted);
    uint32_t held = max_u32(g->journaled, g->replicated);
    bool shared = c->session == SESSION_UP && c->peer_has[sink];

    if (s->intent <= other)
        return;
    if (s->owner != c->o.node) { /* As its owner has told: of what it can hold (R: in a session). */
        assert(c->session != SESSION_UP ||
               s->intent <= (g->origin == c->o.node ? held : g->journaled));
        return;
    }
    assert(s->intent - s->emitted <= delivery_window(c, sink));
    assert(s->intent <= (g->origin == c->o.node && shared ? g->replicated : held));
    assert(s->requested <= s->intent || s->requested < s->from);
}

void check_span(const struct core *c, const struct segment *g, size_t sink, const struct span *s)
{
    assert(s->from >= 1);
    assert(s->from <= s->to);
    assert(s->emitted >= s->from - 1);
    assert(s->emitted <= s->handed);
    assert(s->handed <= s->intent);
    assert(s->granted <= s->intent);
    assert(s->intent <= s->to);
    assert(s->owner < NODE_COUNT);
    assert(s->handing == HAND_NONE || s->owner == c->o.node);
    check_intent(c, g, sink, s);
}

/* R <= S <= J <= P.  Below the base of its journal, and where a disk has lost records that the peer
 * still has, a node knows less. */
static void check_marks(const struct core *c, const struct segment *g)
{
    assert((g->epoch & 1) == g->origin);
    assert(g->journaled <= g->produced || g->produced == 0 || g->base > g->produced);
    assert(!g->closed || g->origin != c->o.node || g->lost || g->journaled <= g->last);
    if (g->origin != c->o.node || c->session != SESSION_UP)
        return;
    assert(g->replicated <= g->sent || g->replicated < g->base);
    assert(g->cursor <= g->sent || g->cursor < g->base);
    assert(g->sent <= g->sent_bound || g->sent == 0);
    assert(g->cursor <= max_u32(g->journaled, g->replicated) || g->cursor < g->base);
}

/* Records at one sink that are done, or intended: what is in no span is both.  I counts only up to
 * P: above that it is a bound, taken back when it is known what there is (D2 skip). */
struct sums {
    uint32_t done, intended;
};

static struct sums sums_at(const struct core *c, const struct segment *g, size_t k)
{
    struct sums sum = {SEQUENCE_MAX, SEQUENCE_MAX};
    uint32_t above = 0;

    for (uint8_t n = 0; n < g->at[k].count; n++) {
        const struct span *s = &g->at[k].span[n];

        check_span(c, g, k, s);
        assert(s->from > above);
        above = s->to;
        sum.done -= s->to - s->emitted;
        sum.intended -= s->to - max_u32(s->emitted, min_u32(s->intent, g->produced));
    }
    return sum;
}

/* Every mark only grows: P, J, S and E in the life of a process, R and I in that of a session, as a
 * settlement (T3) believes the higher term, and a new hello tells R anew.  One thing takes I back:
 * a hand-over, where the taker knew of intents of an earlier life above what it holds (T1, own()).
 */
static void check_growth(const struct core *c, struct segment *g)
{
    bool same = c->session == SESSION_UP && g->seen.settlement == c->settlements;

    assert(g->produced >= g->seen.produced);
    assert(g->journaled >= g->seen.journaled);
    assert(g->sent >= g->seen.sent);
    assert(!same || g->replicated >= g->seen.replicated);
    g->seen.settlement = c->session == SESSION_UP ? c->settlements : 0;
    g->seen.produced = g->produced;
    g->seen.journaled = g->journaled;
    g->seen.sent = g->sent;
    g->seen.replicated = g->replicated;
    for (size_t k = 0; k < c->o.sink_count; k++) {
        struct sums now = sums_at(c, g, k);

        assert(now.done >= g->seen.done[k]);
        assert(!same || now.intended >= g->seen.intended[k]);
        g->seen.done[k] = now.done;
        g->seen.intended[k] = now.intended;
    }
}

static void check_segment(const struct core *c, struct segment *g)
{
    assert(g->state > SEGMENT_FREE && g->state <= SEGMENT_SETTLED);
    assert(g->state != SEGMENT_LIVE || !g->closed);
    assert(g->state != SEGMENT_DRAINING || g->closed);
    assert(g->state != SEGMENT_SETTLED || g->done);
    check_marks(c, g);
    check_growth(c, g);
}

void check_touched(struct core *c)
{
    for (size_t word = 0; word < SEGMENT_MAX / 64; word++) {
        for (uint64_t left = c->touched[word]; left != 0; left &= left - 1) {
            struct segment *g = &c->segment[64 * word + (size_t)__builtin_ctzll(left)];

            if (g->state != SEGMENT_FREE)
                check_segment(c, g);
        }
        c->touched[word] = 0;
    }
}

void core_check(struct core *c)
{
    for (uint16_t i = 0; i < c->count; i++) {
        struct segment *g = &c->segment[c->order[i]];

        assert(i == 0 || c->segment[c->order[i - 1]].epoch <= g->epoch);
        check_segment(c, g);
    }
    for (size_t word = 0; word < SEGMENT_MAX / 64; word++)
        c->touched[word] = 0;
}
