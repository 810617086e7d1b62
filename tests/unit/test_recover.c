/* links: replicator_core */
/* What a process finds that its predecessor left in the middle: the journal, and a ring that lived
 * on. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>

#include "core.h"
#include "record.h"
#include "segment.h"

enum { FIRST = 100, SECOND = 102, THIRD = 104 };

struct life {
    struct core before, after;
    struct core_output out;
    uint64_t now_ns;
};

static const struct core_options options = {
    .has_peer = true,
    .lease_ns = SECOND_NS / 3,
    .hello_ns = SECOND_NS / 2,
    .clock_epoch = 10,
    .sink_count = 1,
    .sink[0] = {.window = 8},
};

static int setup(void **state)
{
    struct life *l = calloc(1, sizeof(*l));

    l->now_ns = 1000 * SECOND_NS;
    core_init(&l->before, &options, l->now_ns);
    core_recovered(&l->before);
    *state = l;
    return 0;
}

static int teardown(void **state)
{
    free(*state);
    return 0;
}

static void step(struct life *l, struct core *c, struct core_input in)
{
    in.now_ns = l->now_ns;
    core_step(c, &in);
}

static void flush(struct life *l, struct core *c)
{
    core_output_clear(&l->out);
    core_flush(c, 0, &l->out);
}

static void open_epoch(struct life *l, struct core *c, uint32_t epoch, uint32_t previous,
                       uint32_t last)
{
    c->own_epoch = c->highest_epoch = epoch; /* As open_epoch() asked for it, durably. */
    step(l, c, (struct core_input){.kind = CORE_EPOCH_OPENED, .epoch = {epoch, previous, last}});
}

static void journal(struct life *l, struct core *c, uint32_t epoch, uint32_t from, uint32_t to)
{
    step(l, c, (struct core_input){.kind = CORE_RECORDS, .records = {0, epoch, from, to}});
}

/* The next process: it knows the marks of the one before. */
static void start_again(struct life *l)
{
    uint8_t meta[META_SIZE_MAX];
    uint32_t cursor = 0;
    size_t len;

    core_init(&l->after, &options, l->now_ns);
    while ((len = core_snapshot(&l->before, &cursor, meta)) > 0)
        assert_int_equal(core_recover_meta(&l->after, meta, len), 0);
}

/* L1: it died after the first record of the new epoch and before the mark that the old one is
 * closed: the ring still has that one's end. */
static void the_ring_knows_where_the_epoch_before_ended(void **state)
{
    struct life *l = *state;
    const struct segment *g;

    open_epoch(l, &l->before, FIRST, 0, 0);
    journal(l, &l->before, FIRST, 1, 8);
    l->before.own_epoch = l->before.highest_epoch = SECOND;
    start_again(l);
    core_recover_segment(&l->after, 0, FIRST, 1, 8);
    core_recover_segment(&l->after, 0, SECOND, 1, 1);
    core_recovered(&l->after);
    assert_false(core_recover_ring(&l->after, SECOND, FIRST, 10)); /* Its first record is there. */
    g = core_segment(&l->after, 0, FIRST);
    assert_true(g->closed);
    assert_int_equal(g->last, 10);
    open_epoch(l, &l->after, THIRD, SECOND, 5);
    journal(l, &l->after, FIRST, 9, 10); /* What the ring still had. */
    journal(l, &l->after, SECOND, 2, 5);
    flush(l, &l->after);
    assert_int_equal(g->journaled, 10);
    assert_int_equal(core_segment(&l->after, 0, SECOND)->last, 5);
}

/* It died between the ring's switch and the first record: that is made now. */
static void an_epoch_without_its_first_record_is_finished(void **state)
{
    struct life *l = *state;

    open_epoch(l, &l->before, FIRST, 0, 0);
    journal(l, &l->before, FIRST, 1, 8);
    l->before.own_epoch = l->before.highest_epoch = SECOND;
    start_again(l);
    core_recover_segment(&l->after, 0, FIRST, 1, 8);
    core_recovered(&l->after);
    assert_true(core_recover_ring(&l->after, SECOND, FIRST, 10));
    assert_false(core_recover_ring(&l->after, 0, 0, 0));
}

static void first_record(uint8_t out[RECORD_SIZE], uint32_t previous, uint32_t last, bool known)
{
    struct record r = {
        .epoch = SECOND, .sequence = 1, .kind = RECORD_EPOCH_OPEN, .source = SOURCE_EVREP};
    struct record_note n = {.previous_epoch = previous, .last_sequence = last, .last_known = known};

    note_encode(&n, r.event);
    record_encode(&r, out);
}

/* L1, L4: the power goes just when an epoch has opened: its first record is on the disk, and
 * neither the mark that the one before it has ended, nor what its ring still had. */
static void the_first_record_tells_where_the_one_before_ended(void **state)
{
    struct life *l = *state;
    const struct segment *g;
    uint8_t first[RECORD_SIZE];

    for (int i = 0; i < 2; i++) {
        core_init(&l->after, &options, l->now_ns);
        core_recover_segment(&l->after, 0, FIRST, 1, 8);
        core_recover_segment(&l->after, 0, SECOND, 1, 1);
        first_record(first, FIRST, 30, i == 1);
        core_recover_first(&l->after, first);
        first_record(first, SECOND, 30, true); /* No epoch is before itself. */
        core_recover_first(&l->after, first);
        core_recovered(&l->after);
        g = core_segment(&l->after, 0, FIRST);
        assert_int_equal(g->closed, i == 1);
        assert_int_equal(g->last, i == 1 ? 30 : 0);
        assert_false(core_segment(&l->after, 0, SECOND)->closed);
    }
    l->now_ns += 2 * SECOND_NS;
    open_epoch(l, &l->after, THIRD, 0, 0); /* Its ring is new. */
    step(l, &l->after, (struct core_input){.kind = CORE_FENCED});
    flush(l, &l->after);
    assert_int_equal(l->out.note_count, 1);
    assert_int_equal(l->out.note[0].kind, RECORD_GAP_LOST);
    assert_int_equal(l->out.note[0].range.from, 9);
    assert_int_equal(l->out.note[0].range.to, 30);
}

/* Marks that are gone: an epoch of which the ring may still have records has ended when the ring
 * has passed it, not before; where, the peer may know better. */
static void an_older_epoch_ends_where_the_ring_passes_it(void **state)
{
    struct life *l = *state;
    const struct segment *g;

    core_init(&l->after, &options, l->now_ns);
    core_recover_segment(&l->after, 0, FIRST, 1, 8);
    core_recover_segment(&l->after, 0, SECOND, 1, 1);
    core_recover_stale(&l->after);
    core_recovered(&l->after);
    open_epoch(l, &l->after, THIRD, SECOND, 5);
    g = core_segment(&l->after, 0, FIRST);
    assert_false(g->closed);
    journal(l, &l->after, FIRST, 9, 10);
    flush(l, &l->after);
    journal(l, &l->after, SECOND, 2, 5);
    flush(l, &l->after);
    assert_true(g->ended);
    assert_false(g->closed);
    l->after.o.has_peer = false;
    flush(l, &l->after);
    assert_true(g->closed);
    assert_int_equal(g->last, 10);
}

/* The disk has lost what the ring had given before: no hole, a stand-in for each. */
static void what_the_disk_lost_is_a_hole(void **state)
{
    struct life *l = *state;

    open_epoch(l, &l->before, FIRST, 0, 0);
    journal(l, &l->before, FIRST, 1, 8);
    start_again(l);
    core_recover_segment(&l->after, 0, FIRST, 1, 4);
    core_recovered(&l->after);
    assert_int_equal(core_hole(&l->after, FIRST, 9), 5);
    assert_int_equal(core_hole(&l->after, FIRST, 5), 5);
    assert_int_equal(core_hole(&l->after, SECOND, 2), 2);
}

/* All of the file is gone: what no sink waits for needs no stand-in. */
static void a_lost_file_is_a_hole_too(void **state)
{
    struct life *l = *state;

    open_epoch(l, &l->before, FIRST, 0, 0);
    journal(l, &l->before, FIRST, 1, 8);
    flush(l, &l->before);
    step(l, &l->before, (struct core_input){.kind = CORE_CONFIRMED, .records = {0, FIRST, 1, 3}});
    start_again(l);
    core_recovered(&l->after);
    assert_int_equal(core_hole(&l->after, FIRST, 9), 4);
}

/* T5: the number comes from the wall clock of the start.  A boot clock that jumps would give one
 * that a later life gives again. */
static void a_jump_of_the_boot_clock_gives_no_later_epoch(void **state)
{
    struct life *l = *state;

    flush(l, &l->before);
    l->now_ns += 3600 * SECOND_NS;
    step(l, &l->before, (struct core_input){.kind = CORE_TICK});
    flush(l, &l->before);
    assert_true(l->out.epoch_open > options.clock_epoch + 8);
    assert_true(l->out.epoch_open <= options.clock_epoch + 10);
}

/* Nor one elsewhere, above what a clock that ran ahead has used. */
static void nor_does_it_choose_the_place_above_all(void **state)
{
    struct life *l = *state;
    uint32_t epoch[2];

    for (int i = 0; i < 2; i++) {
        core_init(&l->before, &options, l->now_ns);
        core_recovered(&l->before);
        l->before.highest_epoch = 500000; /* The peer's. */
        l->now_ns += (i == 0 ? 3 : 3600) * SECOND_NS;
        step(l, &l->before, (struct core_input){.kind = CORE_TICK});
        flush(l, &l->before);
        epoch[i] = l->out.epoch_open;
    }
    assert_true(epoch[0] > 500000);
    assert_int_equal(epoch[0], epoch[1]);
}

/* T5: the journal may be an old copy: what was opened since it was made is not opened again. */
static void an_old_copy_opens_no_epoch_again(void **state)
{
    struct life *l = *state;

    open_epoch(l, &l->before, 4, 0, 0); /* Far below the clock. */
    start_again(l);
    core_recovered(&l->after);
    flush(l, &l->after);
    assert_true(l->out.epoch_open > options.clock_epoch);
}

/* The ring lived on, and has a newer epoch than the old copy knows. */
static void an_old_copy_learns_from_the_ring(void **state)
{
    struct life *l = *state;

    open_epoch(l, &l->before, FIRST, 0, 0);
    start_again(l);
    core_recovered(&l->after);
    assert_false(core_recover_ring(&l->after, THIRD, SECOND, 10));
    l->now_ns += SECOND_NS;
    step(l, &l->after, (struct core_input){.kind = CORE_TICK});
    flush(l, &l->after);
    assert_true(l->out.epoch_open > THIRD);
}

/* T5, A3: what the ring still has of such an epoch goes out; what it gave before went with the
 * newer journal, which is stated. */
static void an_old_copy_gives_on_what_the_ring_has(void **state)
{
    struct life *l = *state;
    const struct segment *g;
    struct core_give give;
    uint32_t from = 0, to = 0;

    open_epoch(l, &l->before, FIRST, 0, 0);
    l->before.first_epoch = FIRST;
    start_again(l);
    l->after.o.has_peer = false;
    core_recovered(&l->after);
    assert_false(core_recover_ring(&l->after, THIRD, SECOND, 10));
    assert_false(core_forgot(&l->after, THIRD));
    step(l, &l->after, (struct core_input){.kind = CORE_SINK_UP});
    assert_int_equal(core_hole(&l->after, THIRD, 11), 11);
    journal(l, &l->after, THIRD, 11, 20);
    flush(l, &l->after);
    while (core_pull(&l->after, 0, 100, &give)) {
        assert_int_equal(give.range.epoch, THIRD);
        from = from == 0 ? give.range.from : from;
        to = give.range.to;
        step(l, &l->after, (struct core_input){.kind = CORE_CONFIRMED, .records = give.range});
        flush(l, &l->after);
    }
    assert_int_equal(from, 11);
    assert_int_equal(to, 20);
    g = core_segment(&l->after, 0, THIRD);
    assert_int_equal(g->gap, GAP_LOST);
    assert_int_equal(g->gap_from, 1);
    assert_int_equal(g->gap_to, 10);
}

/* T5, A3: so it is where the ring has given all of it: nothing comes any more that would bring that
 * epoch to mind, and the next one opens at once. */
static void an_old_copy_states_what_the_ring_gave(void **state)
{
    struct life *l = *state;
    uint32_t next;
    bool stated = false;

    open_epoch(l, &l->before, FIRST, 0, 0);
    l->before.first_epoch = FIRST;
    start_again(l);
    l->after.o.has_peer = false;
    l->after.o.clock_epoch = 1000; /* The clock has run on. */
    core_recovered(&l->after);
    assert_false(core_recover_ring(&l->after, THIRD, SECOND, 10));
    assert_false(core_forgot(&l->after, THIRD));
    step(l, &l->after, (struct core_input){.kind = CORE_SINK_UP});
    flush(l, &l->after);
    next = l->out.epoch_open;
    assert_true(next > THIRD);
    open_epoch(l, &l->after, next, THIRD, 10);
    journal(l, &l->after, next, 1, 1);
    step(l, &l->after,
         (struct core_input){.kind = CORE_PRODUCED, .drained = true, .records = {0, next, 1, 1}});
    for (int i = 0; i < 100; i++) {
        l->now_ns += SECOND_NS;
        step(l, &l->after, (struct core_input){.kind = CORE_TICK});
        flush(l, &l->after);
        for (size_t n = 0; n < l->out.note_count; n++)
            stated |= l->out.note[n].kind == RECORD_GAP_LOST &&
                      l->out.note[n].range.epoch == THIRD && l->out.note[n].range.to == 10;
    }
    assert_true(stated);
}

/* Finding 4: it was settled, its origin forgot that and told of it again, and the power took the
 * word of this node that it is done: that comes from what was dropped, not from its fact. */
static void what_was_settled_is_not_taken_up_again(void **state)
{
    struct life *l = *state;
    struct segment *g;

    l->before.dropped[0].origin = 1;
    l->before.dropped[0].epoch = FIRST + 1;
    l->before.dropped[0].to = SEQUENCE_MAX;
    l->before.dropped_next = 1;
    g = segment_add(&l->before, 1, FIRST + 1);
    segment_close(&l->before, g, 8);
    g->dirty = true;
    start_again(l);
    core_recover_segment(&l->after, 1, FIRST + 1, 1, 3); /* So may its file be back. */
    core_recovered(&l->after);
    g = segment_find(&l->after, 1, FIRST + 1);
    assert_true(g->done);
    assert_int_equal(g->at[0].count, 0);
    flush(l, &l->after);
    assert_false(g->gap);
    assert_int_equal(l->out.drop_count, 1);
}

/* Section 7: what is not in the file any more was done at every sink, also where the marks that
 * said so are gone: nothing waits for it. */
static void a_file_begins_above_what_is_done(void **state)
{
    struct life *l = *state;
    const struct segment *g;

    core_init(&l->after, &options, l->now_ns);
    core_recover_segment(&l->after, 0, FIRST, 11, 20);
    core_recovered(&l->after);
    g = core_segment(&l->after, 0, FIRST);
    assert_int_equal(g->at[0].span[0].emitted, 10);
    assert_int_equal(core_needed(&l->after, 0, FIRST), 11);
}

/* D2: a sink came back, of which nothing is known, and the file went: another sink has more than is
 * held, so that more may have been handed over than its marks say were tagged. */
static void a_sink_that_came_back_may_have_all_of_a_lost_file(void **state)
{
    struct life *l = *state;
    const struct core *c = &l->after;
    uint8_t kept[4] = {'K'};
    struct segment *g;

    open_epoch(l, &l->before, FIRST, 0, 0);
    journal(l, &l->before, FIRST, 1, 20);
    g = segment_find(&l->before, 0, FIRST);
    g->at[0].span[0].emitted = g->at[0].span[0].handed = g->at[0].span[0].intent = 20;
    g->produced = 1; /* As it was written last. */
    start_again(l);
    assert_int_equal(core_recover_meta(&l->after, kept, sizeof(kept)), 0);
    core_recovered(&l->after); /* No file. */
    assert_int_equal(core_segment(c, 0, FIRST)->at[0].span[0].doubt, SEQUENCE_MAX);
}

/* L4: the end of an epoch was told, and the power has brought back what had lain behind it. */
static void a_file_that_comes_back_moves_no_end(void **state)
{
    struct life *l = *state;
    const struct segment *g;

    open_epoch(l, &l->before, FIRST, 0, 0);
    journal(l, &l->before, FIRST, 1, 1);
    open_epoch(l, &l->before, SECOND, FIRST, 1);
    journal(l, &l->before, SECOND, 1, 1);
    for (uint32_t from = 1; from <= 5; from += 4) {
        start_again(l);
        core_recover_segment(&l->after, 0, FIRST, from, 7);
        core_recover_segment(&l->after, 0, SECOND, 1, 1);
        core_recovered(&l->after);
        g = core_segment(&l->after, 0, FIRST);
        assert_true(g->closed);
        assert_int_equal(g->last, 1);
        assert_int_equal(g->journaled, 1);
        assert_int_equal(g->base, from == 1 ? 1 : 2);
    }
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(the_ring_knows_where_the_epoch_before_ended),
        T(an_epoch_without_its_first_record_is_finished),
        T(the_first_record_tells_where_the_one_before_ended),
        T(an_older_epoch_ends_where_the_ring_passes_it),
        T(what_the_disk_lost_is_a_hole),
        T(a_lost_file_is_a_hole_too),
        T(a_jump_of_the_boot_clock_gives_no_later_epoch),
        T(nor_does_it_choose_the_place_above_all),
        T(an_old_copy_opens_no_epoch_again),
        T(an_old_copy_learns_from_the_ring),
        T(an_old_copy_gives_on_what_the_ring_has),
        T(an_old_copy_states_what_the_ring_gave),
        T(what_was_settled_is_not_taken_up_again),
        T(a_file_begins_above_what_is_done),
        T(a_sink_that_came_back_may_have_all_of_a_lost_file),
        T(a_file_that_comes_back_moves_no_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
