/* For each kind what the dataplane decided and where it went, and whether it adds up (A3). */
#include "ctl.h"

#include <string.h>

static const char *const names[] = {"decided", "not_owner", "rate_limited", "capped",  "ring_full",
                                    "tagged",  "emitted",   "held",         "pending", "gap"};

enum { NAMES = sizeof(names) / sizeof(names[0]) };

static void table(const json_t *o)
{
    struct ctl_column columns[NAMES + 2] = {{"KIND", false}};
    struct libscols_table *t;
    const char *kind;
    json_t *v;

    for (size_t i = 0; i < NAMES; i++)
        columns[i + 1] = (struct ctl_column){names[i], true};
    columns[NAMES + 1] = (struct ctl_column){"balance", false};
    t = ctl_table(columns, NAMES + 2);
    json_object_foreach(json_object_get(o, "counters"), kind, v)
    {
        struct libscols_line *l = scols_table_new_line(t, NULL);

        ctl_cell(l, 0, "%s", kind);
        for (size_t i = 0; i < NAMES; i++)
            ctl_cell(l, i + 1, "%lld", ctl_num(v, names[i]));
        ctl_cell(l, NAMES + 1, "%s", ctl_str(v, "balance"));
    }
    ctl_table_end(t);
}

int ctl_counters(const struct ctl *c, int argc, char **argv)
{
    bool balanced;
    json_t *o;
    int rc;

    if (argc != 0) {
        fputs("usage: evrepctl [--json] counters\n", stderr);
        return CTL_USAGE;
    }
    rc = ctl_ask(c, "counters", argc, argv, &o);
    if (rc != CTL_DONE)
        return rc;
    balanced = !json_is_false(json_object_get(o, "balanced"));
    if (c->json) {
        ctl_print_json(o);
    } else {
        if (!balanced)
            printf("! they do not balance: %s\n", ctl_str(o, "why"));
        table(o);
    }
    json_decref(o);
    return balanced ? CTL_DONE : CTL_BAD_NEWS;
}
