/* The sinks as JSON. */
#include "shell.h"
#include "control.h"

#include "text.h"

/* What waits here for this sink, whoever's stream it is of. */
static uint64_t backlog(const struct shell *s, size_t k)
{
    uint64_t n = 0;

    for (uint16_t i = 0; i < s->core->count; i++) {
        const struct segment *g = &s->core->segment[s->core->order[i]];
        uint32_t last = g->closed ? g->last : g->journaled;

        for (uint8_t m = 0; m < g->at[k].count; m++) {
            const struct span *p = &g->at[k].span[m];
            uint32_t to = p->to < last ? p->to : last;

            if (p->owner == s->core->o.node && to > p->emitted)
                n += to - p->emitted;
        }
    }
    return n - emit_hidden(&s->port[k]);
}

static json_t *time_json(uint64_t ns)
{
    uint8_t bytes[40];
    struct text t = {.at = bytes, .end = bytes + sizeof(bytes)};

    if (ns == 0)
        return json_null();
    text_rfc3339(&t, ns);
    return json_stringn((const char *)bytes, (size_t)(t.at - bytes));
}

static json_t *age_json(const struct sink_state *st)
{
    return st->error_time_ns == 0
               ? json_null()
               : json_integer((json_int_t)((sink_clock_ns() - st->error_ns) / SECOND_NS));
}

static json_t *revivals_json(const struct sink_state *st)
{
    return st->floats ? json_pack("{s:I,s:I}", "settled", (json_int_t)st->settled, "unsettled",
                                  (json_int_t)st->unsettled)
                      : json_null();
}

static json_t *sink_json(struct shell *s, size_t k)
{
    struct sink_port *p = &s->port[k];
    struct sink_state st;

    sink_state(p->sink, &st);
    return json_pack("{s:s,s:s,s:s,s:I,s:f,s:I,s:i,s:I,s:I,s:I,s:I,s:I,s:o,s:s,s:o,s:o}", "name",
                     p->config->name, "type",
                     p->config->transport[0] != '\0' ? p->config->transport : p->config->type,
                     "state", st.word, "confirmed", (json_int_t)st.confirmed, "confirmedPerSecond",
                     p->rate, "backlog", (json_int_t)backlog(s, k), "unconfirmed", (int)p->count,
                     "inDoubt", (json_int_t)s->core->in_doubt[k], "reconnects",
                     (json_int_t)st.reconnects, "truncated", (json_int_t)st.truncated, "duplicates",
                     (json_int_t)st.duplicates, "namesReplaced", (json_int_t)p->names_replaced,
                     "revivals", revivals_json(&st), "lastError", st.last_error, "lastErrorTime",
                     time_json(st.error_time_ns), "lastErrorAgeSeconds", age_json(&st));
}

json_t *status_sinks(struct shell *s, struct control_client *c, const struct control_request *r)
{
    json_t *list = json_array();

    (void)c;
    (void)r;
    for (size_t k = 0; k < s->port_count; k++)
        json_array_append_new(list, sink_json(s, k));
    return json_pack("{s:o}", "sinks", list);
}
