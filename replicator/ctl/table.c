#include "ctl.h"

#include <stdarg.h>

long long ctl_num(const json_t *o, const char *key)
{
    return json_integer_value(json_object_get(o, key));
}

const char *ctl_str(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));

    return s != NULL ? s : "-";
}

struct libscols_table *ctl_table(const struct ctl_column *columns, size_t count)
{
    struct libscols_table *t = scols_new_table();

    for (size_t i = 0; i < count; i++)
        scols_table_new_column(t, columns[i].head, 0, columns[i].right ? SCOLS_FL_RIGHT : 0);
    return t;
}

void ctl_cell(struct libscols_line *l, size_t column, const char *format, ...)
{
    char text[256];
    va_list ap;

    va_start(ap, format);
    vsnprintf(text, sizeof(text), format, ap);
    va_end(ap);
    scols_line_set_data(l, column, text);
}

void ctl_table_end(struct libscols_table *t)
{
    scols_print_table(t);
    scols_unref_table(t);
}

void ctl_news(const json_t *o)
{
    const json_t *v;
    size_t i;

    json_array_foreach(json_object_get(o, "news"), i, v) printf("! %s\n", json_string_value(v));
}

void ctl_roles(const json_t *o)
{
    const json_t *v;
    size_t i;

    json_array_foreach(json_object_get(o, "redundancyGroups"), i, v)
    {
        long long primary = ctl_num(v, "primary");

        if (primary >= 0)
            printf("redundancy group %lld: node %lld is primary, here %s\n", ctl_num(v, "id"),
                   primary, ctl_str(v, "state"));
        else
            printf("redundancy group %lld: no node is primary, here %s\n", ctl_num(v, "id"),
                   ctl_str(v, "state"));
    }
}
