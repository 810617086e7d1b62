/* Statements of the core, which wait for a slot of the ring. */
#include "shell.h"

/* A full journal waits for its statement, one at a time: the last place is that one's. */
enum { OTHERS_MAX = NOTES_MAX - 1 };

/* Next to what waits already: one statement for both. */
static bool joins(struct shell *s, const struct core_note *note)
{
    for (size_t i = 0; i < s->note_count && note->reason == REASON_JOURNAL_LIMIT; i++) {
        struct core_note *n = &s->note[i];

        if (n->reason != note->reason || n->range.origin != note->range.origin ||
            n->range.epoch != note->range.epoch || n->range.to + 1 != note->range.from)
            continue;
        n->range.to = note->range.to;
        return true;
    }
    return false;
}

static void add_note(struct shell *s, const struct core_note *note, size_t max)
{
    if (joins(s, note))
        return;
    if (s->note_count >= max)
        shell_log("too many statements wait for the ring: one is left out until a restart");
    else
        s->note[s->note_count++] = *note;
}

/* The statements among these records, and no more than `max`.  *end: the last record before the one
 * that is too many. */
static size_t statements_in(struct shell *s, const struct core_range *r, struct core_note *out,
                            size_t max, uint32_t *end)
{
    static uint8_t records[FEED_BATCH * RECORD_SIZE];
    struct core_note note;
    size_t n = 0, got;

    *end = r->to;
    for (uint32_t q = r->from; q <= r->to; q += (uint32_t)got) {
        got = journal_read(s->journal, r->origin, r->epoch, q, r->to - q + 1, records,
                           sizeof(records));
        if (got == 0)
            return n;
        for (size_t i = 0; i < got; i++) {
            if (!core_restate(records + i * RECORD_SIZE, &note))
                continue;
            if (n == max) {
                *end = q + (uint32_t)i - 1;
                return n;
            }
            out[n++] = note;
        }
    }
    return n;
}

uint32_t notes_fit(struct shell *s, const struct core_range *r)
{
    static struct core_note found[NOTES_MAX];
    uint32_t end;

    statements_in(s, r, found, NOTES_MAX / 4, &end);
    return end;
}

/* A statement among records that are skipped is made again. */
static void restate(struct shell *s, const struct core_range *r)
{
    static struct core_note found[NOTES_MAX];
    uint32_t end;
    size_t n = statements_in(s, r, found, NOTES_MAX, &end);

    for (size_t i = 0; i < n; i++)
        add_note(s, &found[i], OTHERS_MAX);
}

static void count_gap(struct shell *s, const struct core_note *n)
{
    enum gap_state state = n->kind == RECORD_GAP_PENDING ? GAP_PENDING
                           : n->kind == RECORD_GAP_LOST  ? GAP_LOST
                                                         : GAP_NONE;

    s->gap_records[n->range.origin][state] += n->range.to - n->range.from + 1;
}

void notes_queue(struct shell *s)
{
    for (size_t i = 0; i < s->out->note_count; i++) {
        const struct core_note *n = &s->out->note[i];
        bool full = n->reason == REASON_JOURNAL_LIMIT;

        if (full || n->kind == RECORD_GAP_IN_DOUBT)
            restate(s, &n->range);
        add_note(s, n, full ? NOTES_MAX : OTHERS_MAX);
        count_gap(s, n);
    }
    feed_notes(s);
}
