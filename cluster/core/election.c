#include "election.h"

const char *group_word(uint8_t state)
{
    static const char *const words[] = {"secondary", "primary", "secondary-hold", "lost",
                                        "disabled"};

    return state <= GROUP_DISABLED ? words[state] : "lost";
}

static bool own_is_better(const struct election_input *in)
{
    if (in->own.priority != in->peer.priority)
        return in->own.priority > in->peer.priority;
    return in->node == 0;
}

/* In the order of the reference contract, section 11.2. */
enum group_state election_decide(const struct election_input *in)
{
    if (in->own.state == GROUP_DISABLED)
        return GROUP_DISABLED;
    if (in->own.priority == 0)
        return GROUP_SECONDARY;
    if (!in->peer_alive) {
        if (!in->peer_declared_dead)
            return in->own.state == GROUP_PRIMARY ? GROUP_PRIMARY : in->own.state;
        return GROUP_PRIMARY;
    }
    if (in->own.state == GROUP_HOLD) /* Manual; until reset, or the peer gives up too. */
        return in->peer.state == GROUP_HOLD && own_is_better(in) ? GROUP_PRIMARY : GROUP_HOLD;
    if (in->peer.priority == 0 || in->peer.state == GROUP_HOLD || in->peer.state == GROUP_DISABLED)
        return GROUP_PRIMARY;
    if (in->own.state == GROUP_PRIMARY && in->peer.state == GROUP_PRIMARY)
        return own_is_better(in) ? GROUP_PRIMARY : GROUP_SECONDARY;
    if (in->own.state == GROUP_PRIMARY)
        return in->peer.preempt && !own_is_better(in) ? GROUP_SECONDARY : GROUP_PRIMARY;
    if (in->peer.state == GROUP_PRIMARY)
        return GROUP_SECONDARY; /* With preempt it yields to us by itself. */
    return own_is_better(in) ? GROUP_PRIMARY : GROUP_SECONDARY;
}
