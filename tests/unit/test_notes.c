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

void shell_log(const char *format, ...)
{
    (void)format;
}

void shell_flush(struct shell *s)
{
    core_output_clear(s->out);
    s->out->note_room = notes_room(s);
    core_flush(s->core, 0, s->out);
    notes_queue(s);
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

/* ---- the ring ---- */

static size_t ring_room; /* So many slots are free. */
static struct core_note in_ring[4 * RECORDS];
static size_t in_ring_count;

int ingest_ring_state(struct ingest_ring *r, uint8_t kind, uint64_t time_ns, const uint8_t *event)
{
    struct record_note n;

    (void)r;
    (void)time_ns;
    if (ring_room == 0)
        return -EAGAIN;
    ring_room--;
    note_decode(&n, event);
    in_ring[in_ring_count++] = (struct core_note){
        kind, n.reason, {n.range_origin, n.range_epoch, n.range_from, n.range_to}};
    return 0;
}

/* It is emptied, a few slots at a time, until nothing waits. */
static void ring_drains(struct shell *s)
{
    for (int i = 0; i < RECORDS && s->note_count > 0; i++) {
        ring_room = 3;
        notes_feed(s);
    }
    assert_int_equal(s->note_count, 0);
}

/* The statements of that epoch's records in at..to, each once, and that of the range behind them.
 */
static void expect_restated(uint32_t epoch, uint32_t from, uint32_t at, uint32_t to)
{
    const struct core_note *last = &in_ring[in_ring_count - 1];
    size_t n = 0;

    for (uint32_t q = at > 2 ? at : 2; q <= to; q++, n++)
        assert_int_equal(in_ring[n].range.from, 2 * q);
    assert_int_equal(in_ring_count, n + 1);
    assert_int_equal(last->range.epoch, epoch);
    assert_int_equal(last->range.from, from);
    assert_int_equal(last->range.to, to);
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
    ring_room = in_ring_count = 0;
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
    uint32_t to;

    ask_to_shed(s);
    n = shed_note(s);
    assert_non_null(n);
    assert_int_equal(n->range.from, 1);
    assert_in_range(n->range.to, 2, NOTES_MAX);
    to = n->range.to;
    ring_drains(s);
    expect_restated(EPOCH, 1, 1, to);
}

static void skip_range(struct shell *s, uint32_t epoch, uint32_t from, uint32_t to)
{
    in_ring_count = 0;
    s->out->note_count = 1;
    s->out->note[0] =
        (struct core_note){.kind = RECORD_GAP_IN_DOUBT, .range = {0, epoch, from, to}};
    notes_queue(s);
    ring_drains(s);
}

/* D2: however many lie in what is skipped, each is stated anew before it counts as done. */
static void all_of_them_are_stated_anew(void **state)
{
    skip_range(*state, EPOCH, 1, RECORDS);
    expect_restated(EPOCH, 1, 1, RECORDS);
    skip_range(*state, OTHER, 1, 10);
    expect_restated(OTHER, 1, 1, 10);
}

/* At each sink: as what is stated anew goes to all of them, once. */
static void none_of_them_twice(void **state)
{
    skip_range(*state, EPOCH, 1, 20);
    skip_range(*state, EPOCH, 1, 20);
    expect_restated(EPOCH, 1, 21, 20);
    skip_range(*state, EPOCH, 11, 40);
    expect_restated(EPOCH, 11, 21, 40);
}

/* Whatever waits already: there is room for that of a full journal, or it would never be trimmed
 * again, and none for more than that. */
static void its_own_statement_has_a_place(void **state)
{
    struct shell *s = *state;
    struct core_note other = {.kind = RECORD_GAP_LOST, .reason = REASON_JOURNAL_LOST};

    for (uint32_t i = 0; notes_room(s) > 0; i++) {
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
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(no_more_goes_than_is_stated_anew),
        T(all_of_them_are_stated_anew),
        T(none_of_them_twice),
        T(its_own_statement_has_a_place),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
