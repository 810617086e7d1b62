#include "config_closed.h"

#include <stdbool.h>
#include <string.h>

enum { DEPTH_MAX = 16 }; /* Of sections and lists; those of no configuration of ours are so deep. */

struct reader {
    const char *at, *end;
    unsigned line;
    unsigned open[DEPTH_MAX];
    size_t depth;
};

/* Past the end: 0. */
static char next(struct reader *r)
{
    char c = r->at < r->end ? *r->at++ : '\0';

    r->line += c == '\n';
    return c;
}

/* false: the text ends before it does. */
static bool skip_string(struct reader *r, char quote)
{
    while (r->at < r->end) {
        char c = next(r);

        if (c == quote)
            return true;
        if (c == '\\')
            next(r);
    }
    return false;
}

static bool skip_comment(struct reader *r)
{
    for (char before = '\0'; r->at < r->end;) {
        char c = next(r);

        if (before == '*' && c == '/')
            return true;
        before = c;
    }
    return false;
}

static void skip_line(struct reader *r)
{
    while (r->at < r->end && *r->at != '\n')
        r->at++;
}

static bool begins_comment(const struct reader *r, char c, bool word, char second)
{
    return c == '/' && !word && r->at < r->end && *r->at == second;
}

static void brace(struct reader *r, char c)
{
    if (c == '{' && r->depth < DEPTH_MAX)
        r->open[r->depth] = r->line;
    r->depth += c == '{';
    r->depth -= c == '}' && r->depth > 0;
}

unsigned config_unclosed(const char *text, size_t len, char *what)
{
    struct reader r = {.at = text, .end = text + len, .line = 1};
    bool word = false; /* Within one: there // begins no comment. */

    while (r.at < r.end) {
        char c = next(&r);
        unsigned line = r.line;

        *what = c;
        if ((c == '"' || c == '\'') && !skip_string(&r, c))
            return line;
        if (begins_comment(&r, c, word, '*') && (next(&r), !skip_comment(&r)))
            return line;
        if (c == '#' || begins_comment(&r, c, word, '/'))
            skip_line(&r);
        brace(&r, c);
        word = strchr(" \t\r\n={}(),+\"'", c) == NULL;
    }
    *what = '{';
    return r.depth > 0 ? r.open[(r.depth < DEPTH_MAX ? r.depth : DEPTH_MAX) - 1] : 0;
}
