/* links: test_journal_folder */
/* The log of marks: what the power or the disk leaves of it, and what older versions know of it. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "journal_folder.h"

enum { ENTRY = META_HEADER_SIZE + 1, HEAD = META_MAGIC_SIZE + META_FRAME_SIZE };

static uint64_t size_of(const struct folder *f, const char *name)
{
    int handle = folder_file(f, name);
    int64_t size = f->under.size(f->under.ctx, handle);

    f->under.close(f->under.ctx, handle);
    assert_true(size > 0);
    return (uint64_t)size;
}

static int put(struct folder *f, const char *marks, size_t each)
{
    uint8_t mark[META_ENTRY_MAX];

    for (; *marks != '\0'; marks++) {
        f->now = *marks;
        memset(mark, *marks, each);
        journal_meta(f->journal, mark, each);
    }
    return journal_commit(f->journal, true);
}

static void expect(struct folder *f, unsigned lost, const char *marks)
{
    folder_start(f);
    assert_int_equal(f->marks_lost, lost);
    assert_string_equal(f->marks, marks);
}

/* A few records, so that there is what marks are of. */
static void begin(struct folder *f, char log[DISK_NAME_MAX])
{
    folder_start_empty(f);
    assert_int_equal(folder_put(f, 1, 4, 'a', true), 0);
    folder_log(f, log);
}

/* Section 5: the power goes within a commit, whichever part of it has reached the disk: it never
 * counted, and nothing of what was committed before is in doubt. */
static void a_torn_commit_never_counted(void **state)
{
    static const struct {
        uint64_t from;
        size_t len;
    } gone[] = {{0, 4096}, {0, 8}, {0, META_FRAME_SIZE}, {512, 1024}, {META_FRAME_SIZE + 1, 1}};
    struct folder *f = *state;
    char log[DISK_NAME_MAX];

    for (size_t i = 0; i < sizeof(gone) / sizeof(gone[0]); i++) {
        uint64_t size;

        begin(f, log);
        size = size_of(f, log);
        f->faults = (struct faults){.kinds = SYNC | TRUNCATE, .error = -EIO};
        assert_int_equal(put(f, "bcdefghijklmno", META_ENTRY_MAX), -EIO);
        folder_stop(f);
        folder_not_written(f, log, size + gone[i].from, gone[i].len);
        expect(f, 0, "a");
        assert_int_equal(put(f, "z", 1), 0);
        expect(f, 0, "az");
    }
}

/* What has a commit behind it was committed: what is damaged of it is in doubt, and what is whole
 * counts. */
static void a_damaged_commit_is_told(void **state)
{
    struct folder *f = *state;
    char log[DISK_NAME_MAX];

    for (uint64_t at = 0; at < META_FRAME_SIZE + ENTRY; at += META_FRAME_SIZE) {
        uint64_t size;

        begin(f, log);
        size = size_of(f, log);
        assert_int_equal(put(f, "bcd", 1), 0);
        assert_int_equal(put(f, "e", 1), 0);
        folder_stop(f);
        folder_not_written(f, log, size + at, ENTRY);
        expect(f, 1, at == 0 ? "abcde" : "acde");
        assert_int_equal(put(f, "f", 1), 0);
        expect(f, 0, "f"); /* The log was written anew. */
    }
}

/* A next log that the power has cut short is not taken for the one before it with damage. */
static void a_torn_next_log_never_counted(void **state)
{
    struct folder *f = *state;
    char log[DISK_NAME_MAX], next[DISK_NAME_MAX];

    for (uint64_t at = 0; at < FOLDER_SNAPSHOT * ENTRY; at += ENTRY) {
        begin(f, log);
        while (size_of(f, log) <= 4 << 20) {
            f->faults = (struct faults){.kinds = REMOVE, .error = -EIO};
            assert_int_equal(put(f,
                                 "xyxyxyxyxyxyxyxyxyxyxyxyxyxyxyxyxyxyxyxyxyxyxyxyxyxyxyxyxyxyxyxy",
                                 META_ENTRY_MAX),
                             0);
        }
        folder_stop(f);
        folder_log(f, next);
        assert_string_not_equal(log, next);
        folder_not_written(f, next, HEAD + at, ENTRY);
        folder_start(f);
        assert_int_equal(f->marks_lost, 0);
        assert_memory_equal(f->marks, "axyxyx", 6);
    }
}

/* Where there is no other, one that is damaged is better than none. */
static void a_damaged_snapshot_is_told(void **state)
{
    struct folder *f = *state;
    char log[DISK_NAME_MAX];

    for (int i = 0; i < 2; i++) {
        folder_start_empty(f);
        folder_log(f, log);
        assert_int_equal(f->under.remove(f->under.ctx, log), 0);
        expect(f, 0, "");
        assert_int_equal(folder_put(f, 1, 4, 'a', true), 0);
        folder_log(f, log); /* A snapshot, and nothing else. */
        if (i == 1)
            assert_int_equal(put(f, "b", 1), 0);
        folder_stop(f);
        folder_not_written(f, log, HEAD + ENTRY, ENTRY);
        expect(f, 1, i == 1 ? "ab" : "a");
    }
}

/* As the version before the frames has left it: a snapshot with its end, and entries. */
static void put_old_log(struct folder *f, const char *snapshot, const char *marks)
{
    uint8_t at[256];
    size_t len = META_MAGIC_SIZE;
    char log[DISK_NAME_MAX];
    int handle;

    begin(f, log);
    folder_stop(f);
    memcpy(at, meta_magic, META_MAGIC_SIZE);
    for (; *snapshot != '\0'; snapshot++)
        len += meta_put(at + len, (const uint8_t *)snapshot, 1);
    len += meta_put(at + len, NULL, 0);
    for (; *marks != '\0'; marks++)
        len += meta_put(at + len, (const uint8_t *)marks, 1);
    handle = folder_file(f, log);
    assert_int_equal(f->under.truncate(f->under.ctx, handle, 0), 0);
    assert_int_equal(f->under.write(f->under.ctx, handle, at, len, 0), 0);
    f->under.close(f->under.ctx, handle);
}

/* An older version's log is read, and goes on with frames. */
static void an_older_log_is_read(void **state)
{
    struct folder *f = *state;
    char log[DISK_NAME_MAX];

    put_old_log(f, "ab", "cd");
    expect(f, 0, "abcd");
    f->faults = (struct faults){.kinds = CREATE, .error = -ENOSPC}; /* No room for one anew. */
    assert_int_equal(put(f, "ef", 1), 0);
    expect(f, 0, "abcdef");
    put_old_log(f, "ab", "c");
    expect(f, 0, "abc");
    assert_int_equal(put(f, "d", 1), 0);
    expect(f, 0, "d"); /* There was room. */
    put_old_log(f, "ab", "cde");
    folder_log(f, log);
    folder_not_written(f, log, META_MAGIC_SIZE + 2 * ENTRY + META_HEADER_SIZE + ENTRY, ENTRY);
    expect(f, 1, "abce"); /* A commit of it has no end: each entry that is whole was committed. */
}

/* What an older version goes through: entries, one behind the other, of which it knows all but
 * those of frames; the empty one ends the snapshot. */
static void an_older_version_reads_the_log(void **state)
{
    static uint8_t at[4096];
    struct folder *f = *state;
    char log[DISK_NAME_MAX], seen[64] = "";
    const uint8_t *body;
    size_t len, body_len, used = META_MAGIC_SIZE, n = 0;
    int handle;

    begin(f, log);
    assert_int_equal(put(f, "bc", 1), 0);
    assert_int_equal(put(f, "d", 1), 0);
    handle = folder_file(f, log);
    len = (size_t)f->under.read(f->under.ctx, handle, at, sizeof(at), 0);
    f->under.close(f->under.ctx, handle);
    assert_memory_equal(at, meta_magic, META_MAGIC_SIZE);
    for (long got; used < len; used += (size_t)got) {
        got = meta_get(at + used, len - used, &body, &body_len);
        assert_true(got > 0);
        seen[n++] = body_len == 0 ? '.' : (char)body[0];
    }
    assert_string_equal(seen, "Caaa.CbcCd");
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, folder_setup, folder_teardown)
    const struct CMUnitTest tests[] = {
        T(a_torn_commit_never_counted),   T(a_damaged_commit_is_told),
        T(a_torn_next_log_never_counted), T(a_damaged_snapshot_is_told),
        T(an_older_log_is_read),          T(an_older_version_reads_the_log),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
