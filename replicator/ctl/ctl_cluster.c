/* Nodes, links, redundancy groups, leases, and the last failovers with their causes. */
#include "ctl.h"

#include <string.h>

static const char *flag(const json_t *o, const char *key, const char *yes)
{
    return json_is_true(json_object_get(o, key)) ? yes : "";
}

/* While a key is changed. */
static const char *key_note(const json_t *link)
{
    const char *key = ctl_str(link, "key");

    if (strcmp(key, "accept-key-file") == 0)
        return "under the key of accept-key-file";
    return strcmp(key, "forgotten") == 0 ? "under a key that is named no more" : "";
}

static void remark(struct libscols_line *l, size_t column, const json_t *link)
{
    const char *carries = flag(link, "carriesRecords", "carries the records");
    const char *key = key_note(link);

    if (json_is_string(json_object_get(link, "why")))
        ctl_cell(l, column, "%s", ctl_str(link, "why"));
    else
        ctl_cell(l, column, "%s%s%s", carries, *carries && *key ? "; " : "", key);
}

static void links(const json_t *o)
{
    static const struct ctl_column columns[] = {
        {"LINK", false}, {"STATE", false},  {"WIRE", true}, {"ROUND TRIP", true},
        {"LOSS", true},  {"REFUSED", true}, {"", false}};
    struct libscols_table *t = ctl_table(columns, sizeof(columns) / sizeof(columns[0]));
    const json_t *v;
    size_t i;

    json_array_foreach(json_object_get(o, "links"), i, v)
    {
        struct libscols_line *l = scols_table_new_line(t, NULL);

        ctl_cell(l, 0, "%s", ctl_str(v, "name"));
        ctl_cell(l, 1, "%s", ctl_str(v, "state"));
        if (json_is_integer(json_object_get(v, "wireVersion")))
            ctl_cell(l, 2, "%lld", ctl_num(v, "wireVersion"));
        ctl_cell(l, 3, "%lld us", ctl_num(v, "rttUs"));
        ctl_cell(l, 4, "%.2f %%", json_number_value(json_object_get(v, "lossPercent")));
        ctl_cell(l, 5, "%lld", ctl_num(v, "refused"));
        remark(l, 6, v);
    }
    ctl_table_end(t);
}

/* A row for each node of each group, as chassis clusters show it. */
static void group_row(struct libscols_table *t, const json_t *o, const json_t *g, int node)
{
    struct libscols_line *l = scols_table_new_line(t, NULL);
    bool own = node == ctl_num(o, "node");
    size_t n = (size_t)node;

    ctl_cell(l, 0, "%lld", ctl_num(g, "id"));
    ctl_cell(l, 1, "node %d%s", node, own ? " *" : "");
    ctl_cell(l, 2, "%s", ctl_str(g, own ? "state" : "peerState"));
    ctl_cell(l, 3, "%lld", json_integer_value(json_array_get(json_object_get(g, "priority"), n)));
    ctl_cell(l, 4, "%lld", json_integer_value(json_array_get(json_object_get(g, "weight"), n)));
    ctl_cell(l, 5, "%lld",
             json_integer_value(json_array_get(json_object_get(g, "effectivePriority"), n)));
    ctl_cell(l, 6, "%s",
             json_is_true(json_array_get(json_object_get(g, "preempt"), n)) ? "yes" : "no");
    ctl_cell(l, 7, "%s", ctl_str(g, own ? "manager" : "peerManager"));
    if (own) {
        ctl_cell(l, 8, "%lld", ctl_num(g, "failovers"));
        ctl_cell(l, 9, "%s%s", flag(g, "manual", "manual; "), ctl_str(g, "cause"));
    }
}

static void groups(const json_t *o)
{
    static const struct ctl_column columns[] = {
        {"GROUP", true},     {"NODE", false},       {"STATE", false},   {"PRIORITY", true},
        {"WEIGHT", true},    {"EFFECTIVE", true},   {"PREEMPT", false}, {"MANAGER", false},
        {"FAILOVERS", true}, {"LAST CHANGE", false}};
    struct libscols_table *t = ctl_table(columns, sizeof(columns) / sizeof(columns[0]));
    const json_t *g;
    size_t i;

    json_array_foreach(json_object_get(o, "redundancyGroups"), i, g)
    {
        for (size_t n = 0; n < json_array_size(json_object_get(o, "nodes")); n++)
            group_row(t, o, g, (int)ctl_num(json_array_get(json_object_get(o, "nodes"), n), "id"));
    }
    ctl_table_end(t);
}

static void monitors(const json_t *o)
{
    const json_t *g, *m;
    size_t i, k;

    json_array_foreach(json_object_get(o, "redundancyGroups"), i, g)
        json_array_foreach(json_object_get(g, "monitors"), k, m)
            printf("interface %s of group %lld: %s, weight %lld%s\n", ctl_str(m, "interface"),
                   ctl_num(g, "id"), json_is_true(json_object_get(m, "up")) ? "up" : "down",
                   ctl_num(m, "weight"),
                   json_is_true(json_object_get(m, "counts")) ? "" : ", counts as failed");
}

static double real(const json_t *o, const char *key)
{
    return json_number_value(json_object_get(o, key));
}

static void last_failover(const json_t *o)
{
    const json_t *f = json_object_get(o, "lastFailover");
    const json_t *fencing = json_object_get(o, "fencing");

    printf("lease: %lld ms of ours left, %lld ms of the peer's\n",
           ctl_num(json_object_get(o, "lease"), "ownLeftMs"),
           ctl_num(json_object_get(o, "lease"), "peerLeftMs"));
    if (json_is_true(json_object_get(fencing, "configured")))
        printf("fencing: %s %s\n", ctl_str(fencing, "state"), ctl_str(fencing, "last"));
    if (real(o, "decisionToEffectUs") > 0)
        printf("last decision to the dataplane's word: %.1f us\n", real(o, "decisionToEffectUs"));
    else
        printf("last decision to the dataplane's word: none yet\n");
    if (!json_is_object(f))
        return;
    printf(
        "last takeover, %.1f s ago: %lld segments; silence to dead %.1f ms, possible to takeover "
        "%.1f ms, to first record %.1f ms, to its confirmation %.1f ms\n",
        (double)ctl_num(f, "msAgo") / 1000, ctl_num(f, "segments"), real(f, "silenceToDeadMs"),
        real(f, "possibleToTakeoverMs"), real(f, "possibleToFirstRecordMs"),
        real(f, "possibleToFirstConfirmedMs"));
}

static void nodes(const json_t *o)
{
    const json_t *n;
    size_t i;

    json_array_foreach(json_object_get(o, "nodes"), i, n)
    {
        if (!json_is_true(json_object_get(n, "self")))
            printf("node %lld is %s\n", ctl_num(n, "id"), ctl_str(n, "state"));
    }
}

static void show(const json_t *o)
{
    ctl_news(o);
    printf("node %lld of cluster %lld, version %s, epoch %lld, session %s, takeovers %lld\n",
           ctl_num(o, "node"), ctl_num(o, "clusterId"), ctl_str(o, "version"), ctl_num(o, "epoch"),
           ctl_str(o, "session"), ctl_num(o, "takeovers"));
    nodes(o);
    groups(o);
    monitors(o);
    links(o);
    last_failover(o);
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
    if (c->json)
        ctl_print_json(o);
    else
        show(o);
    json_decref(o);
    return CTL_DONE;
}
