#include "jetstream_ack.h"

#include "text.h"

#include <ctype.h>
#include <string.h>

struct reader {
    const char *at, *end;
};

static void space(struct reader *r)
{
    while (r->at < r->end && strchr(" \t\r\n", *r->at) != NULL && *r->at != '\0')
        r->at++;
}

static bool take(struct reader *r, char c)
{
    space(r);
    if (r->at == r->end || *r->at != c)
        return false;
    r->at++;
    return true;
}

/* What is longer than `out` is cut; what cannot be printed becomes a question mark. */
static bool string(struct reader *r, char *out, size_t size)
{
    size_t n = 0;

    if (!take(r, '"'))
        return false;
    while (r->at < r->end && *r->at != '"') {
        char c = *r->at++;

        if (c == '\\') {
            if (r->at == r->end)
                return false;
            c = *r->at++;
        }
        if (n + 1 < size)
            out[n++] = c >= ' ' && c <= '~' ? c : '?';
    }
    out[n] = '\0';
    return take(r, '"');
}

static bool number(struct reader *r, uint64_t *out)
{
    const char *start;

    space(r);
    start = r->at;
    *out = 0;
    while (r->at < r->end && *r->at >= '0' && *r->at <= '9') {
        if (*out > UINT64_MAX / 10 - 1)
            return false;
        *out = *out * 10 + (uint64_t)(*r->at++ - '0');
    }
    return r->at > start;
}

/* A value that nobody asked for: text, a number or a word. */
static bool skip(struct reader *r)
{
    char text[4];
    const char *start;

    space(r);
    if (r->at < r->end && *r->at == '"')
        return string(r, text, sizeof(text));
    start = r->at;
    while (r->at < r->end && (isalnum((unsigned char)*r->at) || strchr("+-._", *r->at) != NULL) &&
           *r->at != '\0')
        r->at++;
    return r->at > start;
}

static bool truth(struct reader *r, bool *out)
{
    space(r);
    *out = r->end - r->at >= 4 && memcmp(r->at, "true", 4) == 0;
    return skip(r);
}

static bool object(struct reader *r, struct jetstream_ack *out, bool inner);

static bool member(struct reader *r, struct jetstream_ack *out, bool inner, const char *key)
{
    uint64_t code;

    if (!inner && strcmp(key, "error") == 0) {
        out->error = out->error != 0 ? out->error : 1;
        return object(r, out, true);
    }
    if (!inner && strcmp(key, "seq") == 0)
        return number(r, &out->sequence);
    if (!inner && strcmp(key, "duplicate") == 0)
        return truth(r, &out->duplicate);
    if (!inner && strcmp(key, "stream") == 0)
        return string(r, out->stream, sizeof(out->stream));
    if (inner && strcmp(key, "description") == 0)
        return string(r, out->text, sizeof(out->text));
    if (inner && strcmp(key, "err_code") == 0) {
        if (!number(r, &code))
            return false;
        out->error = code > 0 && code <= UINT32_MAX ? (uint32_t)code : 1;
        return true;
    }
    return skip(r);
}

static bool object(struct reader *r, struct jetstream_ack *out, bool inner)
{
    char key[24];

    if (!take(r, '{'))
        return false;
    if (take(r, '}'))
        return true;
    do {
        if (!string(r, key, sizeof(key)) || !take(r, ':') || !member(r, out, inner, key))
            return false;
    } while (take(r, ','));
    return take(r, '}');
}

int jetstream_ack_parse(struct jetstream_ack *out, const char *at, size_t len)
{
    struct reader r = {at, at + len};

    memset(out, 0, sizeof(*out));
    if (!object(&r, out, false))
        return -1;
    return out->error != 0 || (out->sequence != 0 && out->stream[0] != '\0') ? 0 : -1;
}

size_t jetstream_id(char out[JETSTREAM_ID_MAX], uint8_t origin, position_t position,
                    unsigned statement)
{
    uint8_t *begin = (uint8_t *)out;
    struct text t = {.at = begin, .end = begin + JETSTREAM_ID_MAX};

    text_u64(&t, origin);
    text_literal(&t, "/");
    text_u64(&t, position_epoch(position));
    text_literal(&t, "/");
    text_u64(&t, position_sequence(position));
    if (statement != 0) {
        text_literal(&t, "s");
        text_u64(&t, statement);
    }
    *t.at = '\0'; /* There is room: four numbers of 32 bits. */
    return (size_t)(t.at - begin);
}

bool jetstream_id_parse(const char *id, uint8_t *origin, position_t *position)
{
    struct reader r = {id, id + strnlen(id, JETSTREAM_ID_MAX)};
    uint64_t part[3];

    for (int i = 0; i < 3; i++) {
        if ((i > 0 && !take(&r, '/')) || !number(&r, &part[i]) || part[i] > UINT32_MAX)
            return false;
    }
    if (r.at != r.end || part[0] > 1)
        return false;
    *origin = (uint8_t)part[0];
    *position = position_make((uint32_t)part[1], (uint32_t)part[2]);
    return true;
}

bool jetstream_matches(const char *pattern, const char *subject)
{
    for (;;) {
        size_t p = strcspn(pattern, "."), s = strcspn(subject, ".");

        if (p == 1 && pattern[0] == '>' && s > 0)
            return true;
        if (!(p == 1 && pattern[0] == '*' && s > 0) && (p != s || memcmp(pattern, subject, p) != 0))
            return false;
        if (pattern[p] == '\0' || subject[s] == '\0')
            return pattern[p] == subject[s];
        pattern += p + 1;
        subject += s + 1;
    }
}
