#include "election.h"

const char *group_word(uint8_t state)
{
    static const char *const words[] = {"secondary", "primary", "secondary-hold", "lost",
                                        "disabled"};

    return state <= GROUP_DISABLED ? words[state] : "lost";
}

bool election_is_able(const struct election_side *s)
{
    return s->weight > 0 && s->priority > 0 && s->state != GROUP_DISABLED;
}

uint16_t election_priority(const struct election_side *s)
{
    return (uint16_t)((uint32_t)s->priority * s->weight / WEIGHT_FULL);
}

static bool own_is_better(const struct election_input *in)
{
    uint16_t own = election_priority(&in->own), peer = election_priority(&in->peer);

    return own != peer ? own > peer : in->node == 0;
}

static enum group_state without_peer(const struct election_input *in)
{
    if (in->peer_declared_dead)
        return GROUP_PRIMARY;
    return (enum group_state)in->own.state; /* Not known yet: as it was. */
}

/* When does a primary give its role up? */
static enum group_state as_primary(const struct election_input *in)
{
    if (in->peer.state == GROUP_PRIMARY) /* After a partition. */
        return own_is_better(in) ? GROUP_PRIMARY : GROUP_SECONDARY;
    if (!election_is_able(&in->peer))
        return GROUP_PRIMARY;
    if (in->peer.asks)
        return GROUP_HOLD;
    if (in->peer.preempt && in->peer.state == GROUP_SECONDARY && !own_is_better(in))
        return GROUP_SECONDARY;
    return GROUP_PRIMARY;
}

/* Both gave it up: the later command stands. */
static enum group_state both_hold(const struct election_input *in)
{
    if (in->own.manual != in->peer.manual)
        return in->own.manual < in->peer.manual ? GROUP_PRIMARY : GROUP_HOLD;
    return own_is_better(in) ? GROUP_PRIMARY : GROUP_HOLD;
}

enum group_state election_decide(const struct election_input *in)
{
    const struct election_side *own = &in->own, *peer = &in->peer;

    if (own->state == GROUP_DISABLED || own->external)
        return (enum group_state)own->state;
    if (!election_is_able(own))
        return own->state == GROUP_HOLD ? GROUP_HOLD : GROUP_SECONDARY;
    if (!in->peer_alive)
        return without_peer(in);
    if (own->state == GROUP_PRIMARY)
        return as_primary(in);
    if (peer->state == GROUP_PRIMARY) /* When it should yield, it does so by itself. */
        return own->state == GROUP_HOLD ? GROUP_HOLD : GROUP_SECONDARY;
    if (in->peer_behind)
        return (enum group_state)own->state;
    if (!election_is_able(peer))
        return GROUP_PRIMARY;
    if (own->state == GROUP_HOLD)
        return peer->state == GROUP_HOLD ? both_hold(in) : GROUP_HOLD;
    if (peer->state == GROUP_HOLD)
        return GROUP_PRIMARY;
    return own_is_better(in) ? GROUP_PRIMARY : GROUP_SECONDARY;
}
