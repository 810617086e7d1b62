#include "line_parse.h"

#include <string.h>

bool span_is(struct span s, const char *text)
{
    return s.len == strlen(text) && memcmp(s.at, text, s.len) == 0;
}

const struct span *parameter_value(const struct parameters *p, const char *name)
{
    for (size_t i = 0; i < p->count; i++) {
        if (span_is(p->p[i].name, name))
            return &p->p[i].value;
    }
    return NULL;
}

/* ---- one line of UTF-8 ---- */

static size_t sequence_length(uint8_t c)
{
    return c < 0x80 ? 1 : c >= 0xc2 && c < 0xe0 ? 2 : (c & 0xf0) == 0xe0 ? 3 : c < 0xf5 ? 4 : 0;
}

bool line_is_one(const uint8_t *at, size_t len)
{
    for (size_t i = 0, n; i < len; i += n) {
        n = at[i] >= 0x80 && at[i] < 0xc2 ? 0 : sequence_length(at[i]);
        if (n == 0 || n > len - i || at[i] < 0x20 || at[i] == 0x7f)
            return false;
        for (size_t k = 1; k < n; k++) {
            if ((at[i + k] & 0xc0) != 0x80)
                return false;
        }
    }
    return true;
}

/* ---- RFC 5424 ---- */

struct reader {
    const char *at, *end;
};

static bool take(struct reader *r, const char *text)
{
    size_t len = strlen(text);

    if ((size_t)(r->end - r->at) < len || memcmp(r->at, text, len) != 0)
        return false;
    r->at += len;
    return true;
}

/* Printable characters without those in `not`, 1 to max of them. */
static bool take_word(struct reader *r, const char * not, size_t max, struct span *out)
{
    out->at = r->at;
    while (r->at<r->end && * r->at> ' ' && *r->at <= '~' && strchr(not, *r->at) == NULL)
        r->at++;
    out->len = (size_t)(r->at - out->at);
    return out->len >= 1 && out->len <= max;
}

static bool take_header(struct reader *r)
{
    static const size_t most[] = {64, 255, 48, 128, 32}; /* time, host, app, process, MSGID */
    struct span word;

    if (!take(r, "<") || !take_word(r, ">", 3, &word) || !take(r, ">1 "))
        return false;
    for (size_t i = 0; i < sizeof(most) / sizeof(most[0]); i++) {
        if (!take_word(r, "", most[i], &word) || !take(r, " "))
            return false;
    }
    return true;
}

static bool take_value(struct reader *r, struct span *out)
{
    if (!take(r, "=\""))
        return false;
    out->at = r->at;
    for (; r->at < r->end && *r->at != '"'; r->at++) {
        if (*r->at == ']')
            return false;
        if (*r->at == '\\' && (++r->at == r->end || strchr("\"\\]", *r->at) == NULL))
            return false;
    }
    out->len = (size_t)(r->at - out->at);
    return take(r, "\"");
}

static bool take_element(struct reader *r, struct parameters *out)
{
    out->count = 0;
    if (!take(r, "[") || !take_word(r, "=]\"", 32, &out->element))
        return false;
    while (take(r, " ")) {
        if (out->count == PARAMETERS_MAX || !take_word(r, "=]\"", 32, &out->p[out->count].name) ||
            !take_value(r, &out->p[out->count].value))
            return false;
        out->count++;
    }
    return take(r, "]");
}

bool line_rfc5424(const char *line, size_t len, struct parameters *out)
{
    struct reader r = {line, line + len};
    struct parameters second;

    if (!line_is_one((const uint8_t *)line, len) || !take_header(&r) || !take_element(&r, out))
        return false;
    return r.at == r.end || (take_element(&r, &second) && r.at == r.end);
}

bool line_elements(const char *line, size_t len, struct parameters *out)
{
    struct reader r = {memchr(line, '[', len), line + len};
    struct parameters second;

    if (r.at == NULL || !line_is_one((const uint8_t *)line, len) || !take_element(&r, out))
        return false;
    return r.at == r.end || (take_element(&r, &second) && r.at == r.end);
}

/* ---- a key-value split ---- */

static bool is_key_character(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

/* A blank at which the split cuts. */
static bool cuts(const char *at, const char *end)
{
    const char *key = at + 1;

    if (*at != ' ')
        return false;
    for (at = key; at < end && is_key_character(*at); at++)
        ;
    return at > key && at < end && *at == '=';
}

/* From `at`: the next key behind a blank, or the next `->`; length 0: none. */
static struct span next_mark(const char *at, const char *end)
{
    for (; at < end; at++) {
        if (cuts(at, end))
            return (struct span){at,
                                 (size_t)((const char *)memchr(at, '=', (size_t)(end - at)) - at)};
        if (end - at >= 2 && memcmp(at, "->", 2) == 0)
            return (struct span){at, 2};
    }
    return (struct span){end, 0};
}

bool line_same_keys(const char *a, size_t a_len, const char *b, size_t b_len)
{
    const char *a_end = a + a_len, *b_end = b + b_len;

    for (;;) {
        struct span x = next_mark(a, a_end), y = next_mark(b, b_end);

        if (x.len != y.len || memcmp(x.at, y.at, x.len) != 0)
            return false;
        if (x.len == 0)
            return true;
        a = x.at + x.len;
        b = y.at + y.len;
    }
}

static bool split_part(const char *at, const char *end, struct parameters *out)
{
    const char *equals = memchr(at, '=', (size_t)(end - at));

    if (equals == NULL || out->count == PARAMETERS_MAX || end - equals < 3 || equals[1] != '"' ||
        end[-1] != '"')
        return false;
    out->p[out->count].name = (struct span){at, (size_t)(equals - at)};
    out->p[out->count].value = (struct span){equals + 2, (size_t)(end - equals) - 3};
    out->count++;
    return true;
}

bool line_key_value(const char *line, size_t len, struct parameters *out)
{
    const char *at = memchr(line, '[', len), *end = line + len - 1, *from;

    out->count = 0;
    if (len == 0 || at == NULL || *end != ']')
        return false;
    out->element.at = ++at;
    while (at < end && !cuts(at, end))
        at++;
    out->element.len = (size_t)(at - out->element.at);
    while (at < end) {
        from = ++at;
        while (at < end && !cuts(at, end))
            at++;
        if (!split_part(from, at, out))
            return false;
    }
    return out->count > 0;
}
