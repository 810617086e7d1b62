#include "offline.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

long offline_hex(json_t *text, unsigned char *out, size_t size)
{
    const char *s = json_string_value(text);
    size_t len = json_string_length(text);

    if (s == NULL || len % 2 != 0 || len / 2 > size)
        return -1;
    for (size_t i = 0; i < len; i += 2) {
        int high = digit(s[i]), low = digit(s[i + 1]);

        if (high < 0 || low < 0)
            return -1;
        out[i / 2] = (unsigned char)(high << 4 | low);
    }
    return (long)(len / 2);
}

json_t *offline_hex_string(const unsigned char *at, size_t len)
{
    static const char digits[] = "0123456789abcdef";
    char *text = malloc(2 * len + 1);
    json_t *out;

    if (text == NULL)
        return NULL;
    for (size_t i = 0; i < len; i++) {
        text[2 * i] = digits[at[i] >> 4];
        text[2 * i + 1] = digits[at[i] & 15];
    }
    out = json_stringn(text, 2 * len);
    free(text);
    return out;
}

json_t *offline_error(const char *what)
{
    return json_pack("{s:s}", "error", what);
}

/* ---- integers from 2^63 on: strings with a mark while jansson has them ---- */

#define BIG      "\x01u64:"
#define BIG_JSON "\\u0001u64:" /* As JSON shows the mark. */

enum { BIG_DIGITS = 19, BIG_ROOM = sizeof(BIG_JSON) + 2 };

int offline_integer(json_t *v, uint64_t *out)
{
    const char *s = json_string_value(v);
    char *end;

    if (json_is_integer(v)) {
        *out = (uint64_t)json_integer_value(v);
        return 0;
    }
    if (s == NULL || strncmp(s, BIG, strlen(BIG)) != 0)
        return -1;
    *out = strtoull(s + strlen(BIG), &end, 10);
    return *end == '\0' ? 0 : -1;
}

json_t *offline_new_integer(uint64_t v)
{
    return v <= INT64_MAX ? json_integer((json_int_t)v)
                          : json_sprintf(BIG "%llu", (unsigned long long)v);
}

/* Length of an integer at s that is too big for jansson; 0: none. */
static size_t big_at(const char *s, size_t len)
{
    size_t n = 0;

    while (n < len && s[n] >= '0' && s[n] <= '9')
        n++;
    if (n < BIG_DIGITS || (n < len && strchr(".eE", s[n]) != NULL))
        return 0;
    return n > BIG_DIGITS || strncmp(s, "9223372036854775807", BIG_DIGITS) > 0 ? n : 0;
}

/* The line with each big number as a marked string; to free(). */
static char *mark_big(const char *line, size_t len, size_t *out_len)
{
    char *out = malloc(len + (len / BIG_DIGITS + 1) * BIG_ROOM), *to = out;
    bool quoted = false;

    for (size_t i = 0, n; out != NULL && i < len; i += n) {
        n = quoted || (i > 0 && strchr("0123456789.-+eE", line[i - 1]) != NULL)
                ? 0
                : big_at(line + i, len - i);
        if (n > 0) {
            to += sprintf(to, "\"" BIG_JSON "%.*s\"", (int)n, line + i);
            continue;
        }
        n = quoted && line[i] == '\\' && i + 1 < len ? 2 : 1;
        quoted ^= n == 1 && line[i] == '"';
        memcpy(to, line + i, n);
        to += n;
    }
    *out_len = (size_t)(to - out);
    return out;
}

/* Back to numbers, in place: what is printed gets shorter. */
static void unmark_big(char *text)
{
    static const char mark[] = "\"" BIG_JSON;
    char *at = text, *to = text;

    while (*at != '\0') {
        if (strncmp(at, mark, sizeof(mark) - 1) != 0) {
            *to++ = *at++;
            continue;
        }
        for (at += sizeof(mark) - 1; *at >= '0' && *at <= '9';)
            *to++ = *at++;
        at += *at == '"';
    }
    *to = '\0';
}

json_t *offline_object(const char *line, size_t len)
{
    char *marked = mark_big(line, len, &len);
    json_t *in = marked != NULL ? json_loadb(marked, len, JSON_ALLOW_NUL, NULL) : NULL;

    free(marked);
    if (json_is_object(in))
        return in;
    json_decref(in);
    return NULL;
}

char *offline_line(json_t *(*convert)(json_t *in), const char *line, size_t len)
{
    json_t *in = offline_object(line, len);
    json_t *answer = in != NULL ? convert(in) : offline_error("no JSON object");
    char *out = answer != NULL ? json_dumps(answer, JSON_COMPACT) : NULL;

    if (out != NULL)
        unmark_big(out);
    json_decref(answer);
    json_decref(in);
    return out;
}
