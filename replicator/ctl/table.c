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
