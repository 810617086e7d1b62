/* Where in the file each option stands: libconfuse itself only knows how far it has read. */
#include "config_file.h"
#include "config_parts.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

enum { LINES_MAX = 1024, LINE_BYTES = 512 };

static _Thread_local struct {
    const cfg_opt_t *opt;
    const cfg_t *section;
    int line;
} seen[LINES_MAX];
static _Thread_local size_t seen_count;

/* After each value, list or section that the parser has taken. */
static int on_taken(cfg_t *section, cfg_opt_t *opt)
{
    bool twice = config_is_given_twice(opt);

    for (size_t i = 0; i < seen_count; i++) {
        if (seen[i].opt != opt)
            continue;
        if (twice)
            return config_fail_at(section, section->line,
                                  "'%s' is given twice, first in line %d: take one of them out",
                                  opt->name, seen[i].line);
        seen[i].line = section->line;
        return 0;
    }
    if (seen_count < LINES_MAX) {
        seen[seen_count].opt = opt;
        seen[seen_count].section = section;
        seen[seen_count++].line = section->line;
    }
    return 0;
}

void config_lines_watch(cfg_opt_t *opts)
{
    seen_count = 0;
    for (; opts->name != NULL; opts++) {
        opts->validcb = on_taken;
        if (opts->type == CFGT_INT)
            opts->parsecb = config_parse_number;
        if (opts->subopts != NULL)
            config_lines_watch(opts->subopts);
    }
}

static bool is_word(char c)
{
    return isalnum((unsigned char)c) || c == '-' || c == '_';
}

static bool has_word(const char *line, const char *word)
{
    size_t len = strlen(word);

    for (const char *p = strstr(line, word); p != NULL; p = strstr(p + 1, word)) {
        if ((p == line || !is_word(p[-1])) && !is_word(p[len]))
            return true;
    }
    return false;
}

/* From its first option, or from its end, back to its name. */
static int line_of_section(const cfg_t *section)
{
    FILE *f = section->filename != NULL ? fopen(section->filename, "r") : NULL;
    int first = section->line, found = section->line;
    char text[LINE_BYTES];

    if (f == NULL)
        return found;
    for (size_t i = 0; i < seen_count; i++) {
        if (seen[i].section == section && seen[i].line < first)
            first = seen[i].line;
    }
    for (int line = 1; line <= first && fgets(text, sizeof(text), f) != NULL;) {
        bool whole = strchr(text, '\n') != NULL;

        text[strcspn(text, "#")] = '\0';
        if (has_word(text, section->name))
            found = line;
        line += whole;
    }
    fclose(f);
    return found;
}

static int line_of_option(const cfg_t *section, const char *name, size_t len)
{
    for (size_t i = 0; i < seen_count; i++) {
        if (seen[i].section == section && strncmp(seen[i].opt->name, name, len) == 0 &&
            seen[i].opt->name[len] == '\0')
            return seen[i].line;
    }
    return 0;
}

int config_line(const cfg_t *section, const char *text)
{
    const char *from = strchr(text, '\'');

    while (from != NULL) {
        const char *to = strchr(from + 1, '\'');
        int line = to != NULL ? line_of_option(section, from + 1, (size_t)(to - from - 1)) : 0;

        if (line != 0)
            return line;
        from = to;
    }
    return strcmp(section->name, "root") == 0 ? 0 : line_of_section(section);
}
