/* Statements of the core, which wait for a slot of the ring. */
#include "shell.h"

#include <assert.h>
#include <string.h>

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

static void add_note(struct shell *s, const struct core_note *note)
{
    if (joins(s, note))
        return;
    assert(s->note_count < NOTES_MAX);
    s->note[s->note_count++] = *note;
}

size_t notes_room(const struct shell *s)
{
    return s->note_count < OTHERS_MAX ? OTHERS_MAX - s->note_count : 0;
}

uint32_t notes_fit(struct shell *s, const struct core_range *r)
{
    static uint8_t records[FEED_BATCH * RECORD_SIZE];
    struct core_note note;
    size_t n = 0, got;

    for (uint32_t q = r->from; q <= r->to; q += (uint32_t)got) {
        got = journal_read(s->journal, r->origin, r->epoch, q, r->to - q + 1, records,
                           sizeof(records));
        if (got == 0)
            return r->to;
        for (size_t i = 0; i < got; i++) {
            if (core_restate(records + i * RECORD_SIZE, &note) && ++n > NOTES_MAX / 4)
                return q + (uint32_t)i - 1;
        }
    }
    return r->to;
}

/* Statements of the protocol take a slot of the ring like any other record.  false: it is full. */
static bool state(struct shell *s, const struct core_note *n)
{
    struct record_note note = {
        .range_origin = n->range.origin,
        .range_epoch = n->range.epoch,
        .range_from = n->range.from,
        .range_to = n->range.to,
        .reason = n->reason,
    };
    uint8_t event[EVENT_SIZE];

    note_encode(&note, event);
    return ingest_ring_state(s->ring, n->kind, shell_time_ns(), event) == 0;
}

/* A statement among records that are skipped, or given up, is made again, before they go. */
static bool restate(struct shell *s, const struct core_note *n)
{
    static uint8_t records[FEED_BATCH * RECORD_SIZE];
    const struct core_range *r = &n->range;
    struct core_note found;
    size_t got;

    if (n->reason != REASON_JOURNAL_LIMIT && n->kind != RECORD_GAP_IN_DOUBT)
        return true;
    if (s->note_at < r->from)
        s->note_at = core_restate_from(&s->restated, r);
    while (s->note_at <= r->to) {
        got = journal_read(s->journal, r->origin, r->epoch, s->note_at, r->to - s->note_at + 1,
                           records, sizeof(records));
        if (got == 0)
            return true;
        for (size_t i = 0; i < got; i++) {
            if (core_restate(records + i * RECORD_SIZE, &found) && !state(s, &found))
                return false;
            s->note_at++;
        }
    }
    core_restated_to(&s->restated, r);
    return true;
}

void notes_feed(struct shell *s)
{
    while (s->note_count > 0) {
        if (!restate(s, &s->note[0]) || !state(s, &s->note[0]))
            return; /* The next round tries again. */
        s->note_at = 0;
        s->note_count--;
        memmove(s->note, s->note + 1, s->note_count * sizeof(s->note[0]));
    }
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

        add_note(s, n);
        count_gap(s, n);
    }
    notes_feed(s);
}
