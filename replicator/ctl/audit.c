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
    audit_init(a);
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

/* A byte for each position: copies without a mark, copies with one (each up to 7), and whether a
 * gap covers it. */
enum { SEEN_COVERED = 1, SEEN_PENDING = 2, SEEN_MARKED = 4, SEEN_PLAIN = 32, SEEN_MOST = 7 };

static unsigned plain_copies(uint8_t seen)
{
    return seen / SEEN_PLAIN;
}

static unsigned marked_copies(uint8_t seen)
{
    return seen / SEEN_MARKED & SEEN_MOST;
}

/* The segment, with room up to that sequence. */
static struct audit_segment *reach(struct audit *a, uint8_t origin, uint32_t epoch,
                                   uint32_t sequence)
{
    struct audit_segment *g = segment(a, origin, epoch);

    if (g == NULL || !reserve(g, sequence)) {
        a->malformed++;
        return NULL;
    }
    if (sequence > g->highest)
        g->highest = sequence;
    return g;
}

static void count(struct audit *a, uint8_t origin, uint32_t epoch, uint32_t sequence, bool marked)
{
    struct audit_segment *g = reach(a, origin, epoch, sequence);

    if (g == NULL)
        return;
    if (marked && marked_copies(g->seen[sequence]) < SEEN_MOST)
        g->seen[sequence] = (uint8_t)(g->seen[sequence] + SEEN_MARKED);
    else if (!marked && plain_copies(g->seen[sequence]) < SEEN_MOST)
        g->seen[sequence] = (uint8_t)(g->seen[sequence] + SEEN_PLAIN);
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

    if (!parameter(line, len, " previous-epoch=\"", &epoch) || epoch == 0 || epoch > UINT32_MAX)
        return;
    g = segment(a, origin, (uint32_t)epoch);
    if (g == NULL)
        return;
    g->proven = parameter(line, len, " last-sequence=\"", &last) && last < AUDIT_SEQUENCE_MAX;
    g->unproven = !g->proven;
    if (g->proven)
        g->last = (uint32_t)last;
}

/* That a range is named proves that it was decided, also where nothing of it is there. */
static void cover(struct audit *a, const char *line, size_t len, uint8_t how)
{
    uint64_t origin, epoch, from, to;
    struct audit_segment *g;

    if (!parameter(line, len, " range-origin=\"", &origin) ||
        !parameter(line, len, " range-epoch=\"", &epoch) ||
        !parameter(line, len, " range-from=\"", &from) ||
        !parameter(line, len, " range-to=\"", &to))
        return;
    if (origin >= NODE_COUNT || epoch > UINT32_MAX || from < 1 || to < from ||
        to >= AUDIT_SEQUENCE_MAX) {
        a->malformed++;
        return;
    }
    g = reach(a, (uint8_t)origin, (uint32_t)epoch, (uint32_t)to);
    for (uint64_t q = from; g != NULL && q <= to; q++)
        g->seen[q] |= how;
}

static bool has(const char *line, size_t len, const char *what)
{
    return memmem(line, len, what, strlen(what)) != NULL;
}

/* A statement counts only as a record of evrep's own, by its place in the line's header, so that no
 * name in a record can forge one: a header has no parameter. */
static bool is_statement(const char *line, size_t len)
{
    static const char *const heads[] = {" EVREP - EVREP_", " EVREP - - EVREP_", ": EVREP - EVREP_"};

    for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
        const char *at = memmem(line, len, heads[i], strlen(heads[i]));

        if (at != NULL && memchr(line, '=', (size_t)(at - line)) == NULL &&
            memchr(line, '"', (size_t)(at - line)) == NULL)
            return true;
    }
    return false;
}

void audit_line(struct audit *a, const char *line, size_t len)
{
    struct tag t = {0};
    bool statement;

    if (line == NULL || len == 0)
        return;
    len -= line[len - 1] == '\r'; /* Written, or carried, by another system. */
    if (len == 0)
        return;
    statement = is_statement(line, len);
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
        cover(a, line, len, SEEN_COVERED);
        return; /* It carries the tag of the record that it precedes. */
    }
    count(a, (uint8_t)t.origin, (uint32_t)t.epoch, (uint32_t)t.sequence, t.marked);
    if (!statement)
        return;
    a->notes++;
    if (has(line, len, "EVREP_EPOCH_OPEN"))
        epoch_open(a, line, len, (uint8_t)t.origin);
    else if (has(line, len, "EVREP_GAP_"))
        cover(a, line, len, has(line, len, "EVREP_GAP_PENDING") ? SEEN_PENDING : SEEN_COVERED);
}

/* ---- the sum ---- */

static void judge(struct audit_segment *g, uint32_t sequence)
{
    uint8_t seen = sequence < g->size ? g->seen[sequence] : 0;
    unsigned plain = plain_copies(seen), copies = plain + marked_copies(seen);

    if (copies == 0 && seen != 0) {
        g->covered++;
        g->pending += !(seen & SEEN_COVERED);
    } else if (copies == 0) {
        g->missing++;
    } else if (plain > 1) {
        g->doubled++;
    } else if (copies > 1) {
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
            judge(g, q);
        for (uint32_t q = last + 1; q <= g->highest; q++)
            g->beyond += g->seen[q] >= SEEN_MARKED;
        a->once += g->once;
        a->marked += g->marked;
        a->doubled += g->doubled;
        a->missing += g->missing;
        a->covered += g->covered;
        a->beyond += g->beyond;
        a->pending += g->pending;
        a->unproven += g->unproven;
    }
    return a->lines > 0 && !a->overflow &&
           a->untagged + a->malformed + a->doubled + a->missing + a->beyond == 0;
}
