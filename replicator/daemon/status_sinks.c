/* The sinks as JSON. */
#include "shell.h"
#include "control.h"

json_t *status_sinks(struct shell *s, struct control_client *c, const struct control_request *r)
{
    json_t *list = json_array();

    (void)c;
    (void)r;
    for (size_t k = 0; k < s->port_count; k++) {
        struct sink_state st;

        sink_state(s->port[k].sink, &st);
        json_array_append_new(
            list, json_pack("{s:s,s:s,s:I,s:i,s:I,s:s}", "name", s->port[k].config->name, "state",
                            st.word, "confirmed", (json_int_t)st.confirmed, "unconfirmed",
                            (int)s->port[k].count, "inDoubt", (json_int_t)s->core->in_doubt[k],
                            "lastError", st.last_error));
    }
    return json_pack("{s:o}", "sinks", list);
}
