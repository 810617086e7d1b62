#include "audit.h"

#include <stdlib.h>
#include <string.h>

void audit_init(struct audit *a)
{
    memset(a, 0, sizeof(*a));
}

void audit_deinit(struct audit *a)
{
    for (size_t i = 0; i < a->count; i++) {
        free(a->segment[i]->seen);
        free(a->segment[i]);
    }
    free(a->cover);
}

static struct audit_segment *segment(struct audit *a, uint8_t origin, uint32_t epoch)
{
    struct audit_segment *g;

    for (size_t i = a->count; i-- > 0;) {
        if (a->segment[i]->origin == origin && a->segment[i]->epoch == epoch)
            return a->segment[i];
    }
    g = a->count < AUDIT_SEGMENTS_MAX ? calloc(1, sizeof(*g)) : NULL;
    if (g == NULL) {
        a->overflow = true;
        return NULL;
    }
    g->origin = origin;
    g->epoch = epoch;
    a->segment[a->count++] = g;
    return g;
}

static bool reserve(struct audit_segment *g, uint32_t sequence)
{
    uint32_t size = g->size != 0 ? g->size : 4096;
    uint8_t *seen;

    if (sequence < g->size)
        return true;
    if (sequence >= AUDIT_SEQUENCE_MAX)
        return false;
    while (size <= sequence)
        size *= 2;
    seen = realloc(g->seen, size);
    if (seen == NULL)
        return false;
    memset(seen + g->size, 0, size - g->size);
    g->seen = seen;
    g->size = size;
    return true;
}

static void count(struct audit *a, uint8_t origin, uint32_t epoch, uint32_t sequence, bool marked)
{
    struct audit_segment *g = segment(a, origin, epoch);

    if (g == NULL || !reserve(g, sequence)) {
        a->malformed++;
        return;
    }
    if (marked && (g->seen[sequence] & 15) < 15)
        g->seen[sequence]++;
    else if (!marked && g->seen[sequence] >> 4 < 15)
        g->seen[sequence] = (uint8_t)(g->seen[sequence] + 16);
    if (sequence > g->highest)
        g->highest = sequence;
}

/* ---- the tag of a line ---- */

struct tag {
    uint64_t origin, epoch, sequence;
    bool marked;
};

/* `name` followed by digits; the position after them, or NULL. */
static const char *number_after(const char *at, const char *end, const char *name, uint64_t *out)
{
    size_t len = strlen(name);
    const char *digits;

    if ((size_t)(end - at) < len || memcmp(at, name, len) != 0)
        return NULL;
    digits = at += len;
    for (*out = 0; at < end && *at >= '0' && *at <= '9' && at - digits < 11; at++)
        *out = *out * 10 + (uint64_t)(*at - '0');
    return at > digits ? at : NULL;
}

static const char *last_match(const char *line, size_t len, const char *what)
{
    const char *found = NULL;
    const char *at = line;

    while ((at = memmem(at, len - (size_t)(at - line), what, strlen(what))) != NULL)
        found = at++;
    return found;
}

static bool inline_tag(const char *line, size_t len, struct tag *t)
{
    const char *end = line + len;
    const char *at = last_match(line, len, " evrep-origin=\"");

    if (at == NULL || (at = number_after(at, end, " evrep-origin=\"", &t->origin)) == NULL ||
        (at = number_after(at, end, "\" evrep-epoch=\"", &t->epoch)) == NULL ||
        (at = number_after(at, end, "\" evrep-seq=\"", &t->sequence)) == NULL)
        return false;
    t->marked = memmem(at, (size_t)(end - at), "\" evrep-in-doubt=\"1\"]", 21) == at;
    return t->marked || (end - at >= 2 && at[0] == '"' && at[1] == ']');
}

static bool element_tag(const char *line, size_t len, struct tag *t)
{
    const char *end = line + len;
    const char *at = last_match(line, len, "[evrep@32473 origin=\"");

    if (at == NULL || (at = number_after(at, end, "[evrep@32473 origin=\"", &t->origin)) == NULL ||
        (at = number_after(at, end, "\" epoch=\"", &t->epoch)) == NULL ||
        (at = number_after(at, end, "\" seq=\"", &t->sequence)) == NULL)
        return false;
    t->marked = memmem(at, (size_t)(end - at), "\" in-doubt=\"1\"]", 15) == at;
    return t->marked || (end - at >= 2 && at[0] == '"' && at[1] == ']');
}

static bool text_tag(const char *line, size_t len, struct tag *t)
{
    const char *end = line + len;
    const char *at = last_match(line, len, " tag=");

    if (at == NULL || (at = number_after(at, end, " tag=", &t->origin)) == NULL ||
        (at = number_after(at, end, "/", &t->epoch)) == NULL ||
        (at = number_after(at, end, "/", &t->sequence)) == NULL)
        return false;
    t->marked = at < end && *at == '!';
    return at + t->marked == end;
}

static bool plausible(const struct tag *t)
{
    return t->origin < NODE_COUNT && t->epoch <= UINT32_MAX && (t->epoch & 1) == t->origin &&
           t->sequence >= 1 && t->sequence < AUDIT_SEQUENCE_MAX;
}

/* ---- statements ---- */

static bool parameter(const char *line, size_t len, const char *name, uint64_t *out)
{
    const char *at = memmem(line, len, name, strlen(name));

    return at != NULL && number_after(at, line + len, name, out) != NULL;
}

static void epoch_open(struct audit *a, const char *line, size_t len, uint8_t origin)
{
    uint64_t epoch, last;
    struct audit_segment *g;

    if (!parameter(line, len, " previous-epoch=\"", &epoch) || epoch == 0 || epoch > UINT32_MAX ||
        !parameter(line, len, " last-sequence=\"", &last) || last >= AUDIT_SEQUENCE_MAX)
        return;
    g = segment(a, origin, (uint32_t)epoch);
    if (g == NULL)
        return;
    g->proven = true;
    g->last = (uint32_t)last;
}

static void cover(struct audit *a, const char *line, size_t len)
{
    uint64_t origin, epoch, from, to;

    if (!parameter(line, len, " range-origin=\"", &origin) ||
        !parameter(line, len, " range-epoch=\"", &epoch) ||
        !parameter(line, len, " range-from=\"", &from) ||
        !parameter(line, len, " range-to=\"", &to))
        return;
    if (origin >= NODE_COUNT || epoch > UINT32_MAX || from < 1 || to < from ||
        to >= AUDIT_SEQUENCE_MAX)
        return;
    if (a->cover_count == a->cover_size) {
        size_t size = a->cover_size != 0 ? a->cover_size * 2 : 64;
        struct audit_cover *more = realloc(a->cover, size * sizeof(*more));

        if (more == NULL) {
            a->overflow = true;
            return;
        }
        a->cover = more;
        a->cover_size = size;
    }
    a->cover[a->cover_count++] =
        (struct audit_cover){(uint8_t)origin, (uint32_t)epoch, (uint32_t)from, (uint32_t)to};
}

static bool has(const char *line, size_t len, const char *what)
{
    return memmem(line, len, what, strlen(what)) != NULL;
}

/* A statement counts only as a record of evrep's own, so that no name in a record can forge one. */
static bool is_statement(const char *line, size_t len)
{
    return (has(line, len, " EVREP - EVREP_") || has(line, len, " EVREP - - EVREP_") ||
            has(line, len, ": EVREP - EVREP_")) &&
           !has(line, len, "[junos@");
}

void audit_line(struct audit *a, const char *line, size_t len)
{
    struct tag t = {0};
    bool statement = is_statement(line, len);

    if (len == 0)
        return;
    a->lines++;
    if (!inline_tag(line, len, &t) && !element_tag(line, len, &t) && !text_tag(line, len, &t)) {
        a->untagged++;
        return;
    }
    if (!plausible(&t)) {
        a->malformed++;
        return;
    }
    if (statement && has(line, len, "EVREP_FILTERED")) {
        cover(a, line, len);
        return; /* It carries the tag of the record that it precedes. */
    }
    count(a, (uint8_t)t.origin, (uint32_t)t.epoch, (uint32_t)t.sequence, t.marked);
    if (!statement)
        return;
    a->notes++;
    if (has(line, len, "EVREP_EPOCH_OPEN"))
        epoch_open(a, line, len, (uint8_t)t.origin);
    else if (has(line, len, "EVREP_GAP_"))
        cover(a, line, len);
}

/* ---- the sum ---- */

static bool is_covered(const struct audit *a, const struct audit_segment *g, uint32_t sequence)
{
    for (size_t i = 0; i < a->cover_count; i++) {
        const struct audit_cover *c = &a->cover[i];

        if (c->origin == g->origin && c->epoch == g->epoch && sequence >= c->from &&
            sequence <= c->to)
            return true;
    }
    return false;
}

static void judge(struct audit *a, struct audit_segment *g, uint32_t sequence)
{
    uint8_t seen = sequence < g->size ? g->seen[sequence] : 0;
    uint8_t plain = seen >> 4, marked = seen & 15;

    if (seen == 0 && is_covered(a, g, sequence)) {
        g->covered++;
    } else if (seen == 0) {
        g->missing++;
        if (g->first_missing == 0)
            g->first_missing = sequence;
    } else if (plain > 1) {
        g->doubled++;
        if (g->first_doubled == 0)
            g->first_doubled = sequence;
    } else if (plain + marked > 1) {
        g->marked++;
    } else {
        g->once++;
    }
}

bool audit_finish(struct audit *a)
{
    for (size_t i = 0; i < a->count; i++) {
        struct audit_segment *g = a->segment[i];
        uint32_t last = g->proven ? g->last : g->highest;

        for (uint32_t q = 1; q <= last; q++)
            judge(a, g, q);
        for (uint32_t q = last + 1; q <= g->highest; q++)
            g->beyond += g->seen[q] != 0;
        a->once += g->once;
        a->marked += g->marked;
        a->doubled += g->doubled;
        a->missing += g->missing;
        a->covered += g->covered;
        a->beyond += g->beyond;
    }
    return a->lines > 0 && !a->overflow &&
           a->untagged + a->malformed + a->doubled + a->missing + a->beyond == 0;
}
