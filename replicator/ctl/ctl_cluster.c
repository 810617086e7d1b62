/* Nodes, links, redundancy groups, leases, and the last failovers with their causes. */
#include "ctl.h"

#include <string.h>

static void news(const json_t *o)
{
    const json_t *v;
    size_t i;

    json_array_foreach(json_object_get(o, "news"), i, v) printf("! %s\n", json_string_value(v));
}

static void links(const json_t *o)
{
    static const struct ctl_column columns[] = {
        {"LINK", false}, {"STATE", false}, {"RTT US", true}};
    struct libscols_table *t = ctl_table(columns, 3);
    const json_t *v;
    size_t i;

    json_array_foreach(json_object_get(o, "links"), i, v)
    {
        struct libscols_line *l = scols_table_new_line(t, NULL);

        ctl_cell(l, 0, "%s", ctl_str(v, "name"));
        ctl_cell(l, 1, "%s", ctl_str(v, "state"));
        ctl_cell(l, 2, "%lld", ctl_num(v, "rttUs"));
    }
    ctl_table_end(t);
}

static void groups(const json_t *o)
{
    static const struct ctl_column columns[] = {
        {"GROUP", true}, {"PRIMARY", true}, {"HERE", false}, {"PRIORITY", false}};
    struct libscols_table *t = ctl_table(columns, 4);
    const json_t *v;
    size_t i;

    json_array_foreach(json_object_get(o, "redundancyGroups"), i, v)
    {
        struct libscols_line *l = scols_table_new_line(t, NULL);
        const json_t *p = json_object_get(v, "priority");

        ctl_cell(l, 0, "%lld", ctl_num(v, "id"));
        if (ctl_num(v, "primary") >= 0)
            ctl_cell(l, 1, "node %lld", ctl_num(v, "primary"));
        ctl_cell(l, 2, "%s", ctl_str(v, "state"));
        ctl_cell(l, 3, "%lld, %lld", json_integer_value(json_array_get(p, 0)),
                 json_integer_value(json_array_get(p, 1)));
    }
    ctl_table_end(t);
}

int ctl_cluster(const struct ctl *c, int argc, char **argv)
{
    json_t *o;
    int rc;

    if (argc != 0) {
        fputs("usage: evrepctl [--json] cluster\n", stderr);
        return CTL_USAGE;
    }
    rc = ctl_ask(c, "cluster", argc, argv, &o);
    if (rc != CTL_DONE)
        return rc;
    if (c->json) {
        ctl_print_json(o);
    } else {
        news(o);
        printf("node %lld of cluster %lld, epoch %lld, session %s, takeovers %lld\n",
               ctl_num(o, "node"), ctl_num(o, "clusterId"), ctl_num(o, "epoch"),
               ctl_str(o, "session"), ctl_num(o, "takeovers"));
        links(o);
        groups(o);
    }
    json_decref(o);
    return CTL_DONE;
}
