/* The status command: worst news first. */
#include "ctl.h"

#include <string.h>
#include <unistd.h>

static void head(const json_t *o)
{
    printf("node %lld of cluster %lld, epoch %lld, session %s, takeovers %lld\n",
           ctl_num(o, "node"), ctl_num(o, "clusterId"), ctl_num(o, "epoch"),
           ctl_str(json_object_get(o, "session"), "state"), ctl_num(o, "takeovers"));
    ctl_roles(o);
}

static void doubt_cell(struct libscols_line *l, const json_t *sink)
{
    const json_t *d = json_object_get(sink, "inDoubt");
    char text[96] = "";

    if (json_is_object(d))
        snprintf(text, sizeof(text), "%lld-%lld %s", ctl_num(d, "from"), ctl_num(d, "to"),
                 ctl_str(d, "policy"));
    scols_line_set_data(l, 10, text);
}

static void gap_cell(struct libscols_line *l, const json_t *segment)
{
    const json_t *gap = json_array_get(json_object_get(segment, "gaps"), 0);
    char text[96] = "";

    if (gap != NULL)
        snprintf(text, sizeof(text), "%lld-%lld %s", ctl_num(gap, "from"), ctl_num(gap, "to"),
                 ctl_str(gap, "state"));
    scols_line_set_data(l, 11, text);
}

static void segment_lines(struct libscols_table *t, long long origin, const json_t *segment)
{
    const json_t *sink;
    size_t i;

    json_array_foreach(json_object_get(segment, "sinks"), i, sink)
    {
        struct libscols_line *l = scols_table_new_line(t, NULL);

        ctl_cell(l, 0, "%lld", origin);
        ctl_cell(l, 1, "%lld", ctl_num(segment, "epoch"));
        scols_line_set_data(l, 2, ctl_str(segment, "state"));
        ctl_cell(l, 3, "node %lld", ctl_num(segment, "owner"));
        ctl_cell(l, 4, "%lld", ctl_num(segment, "produced"));
        ctl_cell(l, 5, "%lld", ctl_num(segment, "journaled"));
        ctl_cell(l, 6, "%lld", ctl_num(segment, "replicated"));
        scols_line_set_data(l, 7, ctl_str(sink, "name"));
        ctl_cell(l, 8, "%lld", ctl_num(sink, "intent"));
        ctl_cell(l, 9, "%lld", ctl_num(sink, "emitted"));
        doubt_cell(l, sink);
        gap_cell(l, segment);
    }
}

static void table(const json_t *o)
{
    static const struct ctl_column columns[] = {
        {"ORIGIN", true},   {"EPOCH", true},     {"STATE", false},     {"OWNER", true},
        {"PRODUCED", true}, {"JOURNALED", true}, {"REPLICATED", true}, {"SINK", false},
        {"INTENT", true},   {"EMITTED", true},   {"IN DOUBT", false},  {"GAP", false}};
    struct libscols_table *t = ctl_table(columns, sizeof(columns) / sizeof(columns[0]));
    const json_t *stream, *segment;
    size_t i, k;

    json_array_foreach(json_object_get(o, "streams"), i, stream)
        json_array_foreach(json_object_get(stream, "segments"), k, segment)
            segment_lines(t, ctl_num(stream, "origin"), segment);
    ctl_table_end(t);
}

static int show(const struct ctl *c)
{
    json_t *o;
    int rc = ctl_ask(c, "watermark", 0, NULL, &o);

    if (rc != CTL_DONE)
        return rc;
    if (c->json) {
        ctl_print_json(o);
    } else {
        ctl_news(o);
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
