/* links: evrep_config evrep_journal evrep_sinks evrep_ingest evrep_control */
/* What a full journal gives up is stated whatever else waits to be: the rest of the shell is stood
 * in for. */
#include "full.c"
#include "lib/shell_double.h"
#include "notes.c"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "bytes.h"

enum { RECORDS = 2000, EPOCH = 100, OTHER = 98 };

/* ---- the rest of the shell ---- */

static unsigned left_out;

void shell_log(const char *format, ...)
{
    (void)format;
    left_out++;
}

void shell_flush(struct shell *s)
{
    core_output_clear(s->out);
    core_flush(s->core, 0, s->out);
    notes_queue(s);
}

void feed_notes(struct shell *s)
{
    (void)s;
}

bool tally_is_complete(const struct shell *s)
{
    (void)s;
    return true;
}

void tally_shed(struct shell *s, const struct core_range *r)
{
    (void)s;
    (void)r;
}

/* ---- the journal ---- */

uint64_t journal_bytes(const struct journal *j)
{
    (void)j;
    return 0;
}

uint32_t journal_first(struct journal *j, uint8_t origin, uint32_t epoch, uint32_t sequence)
{
    (void)j;
    (void)origin;
    (void)epoch;
    return sequence;
}

uint32_t journal_file_end(struct journal *j, uint8_t origin, uint32_t epoch, uint32_t sequence)
{
    (void)j;
    (void)origin;
    (void)epoch;
    (void)sequence;
    return 0;
}

void journal_trim(struct journal *j, uint32_t (*needed_of)(void *, uint8_t, uint32_t), void *ctx)
{
    (void)j;
    (void)needed_of;
    (void)ctx;
}

/* Each but the first is a statement of a record of an older epoch. */
size_t journal_read(struct journal *j, uint8_t origin, uint32_t epoch, uint32_t from, size_t max,
                    uint8_t *out, size_t size)
{
    size_t n = max < size / RECORD_SIZE ? max : size / RECORD_SIZE;

    (void)j;
    for (size_t i = 0; i < n; i++) {
        uint32_t q = from + (uint32_t)i;
        struct record_note note = {.range_epoch = OTHER,
                                   .range_from = 2 * q,
                                   .range_to = 2 * q,
                                   .reason = REASON_JOURNAL_LOST};
        struct record r = {.epoch = epoch,
                           .sequence = q,
                           .origin = origin,
                           .kind = q == 1 ? RECORD_EPOCH_OPEN : RECORD_GAP_LOST,
                           .source = SOURCE_EVREP};

        note_encode(&note, r.event);
        record_encode(&r, out + i * RECORD_SIZE);
    }
    return n;
}

/* ---- */

static int setup(void **state)
{
    struct shell *s = calloc(1, sizeof(*s));
    struct core_options o = {.sink_count = 1, .sink[0] = {.window = 8}};
    struct core_input open = {.kind = CORE_EPOCH_OPENED, .epoch = {EPOCH, 0, 0}};
    struct core_input records = {.kind = CORE_RECORDS, .records = {0, EPOCH, 1, RECORDS}};
    struct core_input next = {.kind = CORE_EPOCH_OPENED, .epoch = {EPOCH + 2, EPOCH, RECORDS}};

    s->core = calloc(1, sizeof(*s->core));
    s->out = calloc(1, sizeof(*s->out));
    core_init(s->core, &o, shell_now_ns());
    core_recovered(s->core);
    s->core->own_epoch = s->core->highest_epoch = EPOCH + 2; /* As it asked for them. */
    shell_input(s, &open);
    shell_input(s, &records);
    shell_input(s, &next);
    shell_flush(s);
    s->note_count = 0;
    left_out = 0;
    *state = s;
    return 0;
}

static int teardown(void **state)
{
    struct shell *s = *state;

    free(s->core);
    free(s->out);
    free(s);
    return 0;
}

static const struct core_note *shed_note(const struct shell *s)
{
    for (size_t i = 0; i < s->note_count; i++) {
        if (s->note[i].reason == REASON_JOURNAL_LIMIT)
            return &s->note[i];
    }
    return NULL;
}

/* A3: more statements lie in what is to go than can wait at a time. */
static void no_more_goes_than_is_stated_anew(void **state)
{
    struct shell *s = *state;
    const struct core_note *n;

    ask_to_shed(s);
    n = shed_note(s);
    assert_non_null(n);
    assert_int_equal(n->range.from, 1);
    assert_in_range(n->range.to, 2, NOTES_MAX);
    assert_int_equal(s->note_count, n->range.to - 1 + 1); /* Each one's, and that of the range. */
    for (uint32_t q = 2; q <= n->range.to; q++)
        assert_int_equal(s->note[q - 2].range.from, 2 * q); /* And before it. */
    assert_int_equal(left_out, 0);
}

/* Where too many wait already all the same: it is not the one that is left out, or the journal
 * would never be trimmed again. */
static void its_own_statement_has_a_place(void **state)
{
    struct shell *s = *state;
    struct core_note other = {.kind = RECORD_GAP_LOST, .reason = REASON_JOURNAL_LOST};

    for (uint32_t i = 0; i < NOTES_MAX; i++) {
        other.range = (struct core_range){0, OTHER, 10000 + 2 * i, 10000 + 2 * i};
        s->out->note_count = 1;
        s->out->note[0] = other;
        notes_queue(s);
    }
    s->out->note[0] = (struct core_note){
        .kind = RECORD_GAP_LOST, .reason = REASON_JOURNAL_LIMIT, .range = {0, EPOCH, 1, 1}};
    notes_queue(s);
    assert_non_null(shed_note(s));
    assert_int_equal(s->note_count, NOTES_MAX);
    assert_int_equal(left_out, 1);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(no_more_goes_than_is_stated_anew),
        T(its_own_statement_has_a_place),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
