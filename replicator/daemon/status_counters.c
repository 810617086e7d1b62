/* What the dataplane decided, and where it went (A3). */
#include "shell.h"
#include "control.h"

static const char *const kind_names[EVHOOKS_KIND_MAX] = {
    [RECORD_SESSION_OPEN] = "session_open", [RECORD_SESSION_CLOSE] = "session_close",
    [RECORD_POLICY_DENY] = "policy_deny",   [RECORD_SCREEN_DROP] = "screen_drop",
    [RECORD_ALG_REQUEST] = "alg_request",   [RECORD_FILTER_LOG] = "filter_log",
};

const char *status_kind_name(size_t kind)
{
    return kind < EVHOOKS_KIND_MAX ? kind_names[kind] : NULL;
}

static const char *balance_of(const struct shell *s, const struct evhooks_counters *c, size_t k,
                              const struct tally_kind *t)
{
    if (!tally_is_complete(s))
        return "the backlog of the journal is still being counted";
    if (c->decided[k] !=
        c->not_owner[k] + c->rate_limited[k] + c->capped[k] + c->ring_full[k] + c->tagged[k])
        return "decided is not the sum of its outcomes";
    if (!t->balanced)
        return "tagged is not emitted + held + pending + gap";
    return "ok";
}

static json_t *kind_json(const struct shell *s, const struct evhooks_counters *c, size_t k,
                         const struct tally_kind *t)
{
    return json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:s}", "decided",
                     (json_int_t)c->decided[k], "not_owner", (json_int_t)c->not_owner[k],
                     "rate_limited", (json_int_t)c->rate_limited[k], "capped",
                     (json_int_t)c->capped[k], "ring_full", (json_int_t)c->ring_full[k], "tagged",
                     (json_int_t)c->tagged[k], "emitted", (json_int_t)t->emitted, "held",
                     (json_int_t)t->held, "pending", (json_int_t)t->pending, "gap",
                     (json_int_t)t->gap, "earlier", (json_int_t)t->earlier, "elsewhere",
                     (json_int_t)t->elsewhere, "balance", balance_of(s, c, k, t));
}

void status_counters_read(const struct shell *s, struct evhooks_counters *c,
                          struct tally_kind t[EVHOOKS_KIND_MAX])
{
    ingest_ring_counters(s->ring, c);
    tally_read(s, c, t);
}

json_t *status_counters_json(const struct shell *s)
{
    json_t *o = json_object();
    struct evhooks_counters c;
    struct tally_kind t[EVHOOKS_KIND_MAX];

    status_counters_read(s, &c, t);
    for (size_t k = 1; k < EVHOOKS_KIND_MAX; k++) {
        if (kind_names[k] != NULL)
            json_object_set_new(o, kind_names[k], kind_json(s, &c, k, &t[k]));
    }
    return o;
}

json_t *status_counters(struct shell *s, struct control_client *c, const struct control_request *r)
{
    json_t *kinds = status_counters_json(s), *v;
    const char *kind, *bad = NULL;
    json_t *o;

    (void)c;
    (void)r;
    json_object_foreach(kinds, kind, v)
    {
        if (strcmp(json_string_value(json_object_get(v, "balance")), "ok") != 0)
            bad = kind;
    }
    o = json_pack("{s:o,s:b,s:o}", "counters", kinds, "balanced", bad == NULL, "sources",
                  status_sources_json(s));
    if (bad != NULL)
        json_object_set_new(o, "why",
                            json_sprintf("see %s; while events come in the sums may be "
                                         "read between two of them: look again",
                                         bad));
    if (s->tally.unaccounted)
        json_object_set_new(o, "note",
                            json_string("the journal was empty when this program "
                                        "started, the ring was not: what was tagged "
                                        "before counts as emitted"));
    return o;
}
