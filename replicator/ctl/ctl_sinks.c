/* Each sink: state, what it confirmed, backlog, last error. */
#include "ctl.h"
#include "control.h"

#include <string.h>

/* Of a floating source. */
static void revivals(struct libscols_line *l, size_t column, const json_t *r)
{
    long long unsettled = json_is_null(r) ? 0 : ctl_num(r, "unsettled");

    if (json_is_object(r) && unsettled > 0)
        ctl_cell(l, column, "%lld, %lld in vain", ctl_num(r, "settled"), unsettled);
    else if (json_is_object(r))
        ctl_cell(l, column, "%lld", ctl_num(r, "settled"));
}

/* A sink that is up shows what was wrong before, so it shows how long ago. */
static void last_error(struct libscols_line *l, size_t column, const json_t *sink)
{
    static const struct {
        long long seconds;
        const char *unit;
    } units[] = {{86400, "d"}, {3600, "h"}, {60, "min"}, {1, "s"}};
    long long age = ctl_num(sink, "lastErrorAgeSeconds");
    size_t i = 0;

    if (json_is_null(json_object_get(sink, "lastErrorAgeSeconds")))
        return;
    while (i < 3 && age < 2 * units[i].seconds)
        i++;
    ctl_cell(l, column, "%lld %s ago: %s", age / units[i].seconds, units[i].unit,
             ctl_str(sink, "lastError"));
}

static void table(const json_t *o)
{
    static const struct ctl_column columns[] = {
        {"SINK", false},     {"TYPE", false},       {"STATE", false},   {"CONFIRMED", true},
        {"PER S", true},     {"BACKLOG", true},     {"IN DOUBT", true}, {"RECONNECTS", true},
        {"REVIVALS", false}, {"LAST ERROR", false},
    };
    struct libscols_table *t = ctl_table(columns, sizeof(columns) / sizeof(columns[0]));
    const json_t *sink;
    size_t i;

    json_array_foreach(json_object_get(o, "sinks"), i, sink)
    {
        struct libscols_line *l = scols_table_new_line(t, NULL);

        ctl_cell(l, 0, "%s", ctl_str(sink, "name"));
        ctl_cell(l, 1, "%s", ctl_str(sink, "type"));
        ctl_cell(l, 2, "%s", ctl_str(sink, "state"));
        ctl_cell(l, 3, "%lld", ctl_num(sink, "confirmed"));
        ctl_cell(l, 4, "%.0f", json_real_value(json_object_get(sink, "confirmedPerSecond")));
        ctl_cell(l, 5, "%lld", ctl_num(sink, "backlog"));
        ctl_cell(l, 6, "%lld", ctl_num(sink, "inDoubt"));
        ctl_cell(l, 7, "%lld", ctl_num(sink, "reconnects"));
        revivals(l, 8, json_object_get(sink, "revivals"));
        last_error(l, 9, sink);
    }
    ctl_table_end(t);
}

static int replay(const struct ctl *c, int argc, char **argv)
{
    unsigned origin, epoch, sequence;

    if (argc != 4 || strcmp(argv[0], "replay") != 0 || strcmp(argv[2], "--from") != 0) {
        fputs("usage: evrepctl [--json] sinks\n"
              "       evrepctl sinks replay NAME --from ORIGIN/EPOCH/SEQUENCE, as in a tag\n",
              stderr);
        return CTL_USAGE;
    }
    if (!control_position(argv[3], &origin, &epoch, &sequence)) {
        fprintf(stderr,
                "evrepctl: sinks replay: \"%.60s\" is not ORIGIN/EPOCH/SEQUENCE, as in a tag: "
                "ORIGIN is 0 or 1, the others have digits only and are below 4294967296, and "
                "SEQUENCE begins at 1\n",
                argv[3]);
        return CTL_USAGE;
    }
    return ctl_do(c, "sinks", argc, argv, "it goes out again, marked");
}

int ctl_sinks(const struct ctl *c, int argc, char **argv)
{
    json_t *o;
    int rc;

    if (argc > 0)
        return replay(c, argc, argv);
    rc = ctl_ask(c, "sinks", argc, argv, &o);
    if (rc != CTL_DONE)
        return rc;
    if (c->json)
        ctl_print_json(o);
    else
        table(o);
    json_decref(o);
    return CTL_DONE;
}
