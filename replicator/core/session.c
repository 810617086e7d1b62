/* One session with the peer, from hello to loss, and the links that carry it. */
#include "rules.h"

#include <assert.h>

void session_break(struct core *c, const char *why)
{
    if (!c->broken) {
        c->broken = true;
        c->broken_why = why;
    }
}

/* Section 9. */
bool session_lies(struct core *c, const char *why)
{
    if (why == NULL)
        return false;
    c->lies++;
    session_break(c, why);
    return true;
}

static void lost(struct core *c)
{
    bool was_up = c->session == SESSION_UP || c->facts_out; /* It may be up at the peer. */

    if (c->session == SESSION_UP)
        c->parted_ns = c->now_ns;
    c->session = SESSION_DOWN;
    c->nonce = c->peer_nonce = 0;
    c->hello_told = c->hello_sent = c->hello_done = c->facts_out = false;
    c->grant_owed = false;
    c->grants_len = 0;
    c->hand_acks_len = 0;
    c->gone_count = 0;
    if (!was_up)
        return;
    c->lost_ns = c->now_ns;
    takeover_lost(c);
}

/* What was on the other link may be gone: ask and tell again. */
void session_rewind(struct core *c)
{
    for (uint16_t i = 0; i < c->count; i++) {
        struct segment *g = &c->segment[c->order[i]];

        g->cursor = g->replicated;
        g->ack = g->origin != c->o.node;
        g->told_done = false;
        for (size_t k = 0; k < c->o.sink_count; k++) {
            for (uint8_t n = 0; n < g->at[k].count; n++) {
                g->at[k].span[n].requested = g->at[k].span[n].granted;
                span_report_again(c, &g->at[k].span[n]);
            }
        }
    }
    c->renew = c->marks_due = c->sinks_due = true;
    handover_rewind(c);
}

static int first_link(uint8_t up)
{
    for (int i = 0; i < 8; i++) {
        if (up & (1u << i))
            return i;
    }
    return -1;
}

/* Those of an earlier hello: it tells all of them again, and may leave some out. */
void session_forget_facts(struct core *c)
{
    for (uint16_t i = 0; i < c->count; i++) {
        struct segment *g = &c->segment[c->order[i]];

        g->replicated = g->base - 1;
        g->cursor = g->base - 1;
        g->fact_seen = g->peer_keeps = false;
    }
}

static void begin_hello(struct core *c, int link, uint32_t nonce)
{
    c->session = SESSION_HELLO;
    c->peer_heard = c->ends_heard = false;
    c->turn = c->peer_turn = 0;
    c->peer_nonce = 0;
    c->hello_link = -1;
    c->link = link;
    c->nonce = nonce != 0 ? nonce : 1;
    c->hello_ns = c->now_ns;
    session_forget_facts(c);
}

void session_begin_anew(struct core *c, int link)
{
    uint32_t nonce = c->nonce;

    lost(c);
    begin_hello(c, link, nonce + 1);
}

void session_link_up(struct core *c, int link, uint32_t random)
{
    assert(link >= 0 && link < 8);
    c->links_up |= (uint8_t)(1u << link);
    if (c->session != SESSION_DOWN)
        return;
    begin_hello(c, link, random);
}

void session_link_down(struct core *c, int link)
{
    c->links_up &= (uint8_t) ~(1u << link);
    if (c->links_up == 0) {
        c->link = -1;
        lost(c);
        return;
    }
    if (c->link != link)
        return;
    if (c->session == SESSION_UP && c->version < 2) { /* Nor may what the lost link still brings. */
        session_begin_anew(c, first_link(c->links_up));
        return;
    }
    c->link = first_link(c->links_up);
    c->turn++;
    if (c->session == SESSION_UP) {
        session_rewind(c);
    } else {
        c->hello_told = c->hello_sent = c->hello_done = false;
        c->hello_ns = c->now_ns;
    }
}

/* What is on its way on the other link may come later than what goes on this one: so everything is
 * told again, and all of it may be heard twice and out of order. */
void session_link_prefer(struct core *c, int link)
{
    if (c->session != SESSION_UP || !c->peer_heard || c->link == link ||
        !(c->links_up & (1u << link)))
        return; /* What overtakes the end of our hello would not be heard. */
    if (c->version < 2)
        return; /* It has no turn: what is overtaken would be heard. */
    c->link = link;
    c->turn++;
    session_rewind(c);
}

/* The peer's word may have gone with the link that carried it, and the peer forgets a segment once
 * it has said that it is done: ask until it answers. */
static void ask_done_again(struct core *c)
{
    for (uint16_t i = 0; i < c->count; i++) {
        struct segment *g = &c->segment[c->order[i]];

        if (g->done && !g->peer_done)
            g->told_done = false;
    }
}

/* N2: a replica whose table of segments is full takes nothing of a new one, and cannot say so. */
static void send_again(struct core *c)
{
    if (c->now_ns - c->again_ns < SECOND_NS)
        return;
    c->again_ns = c->now_ns;
    for (uint16_t i = 0; i < c->count; i++) {
        struct segment *g = &c->segment[c->order[i]];

        if (g->origin == c->o.node && g->replicated < g->base)
            g->cursor = g->replicated;
    }
}

void session_tick(struct core *c)
{
    if (c->session == SESSION_HELLO && c->now_ns - c->hello_ns > c->o.hello_ns)
        session_break(c, "the peer did not finish its hello in time");
    if (c->session != SESSION_UP || c->now_ns - c->renew_ns < c->o.lease_ns / 4)
        return;
    c->renew = c->marks_due = true;
    ask_done_again(c);
    handover_rewind(c);
    send_again(c);
}

uint8_t session_version(const struct core *c)
{
    return c->o.wire_version != 0 ? c->o.wire_version : WIRE_VERSION;
}

void session_establish(struct core *c)
{
    if (c->session != SESSION_HELLO || !c->hello_sent || !c->hello_done)
        return;
    c->session = SESSION_UP;
    c->lease_end_ns = 0;
    settled_hello_done(c);
    session_rewind(c);
}
