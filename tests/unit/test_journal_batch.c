/* links: test_journal_folder */
/* durability = power, and the power goes within the sync of a batch of records: any part of it may
 * have reached the disk, and nothing of it was acknowledged. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "journal_folder.h"

#define FIRST_FILE  "r-0-0000000a-00000001"
#define SECOND_FILE "r-0-0000000a-00008001"

enum { FULL = JOURNAL_CHUNK_RECORDS };

static void start_as(struct folder *f, uint8_t node, bool power)
{
    f->node = node;
    f->power = power;
    folder_start_empty(f);
}

/* The process dies in the sync. */
static void put_unsynced(struct folder *f, uint32_t from, uint32_t count)
{
    f->faults = (struct faults){.kinds = SYNC | TRUNCATE | REMOVE, .error = -EIO};
    assert_int_equal(folder_put(f, from, count, 'b', true), -EIO);
    folder_stop(f);
}

static void lose(const struct folder *f, uint32_t from, uint32_t to)
{
    const char *name = from > FULL ? SECOND_FILE : FIRST_FILE;

    for (uint32_t q = from; q <= to; q++)
        folder_not_written(f, name,
                           JOURNAL_HEADER_SIZE + (uint64_t)((q - 1) % FULL) * JOURNAL_SLOT_SIZE,
                           JOURNAL_SLOT_SIZE);
}

static void expect(struct folder *f, uint32_t last)
{
    folder_start(f);
    assert_int_equal(f->holes, 0);
    assert_int_equal(f->last, last);
}

/* N2: R is what was committed, and what is whole right above it: the rest comes again. */
static void a_torn_batch_ends_at_its_first_hole(void **state)
{
    static const struct {
        uint32_t from, to, last;
    } gone[] = {{41, 90, 40}, {41, 41, 40}, {60, 60, 59}, {42, 139, 41}, {120, 140, 119}};
    struct folder *f = *state;

    for (size_t i = 0; i < sizeof(gone) / sizeof(gone[0]); i++) {
        start_as(f, 1, true);
        assert_int_equal(folder_put(f, 1, 40, 'a', true), 0);
        put_unsynced(f, 41, 100);
        lose(f, gone[i].from, gone[i].to);
        expect(f, gone[i].last);
        folder_expect(f, 1, gone[i].last);
        assert_int_equal(f->damaged, 0);
    }
}

/* What is damaged below it was committed: it counts, as lost in its place. */
static void a_torn_batch_behind_damage(void **state)
{
    struct folder *f = *state;

    start_as(f, 1, true);
    assert_int_equal(folder_put(f, 1, 40, 'a', true), 0);
    put_unsynced(f, 41, 100);
    lose(f, 20, 20);
    lose(f, 41, 90);
    expect(f, 40);
}

/* What is left of it behind what came instead does not shorten that, nor what is damaged there. */
static void what_a_torn_batch_leaves_says_nothing_of_later_ones(void **state)
{
    struct folder *f = *state;

    start_as(f, 1, true);
    assert_int_equal(folder_put(f, 1, 40, 'a', true), 0);
    put_unsynced(f, 41, 100);
    lose(f, 41, 90);
    expect(f, 40);
    assert_int_equal(folder_put(f, 41, 5, 'c', true), 0);
    expect(f, 45);
    assert_int_equal(folder_put(f, 46, 5, 'd', true), 0);
    folder_stop(f);
    lose(f, 20, 20);
    lose(f, 43, 43);
    expect(f, 50);
}

/* Both of its files: the part in the second one counts only with all of that in the first. */
static void a_torn_batch_of_two_files_never_counted(void **state)
{
    static const struct {
        uint32_t from, to, last;
    } gone[] = {{FULL - 2, FULL, FULL - 3},
                {FULL - 5, FULL - 5, FULL - 6},
                {FULL + 1, FULL + 4, FULL},
                {FULL + 3, FULL + 4, FULL + 2},
                {FULL - 100, FULL - 50, FULL + 14}};
    struct folder *f = *state;

    for (size_t i = 0; i < sizeof(gone) / sizeof(gone[0]); i++) {
        start_as(f, 1, true);
        folder_fill(f, 1, FULL - 6);
        put_unsynced(f, FULL - 5, 20);
        lose(f, gone[i].from, gone[i].to);
        expect(f, gone[i].last);
        assert_int_equal(folder_put(f, gone[i].last + 1, 30, 'c', true), 0);
        expect(f, gone[i].last + 30);
        folder_expect(f, FULL - 20, gone[i].last + 30);
        assert_int_equal(f->damaged, 0);
    }
}

/* T3: its own records went with the ring: those that are whole are all that there is of them. */
static void an_own_batch_counts_over_its_holes(void **state)
{
    struct folder *f = *state;

    start_as(f, 0, true);
    assert_int_equal(folder_put(f, 1, 40, 'a', true), 0);
    put_unsynced(f, 41, 100);
    lose(f, 41, 90);
    expect(f, 140);
    folder_expect(f, 91, 140);
}

/* durability = process, and older versions: no batch has an end; the last record that is whole is
 * the last. */
static void what_was_not_synced_counts_over_holes(void **state)
{
    struct folder *f = *state;

    start_as(f, 1, false);
    assert_int_equal(folder_put(f, 1, 40, 'a', false), 0);
    assert_int_equal(folder_put(f, 41, 100, 'b', false), 0);
    folder_stop(f);
    lose(f, 41, 90);
    f->power = true;
    expect(f, 140);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, folder_setup, folder_teardown)
    const struct CMUnitTest tests[] = {
        T(a_torn_batch_ends_at_its_first_hole),
        T(a_torn_batch_behind_damage),
        T(what_a_torn_batch_leaves_says_nothing_of_later_ones),
        T(a_torn_batch_of_two_files_never_counted),
        T(an_own_batch_counts_over_its_holes),
        T(what_was_not_synced_counts_over_holes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
