/* The status command: worst news first. */
#include "ctl.h"

#include <libsmartcols.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char *str(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));

    return s != NULL ? s : "-";
}

static long long num(const json_t *o, const char *key)
{
    return json_integer_value(json_object_get(o, key));
}

static void news(const json_t *o)
{
    const json_t *session = json_object_get(o, "session");
    const json_t *link;
    size_t i;

    if (strcmp(str(session, "state"), "up") != 0)
        printf("! no session with the peer (%s)%s\n", str(session, "state"),
               json_is_true(json_object_get(session, "peerDead")) ? "; it is declared dead" : "");
    json_array_foreach(json_object_get(session, "links"), i, link)
    {
        if (strcmp(str(link, "state"), "up") != 0)
            printf("! link %s is down\n", str(link, "name"));
    }
    if (num(o, "held") > 0)
        printf(
            "! %lld records are held until the peer returns, is fenced, or the hold time is over\n",
            num(o, "held"));
}

static void head(const json_t *o)
{
    const json_t *group;
    size_t i;

    printf("node %lld of cluster %lld, epoch %lld, session %s, takeovers %lld\n", num(o, "node"),
           num(o, "clusterId"), num(o, "epoch"), str(json_object_get(o, "session"), "state"),
           num(o, "takeovers"));
    json_array_foreach(json_object_get(o, "redundancyGroups"), i, group)
        printf("redundancy group %lld: node %lld is primary, here %s\n", num(group, "id"),
               num(group, "primary"), str(group, "state"));
}

static void cell(struct libscols_line *l, size_t column, const char *format, long long v)
{
    char text[64];

    snprintf(text, sizeof(text), format, v);
    scols_line_set_data(l, column, text);
}

static void doubt_cell(struct libscols_line *l, const json_t *sink)
{
    const json_t *d = json_object_get(sink, "inDoubt");
    char text[96] = "";

    if (json_is_object(d))
        snprintf(text, sizeof(text), "%lld-%lld %s", num(d, "from"), num(d, "to"),
                 str(d, "policy"));
    scols_line_set_data(l, 10, text);
}

static void gap_cell(struct libscols_line *l, const json_t *segment)
{
    const json_t *gap = json_array_get(json_object_get(segment, "gaps"), 0);
    char text[96] = "";

    if (gap != NULL)
        snprintf(text, sizeof(text), "%lld-%lld %s", num(gap, "from"), num(gap, "to"),
                 str(gap, "state"));
    scols_line_set_data(l, 11, text);
}

static void segment_lines(struct libscols_table *t, long long origin, const json_t *segment)
{
    const json_t *sink;
    size_t i;

    json_array_foreach(json_object_get(segment, "sinks"), i, sink)
    {
        struct libscols_line *l = scols_table_new_line(t, NULL);

        cell(l, 0, "%lld", origin);
        cell(l, 1, "%lld", num(segment, "epoch"));
        scols_line_set_data(l, 2, str(segment, "state"));
        cell(l, 3, "node %lld", num(segment, "owner"));
        cell(l, 4, "%lld", num(segment, "produced"));
        cell(l, 5, "%lld", num(segment, "journaled"));
        cell(l, 6, "%lld", num(segment, "replicated"));
        scols_line_set_data(l, 7, str(sink, "name"));
        cell(l, 8, "%lld", num(sink, "intent"));
        cell(l, 9, "%lld", num(sink, "emitted"));
        doubt_cell(l, sink);
        gap_cell(l, segment);
    }
}

static void table(const json_t *o)
{
    static const char *const heads[] = {"ORIGIN",   "EPOCH",     "STATE",      "OWNER",
                                        "PRODUCED", "JOURNALED", "REPLICATED", "SINK",
                                        "INTENT",   "EMITTED",   "IN DOUBT",   "GAP"};
    struct libscols_table *t = scols_new_table();
    const json_t *stream, *segment;
    size_t i, k;

    for (i = 0; i < sizeof(heads) / sizeof(heads[0]); i++)
        scols_table_new_column(t, heads[i], 0, i == 2 || i == 7 || i >= 10 ? 0 : SCOLS_FL_RIGHT);
    json_array_foreach(json_object_get(o, "streams"), i, stream)
        json_array_foreach(json_object_get(stream, "segments"), k, segment)
            segment_lines(t, num(stream, "origin"), segment);
    scols_print_table(t);
    scols_unref_table(t);
}

static int show(const struct ctl *c)
{
    json_t *o;
    int rc = ctl_ask(c, "watermark", 0, NULL, &o);

    if (rc != CTL_DONE)
        return rc;
    if (c->json) {
        json_dumpf(o, stdout, JSON_COMPACT);
        putchar('\n');
    } else {
        news(o);
        head(o);
        table(o);
    }
    fflush(stdout);
    json_decref(o);
    return CTL_DONE;
}

int ctl_watermark(const struct ctl *c, int argc, char **argv)
{
    int rc;

    if (argc == 0)
        return show(c);
    if (argc != 1 || strcmp(argv[0], "--watch") != 0) {
        fputs("usage: evrepctl watermark [--watch]\n", stderr);
        return CTL_USAGE;
    }
    do {
        if (!c->json)
            fputs("\033[H\033[2J", stdout);
        rc = show(c);
    } while (rc == CTL_DONE && sleep(1) == 0);
    return rc;
}
