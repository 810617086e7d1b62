/* The cluster as JSON. */
#include "shell.h"
#include "control.h"

static const char *const session_words[] = {
    [SESSION_DOWN] = "down",
    [SESSION_HELLO] = "hello",
    [SESSION_UP] = "up",
};

const char *status_session_word(const struct shell *s)
{
    return session_words[s->core->session];
}

/* Which option of ours names the key that it runs under. */
static const char *const key_words[] = {
    [LINK_KEY_NONE] = NULL,
    [LINK_KEY_USED] = "key-file",
    [LINK_KEY_ACCEPTED] = "accept-key-file",
    [LINK_KEY_GONE] = "forgotten",
};

json_t *status_links(const struct shell *s)
{
    json_t *list = json_array();

    for (size_t i = 0; i < s->config->link_count; i++) {
        struct link_state state = {0};

        if (s->links != NULL)
            link_set_state(s->links, (int)i, &state);
        json_array_append_new(
            list,
            json_pack("{s:s,s:s,s:I,s:f,s:b,s:s?,s:I,s:s?,s:o}", "name", s->config->link[i].name,
                      "state", s->core->links_up & (1u << i) ? "up" : "down", "rttUs",
                      (json_int_t)cluster_rtt_us(s->cluster, (unsigned)i), "lossPercent",
                      (double)cluster_loss_ppm(s->cluster, (unsigned)i) / 10000, "carriesRecords",
                      s->core->link == (int)i, "why", state.why[0] != '\0' ? state.why : NULL,
                      "refused", (json_int_t)peer_refused(s, (int)i), "key", key_words[state.key],
                      "wireVersion",
                      state.version != 0 ? json_integer(state.version) : json_null()));
    }
    return list;
}

static json_t *monitors(const struct shell *s, size_t i)
{
    const struct config_group *g = &s->config->group[i];
    json_t *list = json_array();

    for (size_t m = 0; m < g->monitor_count; m++)
        json_array_append_new(list, json_pack("{s:s,s:b,s:b,s:i}", "interface", g->monitor[m].name,
                                              "up", s->cluster->group[i].monitor[m].up, "counts",
                                              s->cluster->group[i].monitor[m].counts, "weight",
                                              g->monitor[m].weight));
    return list;
}

static json_t *ago_ms(uint64_t then_ns)
{
    return then_ns != 0 ? json_integer((json_int_t)((shell_now_ns() - then_ns) / 1000000))
                        : json_null();
}

static const char *manager(bool external)
{
    return external ? "external" : "internal";
}

json_t *status_groups(const struct shell *s)
{
    json_t *list = json_array();

    for (size_t i = 0; i < cluster_group_count(s->cluster); i++) {
        struct cluster_group_view v;

        cluster_group_view(s->cluster, i, &v);
        json_array_append_new(
            list,
            json_pack("{s:i,s:i,s:s,s:s,s:[i,i],s:[i,i],s:[i,i],s:[b,b],s:s,s:s?,s:b,s:b,s:I,s:s,"
                      "s:o,s:o}",
                      "id", v.id, "primary", v.primary, "state", v.state, "peerState", v.peer_state,
                      "priority", v.priority[0], v.priority[1], "weight", v.weight[0], v.weight[1],
                      "effectivePriority", v.effective[0], v.effective[1], "preempt", v.preempt[0],
                      v.preempt[1], "manager", manager(v.external), "peerManager",
                      s->cluster->met ? manager(s->cluster->group[i].peer.external) : NULL,
                      "manual", v.manual, "conflict", v.conflict, "failovers",
                      (json_int_t)v.failovers, "cause", v.cause, "changedMsAgo",
                      ago_ms(v.changed_ns), "monitors", monitors(s, i)));
    }
    return list;
}

static const char *node_word(const struct cluster *c)
{
    return c->fenced   ? "fenced"
           : c->dead   ? "dead"
           : c->silent ? "silent"
           : c->alive  ? "alive"
                       : "unknown";
}

static json_t *nodes(const struct shell *s)
{
    json_t *list = json_array();

    for (int n = 0; n < NODE_COUNT; n++) {
        bool own = n == s->config->node;

        if (own || s->config->has_peer)
            json_array_append_new(list, json_pack("{s:i,s:b,s:s}", "id", n, "self", own, "state",
                                                  own ? "alive" : node_word(s->cluster)));
    }
    return list;
}

static json_t *fencing(const struct shell *s)
{
    static const char *const words[] = {
        [FENCE_IDLE] = "idle",
        [FENCE_RUNNING] = "running",
        [FENCE_DONE] = "done",
        [FENCE_FAILED] = "failed",
    };
    const struct cluster *c = s->cluster;

    return json_pack("{s:b,s:b,s:s,s:s}", "configured", c->o.fence, "peer", c->peer_fencing,
                     "state", words[c->fence], "last", s->fence_text);
}

static json_t *ms(uint64_t from_ns, uint64_t to_ns)
{
    return from_ns != 0 && to_ns >= from_ns ? json_real((double)(to_ns - from_ns) / 1e6)
                                            : json_null();
}

static json_t *last_failover(const struct shell *s)
{
    const struct failover *f = &s->failover.last;
    uint64_t possible = f->dead_ns > f->lease_ns ? f->dead_ns : f->lease_ns;

    if (f->taken_ns == 0)
        return json_null();
    return json_pack("{s:o,s:I,s:o,s:o,s:o,s:o,s:o}", "msAgo", ago_ms(f->taken_ns), "segments",
                     (json_int_t)f->segments, "silenceToDeadMs", ms(f->heard_ns, f->dead_ns),
                     "silenceToTakeoverMs", ms(f->heard_ns, f->taken_ns), "possibleToTakeoverMs",
                     ms(possible, f->taken_ns), "possibleToFirstRecordMs",
                     ms(possible, f->first_ns), "possibleToFirstConfirmedMs",
                     ms(possible, f->confirmed_ns));
}

json_t *status_handover(const struct shell *s)
{
    static const char *const words[] = {
        [HANDOVER_NONE] = "none",
        [HANDOVER_RUNNING] = "running",
        [HANDOVER_DONE] = "done",
        [HANDOVER_REFUSED] = "refused",
    };
    const struct core *c = s->core;

    return json_pack("{s:s,s:s?,s:I,s:I}", "state", words[c->handover.state], "why",
                     c->handover.state == HANDOVER_REFUSED ? c->handover.why : NULL, "runsMoved",
                     (json_int_t)c->handover.moved, "stayed", (json_int_t)emit_stayed(s));
}

static json_int_t left_ms(uint64_t end_ns)
{
    uint64_t now = shell_now_ns();

    return end_ns > now ? (json_int_t)((end_ns - now) / 1000000) : 0;
}

json_t *status_cluster(struct shell *s, struct control_client *c, const struct control_request *r)
{
    json_t *o = json_pack("{s:o,s:i,s:i,s:I,s:s,s:s,s:I}", "news", status_news(s), "node",
                          s->core->o.node, "clusterId", (int)s->config->cluster_id, "epoch",
                          (json_int_t)s->core->live_epoch, "version", EVREP_VERSION, "session",
                          status_session_word(s), "takeovers", (json_int_t)s->core->takeovers);

    (void)c;
    (void)r;
    json_object_set_new(o, "nodes", nodes(s));
    json_object_set_new(o, "links", status_links(s));
    json_object_set_new(o, "redundancyGroups", status_groups(s));
    json_object_set_new(o, "lease",
                        json_pack("{s:I,s:I}", "ownLeftMs", left_ms(s->core->lease_end_ns),
                                  "peerLeftMs", left_ms(s->core->grant_end_ns)));
    json_object_set_new(o, "fencing", fencing(s));
    json_object_set_new(o, "decisionToEffectUs", json_real((double)s->failover.effect_ns / 1000));
    json_object_set_new(o, "handover", status_handover(s));
    json_object_set_new(o, "lastFailover", last_failover(s));
    return o;
}
