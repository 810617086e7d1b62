/* What an operator should know first: one line each, the worst first. */
#include "shell.h"

#include <stdarg.h>
#include <stdio.h>

static void add(json_t *list, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void add(json_t *list, const char *format, ...)
{
    char text[512];
    va_list ap;

    va_start(ap, format);
    vsnprintf(text, sizeof(text), format, ap);
    va_end(ap);
    json_array_append_new(list, json_string(text));
}

static void of_gaps(const struct shell *s, json_t *list, enum gap_state state, const char *what)
{
    for (uint16_t i = 0; i < s->core->count; i++) {
        const struct segment *g = &s->core->segment[s->core->order[i]];

        if (g->gap == state)
            add(list, "records %u to %u of segment %u/%u %s", g->gap_from, g->gap_to, g->origin,
                g->epoch, what);
    }
}

static void of_groups(const struct shell *s, json_t *list)
{
    for (size_t i = 0; i < cluster_group_count(s->cluster); i++) {
        struct cluster_group_view v;

        cluster_group_view(s->cluster, i, &v);
        if (v.conflict)
            add(list,
                "redundancy group %d: both nodes are primary, or they do not agree on who decides "
                "(manager)",
                v.id);
        else if (v.primary < 0)
            add(list, "redundancy group %d: no node is primary", v.id);
        if (v.manual)
            add(list,
                "redundancy group %d: a manual failover is in force until `failover %d reset`",
                v.id, v.id);
        for (size_t m = 0; m < s->config->group[i].monitor_count; m++) {
            if (!s->cluster->group[i].monitor[m].up)
                add(list, "redundancy group %d: interface %s is down", v.id,
                    s->config->group[i].monitor[m].name);
        }
    }
}

static void of_peer(const struct shell *s, json_t *list)
{
    const struct cluster *c = s->cluster;

    if (!s->config->has_peer)
        return;
    if (c->fence == FENCE_FAILED)
        add(list,
            "the peer is silent and could not be fenced (%s): nothing of it is taken over; it is "
            "tried again; if it is dead for certain: `evrepctl peer fenced`",
            s->fence_text);
    if (s->core->session != SESSION_UP)
        add(list, "no session with the peer (%s)%s%s", status_session_word(s),
            c->fenced ? "; it is fenced"
            : c->dead ? "; it is declared dead"
                      : "",
            c->met ? "" : "; it was not heard since this program's start");
    for (size_t i = 0; i < s->config->link_count; i++) {
        if (!(s->core->links_up & (1u << i)))
            add(list, "link %s is down", s->config->link[i].name);
    }
    if (s->fencing_said == 2)
        add(list, "fencing is configured on one node only: it is not relied on");
}

static void of_sinks(const struct shell *s, json_t *list)
{
    for (size_t k = 0; k < s->port_count; k++) {
        struct sink_state st;

        sink_state(s->port[k].sink, &st);
        if (!s->core->sink[k].up)
            add(list, "sink %s is %s: %s%s", s->port[k].config->name, st.word, st.last_error,
                s->core->sink[k].give ? "; its records go to the peer, which reaches it" : "");
        else if (s->core->sink[k].give)
            add(list, "sink %s: its records go to the peer (handed over)", s->port[k].config->name);
    }
}

json_t *status_news(const struct shell *s)
{
    uint64_t held = status_waiting(s, true);
    json_t *list = json_array();

    if (s->journal_stuck)
        add(list, "the journal cannot be written: records wait in the ring; make room");
    if (s->given_up > 0)
        add(list,
            "the journal reached its limit: %llu records were given up since the start, stated as "
            "lost",
            (unsigned long long)s->given_up);
    of_gaps(s, list, GAP_LOST, "are lost");
    of_gaps(s, list, GAP_PENDING, "are missing until the peer returns");
    of_groups(s, list);
    if (held > 0)
        add(list,
            "%llu records are held until the peer returns, is fenced, or the hold time is over",
            (unsigned long long)held);
    of_peer(s, list);
    of_sinks(s, list);
    return list;
}
