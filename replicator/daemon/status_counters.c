/* What the dataplane decided, and where it went (A3). */
#include "shell.h"
#include "control.h"

static const char *const kind_names[] = {
    [RECORD_SESSION_OPEN] = "session_open", [RECORD_SESSION_CLOSE] = "session_close",
    [RECORD_POLICY_DENY] = "policy_deny",   [RECORD_SCREEN_DROP] = "screen_drop",
    [RECORD_ALG_REQUEST] = "alg_request",   [RECORD_FILTER_LOG] = "filter_log",
};

json_t *status_counters_json(const struct shell *s)
{
    json_t *o = json_object();
    struct evhooks_counters c = {0};

    if (s->ring != NULL)
        ingest_ring_counters(s->ring, &c);
    for (size_t kind = 1; kind <= RECORD_FILTER_LOG; kind++)
        json_object_set_new(
            o, kind_names[kind],
            json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:i,s:i}", "decided",
                      (json_int_t)c.decided[kind], "not_owner", (json_int_t)c.not_owner[kind],
                      "rate_limited", (json_int_t)c.rate_limited[kind], "capped",
                      (json_int_t)c.capped[kind], "ring_full", (json_int_t)c.ring_full[kind],
                      "tagged", (json_int_t)c.tagged[kind], "emitted", (json_int_t)s->emitted[kind],
                      "held", 0, "gap", 0));
    return o;
}

json_t *status_counters(struct shell *s, struct control_client *c, const struct control_request *r)
{
    (void)c;
    (void)r;
    return json_pack("{s:o}", "counters", status_counters_json(s));
}
