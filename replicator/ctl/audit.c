#include "audit.h"

#include "line_tag.h"

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

/* true: it is the first copy of that position. */
static bool count(struct audit *a, uint8_t origin, uint32_t epoch, uint32_t sequence, bool marked)
{
    struct audit_segment *g = reach(a, origin, epoch, sequence);
    bool first = g != NULL && g->seen[sequence] < SEEN_MARKED;

    if (g == NULL)
        return false;
    if (marked && marked_copies(g->seen[sequence]) < SEEN_MOST)
        g->seen[sequence] = (uint8_t)(g->seen[sequence] + SEEN_MARKED);
    else if (!marked && plain_copies(g->seen[sequence]) < SEEN_MOST)
        g->seen[sequence] = (uint8_t)(g->seen[sequence] + SEEN_PLAIN);
    return first;
}

/* ---- statements ---- */

static bool parameter(const char *line, size_t len, const char *name, uint64_t *out)
{
    const char *at = memmem(line, len, name, strlen(name));

    return at != NULL && line_number_after(at, line + len, name, out) != NULL;
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

void audit_line(struct audit *a, const char *line, size_t len)
{
    struct line_tag t = {0};
    bool statement, first;

    if (line == NULL || len == 0)
        return;
    len -= line[len - 1] == '\r'; /* Written, or carried, by another system. */
    if (len == 0)
        return;
    statement = line_states(line, len, "EVREP_");
    a->lines++;
    if (!line_tag_read(&t, line, len)) {
        a->untagged++;
        return;
    }
    if (!line_tag_is_plausible(&t) || t.sequence >= AUDIT_SEQUENCE_MAX) {
        a->malformed++;
        return;
    }
    if (statement && line_states(line, len, "EVREP_FILTERED")) {
        cover(a, line, len, SEEN_COVERED);
        return; /* It carries the tag of the record that it precedes. */
    }
    first = count(a, (uint8_t)t.origin, (uint32_t)t.epoch, (uint32_t)t.sequence, t.marked);
    if (!statement)
        return;
    a->notes += first;
    if (line_states(line, len, "EVREP_EPOCH_OPEN"))
        epoch_open(a, line, len, (uint8_t)t.origin);
    else if (line_states(line, len, "EVREP_GAP_PENDING"))
        cover(a, line, len, SEEN_PENDING);
    else if (line_states(line, len, "EVREP_GAP_"))
        cover(a, line, len, SEEN_COVERED);
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
