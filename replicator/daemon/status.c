/* The marks as JSON, in the words and shapes of the interface. */
#include "shell.h"
#include "control.h"

#include "segment.h"

#include <string.h>

static const char *const segment_words[] = {
    [SEGMENT_FREE] = "settled",    [SEGMENT_LIVE] = "live",   [SEGMENT_DRAINING] = "draining",
    [SEGMENT_HELD] = "held",       [SEGMENT_TAKEN] = "taken", [SEGMENT_HANDED_OVER] = "handed-over",
    [SEGMENT_SETTLED] = "settled",
};

static const char *const policy_words[] = {
    [IN_DOUBT_RESEND] = "resend",
    [IN_DOUBT_HOLD] = "hold",
    [IN_DOUBT_SKIP] = "skip",
};

static const char *const gap_words[] = {"none", "pending", "lost", "filled"};

/* Up to where a mark goes without a hole: below the first span everything is done. */
uint32_t status_mark(const struct segment *g, size_t k, bool emitted)
{
    const struct delivery *d = &g->at[k];

    if (d->count == 0)
        return g->closed ? g->last : g->journaled;
    return emitted ? d->span[0].emitted : d->span[0].intent;
}

static json_t *in_doubt(const struct shell *s, const struct segment *g, size_t k)
{
    for (uint8_t n = 0; n < g->at[k].count; n++) {
        const struct span *p = &g->at[k].span[n];

        if (p->doubt > p->emitted)
            return json_pack("{s:I,s:I,s:s}", "from", (json_int_t)p->emitted + 1, "to",
                             (json_int_t)p->doubt, "policy",
                             policy_words[s->core->o.sink[k].policy]);
    }
    return json_null();
}

static json_t *spans(const struct segment *g, size_t k)
{
    json_t *list = json_array();

    for (uint8_t n = 0; n < g->at[k].count; n++) {
        const struct span *p = &g->at[k].span[n];

        json_array_append_new(
            list, json_pack("{s:I,s:I,s:i,s:I,s:I,s:I,s:I}", "from", (json_int_t)p->from, "to",
                            (json_int_t)(p->to == SEQUENCE_MAX ? 0 : p->to), "owner", p->owner,
                            "term", (json_int_t)p->term, "emitted", (json_int_t)p->emitted,
                            "handed", (json_int_t)p->handed, "intent", (json_int_t)p->intent));
    }
    return list;
}

static json_t *segment_sinks(const struct shell *s, const struct segment *g)
{
    json_t *list = json_array();

    for (size_t k = 0; k < s->port_count; k++)
        json_array_append_new(list,
                              json_pack("{s:s,s:I,s:I,s:o,s:o}", "name", s->port[k].config->name,
                                        "intent", (json_int_t)status_mark(g, k, false), "emitted",
                                        (json_int_t)status_mark(g, k, true), "inDoubt",
                                        in_doubt(s, g, k), "runs", spans(g, k)));
    return list;
}

static int owner_of(const struct segment *g)
{
    for (size_t k = 0; k < SINK_COUNT_MAX; k++) {
        if (g->at[k].count > 0)
            return g->at[k].span[0].owner;
    }
    return g->origin;
}

static json_t *gaps(const struct segment *g)
{
    json_t *list = json_array();

    if (g->gap != GAP_NONE)
        json_array_append_new(list,
                              json_pack("{s:I,s:I,s:s}", "from", (json_int_t)g->gap_from, "to",
                                        (json_int_t)g->gap_to, "state", gap_words[g->gap]));
    return list;
}

static json_t *segment_json(const struct shell *s, const struct segment *g)
{
    bool own = g->origin == s->core->o.node;
    json_t *o = json_pack("{s:I,s:s,s:i,s:I,s:I,s:I,s:I}", "epoch", (json_int_t)g->epoch, "state",
                          segment_words[g->state], "owner", owner_of(g), "produced",
                          (json_int_t)g->produced, "journaled", (json_int_t)g->journaled, "sent",
                          (json_int_t)(own ? g->sent : g->journaled), "replicated",
                          (json_int_t)(own ? g->replicated : g->journaled));

    json_object_set_new(o, "sinks", segment_sinks(s, g));
    json_object_set_new(o, "gaps", gaps(g));
    return o;
}

static json_t *streams(const struct shell *s)
{
    json_t *list = json_array();

    for (int origin = 0; origin < NODE_COUNT; origin++) {
        json_t *segments = json_array();

        for (uint16_t i = 0; i < s->core->count; i++) {
            const struct segment *g = &s->core->segment[s->core->order[i]];

            if (g->origin == origin)
                json_array_append_new(segments, segment_json(s, g));
        }
        json_array_append_new(list, json_pack("{s:i,s:o}", "origin", origin, "segments", segments));
    }
    return list;
}

/* What of our own stream waits at the slowest sink, and what of it is held (L2, T4). */
uint64_t status_waiting(const struct shell *s, bool held)
{
    uint64_t most = 0;

    for (size_t k = 0; k < s->port_count; k++) {
        uint64_t n = 0;

        for (uint16_t i = 0; i < s->core->count; i++) {
            const struct segment *g = &s->core->segment[s->core->order[i]];

            if (g->origin != s->core->o.node || (g->state == SEGMENT_HELD) != held)
                continue;
            for (uint8_t m = 0; m < g->at[k].count; m++) {
                const struct span *p = &g->at[k].span[m];
                uint32_t to = p->to < g->produced ? p->to : g->produced;

                n += to > p->emitted ? to - p->emitted : 0;
            }
        }
        most = n > most ? n : most;
    }
    return most;
}

uint64_t status_held(const struct shell *s, int origin)
{
    uint64_t n = 0;

    for (uint16_t i = 0; i < s->core->count; i++) {
        const struct segment *g = &s->core->segment[s->core->order[i]];
        uint64_t most = 0;

        for (size_t k = 0; k < s->port_count; k++) {
            uint32_t emitted = status_mark(g, k, true);

            if (g->journaled > emitted && g->journaled - emitted > most)
                most = g->journaled - emitted;
        }
        n += g->origin == origin && g->state == SEGMENT_HELD ? most : 0;
    }
    return n;
}

json_t *status_watermark(struct shell *s, struct control_client *c, const struct control_request *r)
{
    json_t *o = json_pack("{s:i,s:i,s:I}", "node", s->core->o.node, "clusterId",
                          (int)s->config->cluster_id, "epoch", (json_int_t)s->core->live_epoch);

    (void)c;
    (void)r;
    json_object_set_new(o, "session",
                        json_pack("{s:s,s:o,s:b,s:b}", "state", status_session_word(s), "links",
                                  status_links(s), "peerDead", s->core->peer_dead, "fenced",
                                  s->core->fenced));
    json_object_set_new(o, "news", status_news(s));
    json_object_set_new(o, "redundancyGroups", status_groups(s));
    json_object_set_new(o, "streams", streams(s));
    json_object_set_new(o, "held", json_integer((json_int_t)status_waiting(s, true)));
    json_object_set_new(o, "waiting", json_integer((json_int_t)status_waiting(s, false)));
    json_object_set_new(o, "counters", status_counters_json(s));
    json_object_set_new(o, "takeovers", json_integer((json_int_t)s->core->takeovers));
    return o;
}
