/* links: test_journal_folder */
/* Each thing that a disk does for a commit fails in turn: nothing of the batch counts, the batch
 * can be given again, and the next start finds what was acknowledged. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "journal_folder.h"

/* A batch across two files: six records below the end of the first one. */
enum { BEFORE = JOURNAL_CHUNK_RECORDS - 6, BATCH = 20, AFTER = BEFORE + BATCH };

static void start_full(struct folder *f)
{
    folder_start_empty(f);
    folder_fill(f, 1, BEFORE);
}

static void arm(struct folder *f, unsigned at, unsigned count, int error)
{
    f->faults = (struct faults){.from = at, .count = count, .error = error};
}

static void expect(struct folder *f, uint32_t last, const char *marks)
{
    folder_start(f);
    assert_int_equal(f->first, 1);
    assert_int_equal(f->last, last);
    folder_expect(f, BEFORE - 2, last);
    assert_int_equal(f->damaged + f->holes + f->marks_lost, 0);
    assert_string_equal(f->marks, marks);
}

/* A batch across two files with marks behind it: after `count` failures from effect `at` on. false:
 * there is no such effect. */
static bool fails_at(struct folder *f, unsigned at, unsigned count, int error)
{
    int rc = 0;

    start_full(f);
    arm(f, at, count, error);
    for (unsigned tries = 0; tries <= count && (tries == 0 || rc != 0); tries++) {
        rc = folder_put(f, BEFORE + 1, BATCH, 'b', true);
        if (tries == 0 && rc == 0)
            break;
        if (tries == 0)
            assert_int_equal(rc, error);
    }
    assert_int_equal(rc, 0);
    count = f->faults.seen > at;
    arm(f, 0, 0, 0);
    assert_int_equal(folder_put(f, AFTER + 1, 3, 'c', true), 0);
    expect(f, AFTER + 3, "abc");
    return count != 0;
}

/* N2: what failed is given again, whatever it was that failed, and whether what takes it back fails
 * as well. */
static void any_effect_that_fails_can_be_repeated(void **state)
{
    static const int errors[] = {-EIO, -ENOSPC};

    for (unsigned count = 1; count <= 3; count++) {
        unsigned at = 0;

        while (fails_at(*state, at, count, errors[count % 2]))
            at++;
        assert_true(at >= 8); /* Two files, their names, and the marks. */
    }
}

/* What was not acknowledged, and is not given again, is taken back as far as the disk lets it. */
static void what_failed_and_the_process_with_it(void **state)
{
    struct folder *f = *state;

    for (unsigned at = 0; at < 8; at++) {
        start_full(f);
        arm(f, at, 1, -EIO);
        assert_int_equal(folder_put(f, BEFORE + 1, BATCH, 'b', true), -EIO);
        expect(f, BEFORE, "a");
    }
}

static int put_marks(struct folder *f, char what, unsigned count)
{
    uint8_t mark[META_ENTRY_MAX];

    f->now = what;
    memset(mark, what, sizeof(mark));
    for (unsigned i = 0; i < count; i++)
        journal_meta(f->journal, mark, sizeof(mark));
    return journal_commit(f->journal, true);
}

/* They were written, and neither synced nor taken back; shorter ones follow. */
static void marks_that_failed_do_not_count_behind_later_ones(void **state)
{
    static const unsigned kinds[] = {SYNC, SYNC | TRUNCATE};
    struct folder *f = *state;

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        start_full(f);
        f->faults = (struct faults){.kinds = kinds[i], .error = -EIO};
        assert_int_equal(put_marks(f, 'x', 10), -EIO);
        f->faults.kinds &= TRUNCATE;
        if (f->faults.kinds != 0)
            assert_int_equal(put_marks(f, 'l', 1), -EIO);
        f->faults.kinds = 0;
        assert_int_equal(put_marks(f, 'l', 1), 0);
        folder_start(f);
        assert_string_equal(f->marks, "al");
    }
}

/* The log of marks grows until a next generation of it is due: that is whole, and fails; it cannot
 * be removed, and perhaps not emptied.  What is committed after that is newer than it. */
static void a_next_log_of_marks_that_failed_does_not_outlive_later_marks(void **state)
{
    static const unsigned kinds[] = {SYNC_NAMES | REMOVE, SYNC_NAMES | TRUNCATE, SYNC_NAMES};
    struct folder *f = *state;

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        start_full(f);
        assert_int_equal(put_marks(f, 'x', 4000) + put_marks(f, 'y', 4000), 0);
        f->faults = (struct faults){.kinds = kinds[i], .error = -EIO};
        assert_int_equal(put_marks(f, 'z', 1000), 0);
        f->faults.kinds |= CREATE;
        if (put_marks(f, 'l', 1) != 0) {
            f->faults.kinds = CREATE;
            assert_int_equal(put_marks(f, 'l', 1), 0);
        }
        folder_start(f);
        assert_int_equal(f->marks[strlen(f->marks) - 1], 'l');
    }
}

/* The log of marks is gone, and a new one counts only once it is whole: there is no room for that,
 * so that no commit before it has succeeded. */
static void a_log_that_does_not_count_takes_no_commit(void **state)
{
    struct folder *f = *state;
    char log[DISK_NAME_MAX];

    assert_int_equal(folder_put(f, 1, 40, 'a', true), 0);
    folder_stop(f);
    folder_log(f, log);
    assert_int_equal(f->under.remove(f->under.ctx, log), 0);
    folder_start(f);
    assert_int_equal(f->marks_lost, 1);
    f->faults = (struct faults){.kinds = CREATE, .error = -ENOSPC};
    for (int i = 0; i < 2; i++)
        assert_int_equal(folder_put(f, 41, 3, 'b', true), -ENOSPC);
    f->faults.kinds = 0;
    assert_int_equal(folder_put(f, 41, 3, 'c', true), 0);
    f->faults.kinds = CREATE; /* From here on the log that there is can do without a next one. */
    assert_int_equal(folder_put(f, 44, 1, 'd', true), 0);
    folder_start(f);
    assert_int_equal(f->marks_lost, 0);
    assert_string_equal(f->marks, "cd");
    assert_int_equal(f->last, 44);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, folder_setup, folder_teardown)
    const struct CMUnitTest tests[] = {
        T(any_effect_that_fails_can_be_repeated),
        T(what_failed_and_the_process_with_it),
        T(marks_that_failed_do_not_count_behind_later_ones),
        T(a_next_log_of_marks_that_failed_does_not_outlive_later_marks),
        T(a_log_that_does_not_count_takes_no_commit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
