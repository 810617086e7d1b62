/* links: test_journal_folder */
/* What is gone, or cannot be read now, costs nothing of what is there: no file that may still be
 * needed is removed, emptied or written over. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>
#include <sys/resource.h>

#include "journal_folder.h"

#define FIRST_FILE  "r-0-0000000a-00000001"
#define SECOND_FILE "r-0-0000000a-00008001"
#define THIRD_FILE  "r-0-0000000a-00010001"

enum { FILE_RECORDS = JOURNAL_CHUNK_RECORDS, THIRD = 2 * FILE_RECORDS + 1, LAST = THIRD + 99 };

static uint64_t slot(uint32_t i)
{
    return JOURNAL_HEADER_SIZE + (uint64_t)i * JOURNAL_SLOT_SIZE;
}

static bool is_there(struct folder *f, const char *name)
{
    int handle = f->under.open(f->under.ctx, name, false);

    if (handle >= 0)
        f->under.close(f->under.ctx, handle);
    return handle >= 0;
}

/* Three files, and no process. */
static void leave_three(struct folder *f)
{
    folder_fill(f, 1, LAST);
    folder_stop(f);
    assert_true(is_there(f, THIRD_FILE));
}

static void lose(struct folder *f, const char *name)
{
    assert_int_equal(f->under.remove(f->under.ctx, name), 0);
}

static void shorten(struct folder *f, const char *name, uint64_t len)
{
    int handle = f->under.open(f->under.ctx, name, false);

    assert_true(handle >= 0);
    assert_int_equal(f->under.truncate(f->under.ctx, handle, len), 0);
    f->under.close(f->under.ctx, handle);
}

/* The slots of that file are what was put, from that sequence on. */
static void expect_file(struct folder *f, const char *name, uint32_t first, uint32_t count)
{
    uint8_t want[RECORD_SIZE], got[JOURNAL_SLOT_SIZE];
    int handle = f->under.open(f->under.ctx, name, false);

    assert_true(handle >= 0);
    for (uint32_t i = 0; i < count; i++) {
        folder_record(first + i, want);
        assert_int_equal(f->under.read(f->under.ctx, handle, got, sizeof(got), slot(i)),
                         sizeof(got));
        assert_int_equal(journal_check_slot(got, 0, FOLDER_EPOCH, first + i), 0);
        assert_memory_equal(got, want, RECORD_SIZE);
    }
    f->under.close(f->under.ctx, handle);
}

/* One file of three is gone: the one behind it is kept, told of once, and its place is free for
 * what the peer or the ring still has.  So it is when that happens again. */
static void what_is_behind_a_lost_file_is_kept(void **state)
{
    static const char *const kept[] = {"aside-0-0000000a-00010001-1",
                                       "aside-0-0000000a-00010001-2"};
    struct folder *f = *state;

    leave_three(f);
    for (size_t i = 0; i < 2; i++) {
        lose(f, SECOND_FILE);
        folder_start(f);
        assert_int_equal(f->last, FILE_RECORDS);
        assert_int_equal(f->holes, 1);
        assert_int_equal(f->hole.epoch, FOLDER_EPOCH);
        assert_int_equal(f->hole.from, FILE_RECORDS + 1);
        assert_int_equal(f->hole.to, THIRD - 1);
        assert_int_equal(f->hole.files, 1);
        assert_int_equal(journal_aside_files(f->journal), i + 1);
        expect_file(f, kept[i], THIRD, LAST - THIRD + 1);
        folder_fill(f, FILE_RECORDS + 1, LAST);
        folder_start(f);
        assert_int_equal(f->last, LAST);
        assert_int_equal(f->holes, 0);
        assert_int_equal(journal_aside_files(f->journal), i + 1);
        folder_stop(f);
    }
    expect_file(f, kept[0], THIRD, LAST - THIRD + 1);
}

/* No name for it: then nothing starts that would write over it. */
static void what_cannot_be_kept_is_not_written_over(void **state)
{
    struct folder *f = *state;

    leave_three(f);
    lose(f, SECOND_FILE);
    f->faults = (struct faults){.kinds = RENAME, .error = -EIO};
    assert_int_equal(folder_try_start(f), -1);
    assert_non_null(strstr(f->err, THIRD_FILE));
    expect_file(f, THIRD_FILE, THIRD, LAST - THIRD + 1);
}

/* A file was begun, and the power went before the one before it was whole: what is missing at that
 * one's end never counted. */
static void the_file_before_an_empty_one_may_be_torn(void **state)
{
    struct folder *f = *state;

    leave_three(f);
    lose(f, THIRD_FILE);
    shorten(f, SECOND_FILE, JOURNAL_HEADER_SIZE);
    shorten(f, FIRST_FILE, slot(FILE_RECORDS - 100) + 7);
    folder_start(f);
    assert_int_equal(f->last, FILE_RECORDS - 100);
    folder_fill(f, FILE_RECORDS - 99, FILE_RECORDS + 10);
    folder_expect(f, FILE_RECORDS - 120, FILE_RECORDS + 10);
    assert_int_equal(f->damaged, 0);
}

/* What is behind a block that cannot be read counts. */
static void a_block_that_cannot_be_read_ends_no_file(void **state)
{
    struct folder *f = *state;

    folder_fill(f, 1, 4096);
    folder_stop(f);
    f->faults =
        (struct faults){.unread_from = slot(700), .unread_to = slot(700) + 512, .error = -EIO};
    assert_int_equal(folder_try_start(f), 0);
    assert_int_equal(f->last, 4096);
    assert_int_equal(folder_put(f, 4097, 10, 'b', true), 0);
    folder_start(f); /* And it can be again. */
    folder_expect(f, 1, 4106);
    assert_int_equal(f->damaged, 0);
}

/* Where nothing is readable behind it the end is unknown: it is not written over. */
static void an_end_that_cannot_be_read_is_not_torn(void **state)
{
    struct folder *f = *state;

    folder_fill(f, 1, 4096);
    folder_stop(f);
    f->faults = (struct faults){.unread_from = slot(4000), .unread_to = slot(4096), .error = -EIO};
    assert_int_equal(folder_try_start(f), -1);
    assert_non_null(strstr(f->err, FIRST_FILE));
    folder_start(f);
    folder_expect(f, 1, 4096);
}

/* Older marks, or none, must not take the place of those that cannot be read now. */
static void marks_that_cannot_be_read_are_not_gone(void **state)
{
    static const struct faults faults[] = {
        {.unread_from = 0, .unread_to = 1, .error = -EIO},
        {.kinds = TRUNCATE, .error = -EIO},
    };
    struct folder *f = *state;

    folder_fill(f, 1, 40);
    assert_int_equal(folder_put(f, 41, 1, 'b', true), 0);
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        folder_stop(f);
        f->faults = faults[i];
        assert_int_equal(folder_try_start(f), -1);
        assert_non_null(strstr(f->err, "meta-"));
        folder_start(f);
        assert_int_equal(f->marks_lost, 0);
        assert_string_equal(f->marks, "ab");
        assert_int_equal(f->last, 41);
    }
}

static uint32_t all_of_it(void *ctx, uint8_t origin, uint32_t epoch)
{
    (void)ctx, (void)origin, (void)epoch;
    return LAST;
}

/* The disk refuses to remove the first file, then the second: no hole is made. */
static void a_removal_that_fails_makes_no_hole(void **state)
{
    struct folder *f = *state;

    leave_three(f);
    for (unsigned at = 0; at < 3; at++) {
        folder_start(f);
        f->faults = (struct faults){.from = at, .count = 1, .error = -EIO};
        journal_trim(f->journal, all_of_it, NULL);
        folder_start(f);
        assert_int_equal(f->holes, 0);
        assert_int_equal(f->first, at == 0 ? 1 : at == 1 ? FILE_RECORDS + 1 : THIRD);
        assert_int_equal(f->last, LAST);
    }
}

/* Each segment has a file of its own, and none of them is needed for long. */
static void more_files_than_a_process_may_have_open(void **state)
{
    enum { SEGMENTS = 400 };
    struct folder *f = *state;
    struct rlimit before, few;
    uint8_t record[RECORD_SIZE];

    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    few = before;
    few.rlim_cur = SEGMENTS / 2;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    for (uint32_t e = 2; e <= 2 * SEGMENTS; e += 2) {
        record_lost(0, e, 1, 1, record);
        assert_int_equal(journal_append(f->journal, 0, e, 1, record, 1), 0);
        assert_int_equal(journal_commit(f->journal, true), 0);
    }
    folder_start(f);
    assert_int_equal(f->segments, SEGMENTS);
    for (uint32_t e = 2; e <= 2 * SEGMENTS; e += 2)
        assert_int_equal(journal_read(f->journal, 0, e, 1, 1, record, sizeof(record)), 1);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, folder_setup, folder_teardown)
    const struct CMUnitTest tests[] = {
        T(what_is_behind_a_lost_file_is_kept),       T(what_cannot_be_kept_is_not_written_over),
        T(the_file_before_an_empty_one_may_be_torn), T(a_block_that_cannot_be_read_ends_no_file),
        T(an_end_that_cannot_be_read_is_not_torn),   T(marks_that_cannot_be_read_are_not_gone),
        T(a_removal_that_fails_makes_no_hole),       T(more_files_than_a_process_may_have_open),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
