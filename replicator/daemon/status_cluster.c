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

json_t *status_links(const struct shell *s)
{
    json_t *list = json_array();

    for (size_t i = 0; i < s->config->link_count; i++)
        json_array_append_new(list,
                              json_pack("{s:s,s:s,s:I}", "name", s->config->link[i].name, "state",
                                        s->core->links_up & (1u << i) ? "up" : "down", "rttUs",
                                        (json_int_t)cluster_rtt_us(s->cluster, (unsigned)i)));
    return list;
}

json_t *status_groups(const struct shell *s)
{
    json_t *list = json_array();

    for (size_t i = 0; i < cluster_group_count(s->cluster); i++) {
        struct cluster_group_view v;

        cluster_group_view(s->cluster, i, &v);
        json_array_append_new(list, json_pack("{s:i,s:i,s:s,s:[i,i]}", "id", v.id, "primary",
                                              v.primary, "state", v.state, "priority",
                                              v.priority[0], v.priority[1]));
    }
    return list;
}

json_t *status_cluster(struct shell *s, struct control_client *c, const struct control_request *r)
{
    json_t *o = json_pack("{s:i,s:i,s:I}", "node", s->core->o.node, "clusterId",
                          (int)s->config->cluster_id, "epoch", (json_int_t)s->core->live_epoch);

    (void)c;
    (void)r;
    json_object_set_new(o, "links", status_links(s));
    json_object_set_new(o, "redundancyGroups", status_groups(s));
    json_object_set_new(o, "session", json_string(status_session_word(s)));
    json_object_set_new(o, "takeovers", json_integer((json_int_t)s->core->takeovers));
    return o;
}
