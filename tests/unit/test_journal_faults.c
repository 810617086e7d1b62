/* links: evrep_journal */
/* Each thing that a disk does for a commit fails in turn: nothing of the batch counts, the batch
 * can be given again, and the next start finds what was acknowledged. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "journal.h"

enum { EPOCH = 10, BEFORE = JOURNAL_CHUNK_RECORDS - 6, BATCH = 20, AFTER = BEFORE + BATCH };

enum effect {
    CREATE = 1,
    WRITE = 2,
    TRUNCATE = 4,
    SYNC = 8,
    SYNC_NAMES = 16,
    REMOVE = 32,
    RENAME = 64,
};

/* The effects from `from` on fail, `count` of them, and all of those kinds; a write then has a part
 * written. */
struct faults {
    unsigned from, count, seen, kinds;
    int error;
};

struct folder {
    char path[64];
    struct disk under, disk;
    struct journal *journal;
    struct faults faults;
    uint32_t last;
    char now;       /* The state that the marks tell of. */
    char marks[64]; /* The first letter of each, without repetitions. */
    unsigned damaged;
    char err[256];
};

static int failing(struct folder *f, enum effect kind)
{
    const struct faults *x = &f->faults;
    unsigned at = f->faults.seen++;

    return (at >= x->from && at - x->from < x->count) || (x->kinds & kind) != 0 ? x->error : 0;
}

static int fail_open(void *ctx, const char *name, bool create)
{
    struct folder *f = ctx;
    int rc = create ? failing(f, CREATE) : 0;

    return rc != 0 ? rc : f->under.open(f->under.ctx, name, create);
}

static void pass_close(void *ctx, int handle)
{
    struct folder *f = ctx;

    f->under.close(f->under.ctx, handle);
}

static long pass_read(void *ctx, int handle, void *out, size_t len, uint64_t offset)
{
    struct folder *f = ctx;

    return f->under.read(f->under.ctx, handle, out, len, offset);
}

static int fail_write(void *ctx, int handle, const void *at, size_t len, uint64_t offset)
{
    struct folder *f = ctx;
    int rc = failing(f, WRITE);

    if (rc != 0)
        f->under.write(f->under.ctx, handle, at, len * 2 / 3, offset);
    return rc != 0 ? rc : f->under.write(f->under.ctx, handle, at, len, offset);
}

static int64_t pass_size(void *ctx, int handle)
{
    struct folder *f = ctx;

    return f->under.size(f->under.ctx, handle);
}

static int fail_truncate(void *ctx, int handle, uint64_t len)
{
    struct folder *f = ctx;
    int rc = failing(f, TRUNCATE);

    return rc != 0 ? rc : f->under.truncate(f->under.ctx, handle, len);
}

static void no_reserve(void *ctx, int handle, uint64_t len)
{
    (void)ctx, (void)handle, (void)len;
}

static int fail_sync(void *ctx, int handle)
{
    (void)handle;
    return failing(ctx, SYNC);
}

static int fail_sync_names(void *ctx)
{
    return failing(ctx, SYNC_NAMES);
}

static int fail_remove(void *ctx, const char *name)
{
    struct folder *f = ctx;
    int rc = failing(f, REMOVE);

    return rc != 0 ? rc : f->under.remove(f->under.ctx, name);
}

static int fail_rename(void *ctx, const char *from, const char *to)
{
    struct folder *f = ctx;
    int rc = failing(f, RENAME);

    return rc != 0 ? rc : f->under.rename(f->under.ctx, from, to);
}

static int pass_list(void *ctx, void (*each)(void *arg, const char *name), void *arg)
{
    struct folder *f = ctx;

    return f->under.list(f->under.ctx, each, arg);
}

static void on_meta(void *ctx, const uint8_t *at, size_t len)
{
    struct folder *f = ctx;
    size_t n = strlen(f->marks);

    (void)len;
    if (n + 1 < sizeof(f->marks) && (n == 0 || f->marks[n - 1] != (char)at[0]))
        f->marks[n] = (char)at[0];
}

static void on_segment(void *ctx, uint8_t origin, uint32_t epoch, uint32_t first, uint32_t last)
{
    struct folder *f = ctx;

    assert_int_equal(origin, 0);
    assert_int_equal(epoch, EPOCH);
    assert_int_equal(first, 1);
    f->last = last;
}

static void on_marks_lost(void *ctx)
{
    (void)ctx;
    fail();
}

static void on_damage(void *ctx, uint8_t origin, uint32_t epoch, uint32_t from, uint32_t to)
{
    (void)origin, (void)epoch, (void)from, (void)to;
    ((struct folder *)ctx)->damaged++;
}

static void snapshot(void *ctx, struct journal *j)
{
    journal_meta(j, (const uint8_t *)&((struct folder *)ctx)->now, 1);
}

static void start(struct folder *f)
{
    struct journal_options o = {.disk = &f->disk};
    struct journal_visitor v = {.ctx = f,
                                .on_meta = on_meta,
                                .on_segment = on_segment,
                                .on_marks_lost = on_marks_lost,
                                .on_damage = on_damage,
                                .snapshot = snapshot};

    f->faults = (struct faults){.count = 0};
    f->damaged = f->last = 0;
    f->now = '0';
    memset(f->marks, 0, sizeof(f->marks));
    assert_int_equal(journal_open(&f->journal, &o, &v, f->err, sizeof(f->err)), 0);
}

static void start_again(struct folder *f)
{
    journal_close(f->journal);
    start(f);
}

/* What it had, and then faults. */
static void arm(struct folder *f, unsigned from, unsigned count, int error)
{
    f->faults = (struct faults){.from = from, .count = count, .error = error};
}

static int setup(void **state)
{
    struct folder *f = calloc(1, sizeof(*f));

    strcpy(f->path, "/tmp/evrep-faults-XXXXXX");
    if (f == NULL || mkdtemp(f->path) == NULL ||
        disk_posix_open(&f->under, f->path, f->err, sizeof(f->err)) != 0)
        return -1;
    f->disk = (struct disk){f,           fail_open,     pass_close, pass_read, fail_write,
                            pass_size,   fail_truncate, no_reserve, fail_sync, fail_sync_names,
                            fail_remove, fail_rename,   pass_list};
    start(f);
    *state = f;
    return 0;
}

static void empty(const struct folder *f)
{
    DIR *d = opendir(f->path);
    struct dirent *e;

    assert_non_null(d);
    while ((e = readdir(d)) != NULL) {
        if (e->d_name[0] != '.' && strcmp(e->d_name, "lock") != 0)
            unlinkat(dirfd(d), e->d_name, 0);
    }
    closedir(d);
}

static int teardown(void **state)
{
    struct folder *f = *state;

    journal_close(f->journal);
    disk_posix_close(&f->under);
    empty(f);
    snprintf(f->err, sizeof(f->err), "%s/lock", f->path);
    unlink(f->err);
    rmdir(f->path);
    free(f);
    return 0;
}

static void make(uint32_t sequence, uint8_t out[RECORD_SIZE])
{
    record_lost(0, EPOCH, sequence, 1000 + sequence, out);
}

static int put(struct folder *f, uint32_t from, uint32_t count, char mark, bool durable)
{
    static uint8_t records[1024 * RECORD_SIZE];
    int rc;

    assert_true(count <= 1024);
    for (uint32_t i = 0; i < count; i++)
        make(from + i, records + (size_t)i * RECORD_SIZE);
    rc = journal_append(f->journal, 0, EPOCH, from, records, count);
    if (rc != 0)
        return rc;
    f->now = mark;
    journal_meta(f->journal, (const uint8_t *)&mark, 1);
    return journal_commit(f->journal, durable);
}

/* Six records below the end of its first file. */
static void fill(struct folder *f)
{
    for (uint32_t q = 1; q <= BEFORE; q += 1024)
        assert_int_equal(put(f, q, BEFORE + 1 - q < 1024 ? BEFORE + 1 - q : 1024, 'a', false), 0);
}

static void expect_records(struct folder *f, uint32_t last)
{
    uint8_t want[RECORD_SIZE], got[RECORD_SIZE];

    assert_int_equal(f->last, last);
    for (uint32_t q = BEFORE - 2; q <= last; q++) {
        make(q, want);
        assert_int_equal(journal_read(f->journal, 0, EPOCH, q, 1, got, sizeof(got)), 1);
        assert_memory_equal(got, want, RECORD_SIZE);
    }
    assert_int_equal(f->damaged, 0);
}

/* A batch across two files with marks behind it: after `count` failures from effect `at` on. false:
 * there is no such effect. */
static bool fails_at(struct folder *f, unsigned at, unsigned count, int error)
{
    int rc = 0;

    journal_close(f->journal);
    empty(f);
    start(f);
    fill(f);
    arm(f, at, count, error);
    for (unsigned tries = 0; tries <= count && (tries == 0 || rc != 0); tries++) {
        rc = put(f, BEFORE + 1, BATCH, 'b', true);
        if (tries == 0 && rc == 0)
            break;
        if (tries == 0)
            assert_int_equal(rc, error);
    }
    assert_int_equal(rc, 0);
    count = f->faults.seen > at;
    arm(f, 0, 0, 0);
    assert_int_equal(put(f, AFTER + 1, 3, 'c', true), 0);
    start_again(f);
    expect_records(f, AFTER + 3);
    assert_string_equal(f->marks, "abc");
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

/* What was not acknowledged and not given again is there in whole or not at all, but for records
 * without their marks: as after a crash. */
static void what_failed_and_the_process_with_it(void **state)
{
    struct folder *f = *state;

    for (unsigned at = 0; at < 8; at++) {
        journal_close(f->journal);
        empty(f);
        start(f);
        fill(f);
        arm(f, at, 1, -EIO);
        assert_int_equal(put(f, BEFORE + 1, BATCH, 'b', true), -EIO);
        start_again(f);
        expect_records(f, BEFORE);
        assert_string_equal(f->marks, "a");
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

/* The log of marks grows until a next generation of it is due: that is whole, and fails; it cannot
 * be removed, and perhaps not emptied.  What is committed after that is newer than it. */
static void a_next_log_of_marks_that_failed_does_not_outlive_later_marks(void **state)
{
    static const unsigned kinds[] = {SYNC_NAMES | REMOVE, SYNC_NAMES | TRUNCATE, SYNC_NAMES};
    struct folder *f = *state;

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        journal_close(f->journal);
        empty(f);
        start(f);
        fill(f);
        assert_int_equal(put_marks(f, 'x', 4000) + put_marks(f, 'y', 4000), 0);
        f->faults = (struct faults){.kinds = kinds[i], .error = -EIO};
        assert_int_equal(put_marks(f, 'z', 1000), 0);
        f->faults.kinds |= CREATE;
        if (put_marks(f, 'l', 1) != 0) {
            f->faults.kinds = CREATE;
            assert_int_equal(put_marks(f, 'l', 1), 0);
        }
        start_again(f);
        assert_int_equal(f->marks[strlen(f->marks) - 1], 'l');
    }
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(any_effect_that_fails_can_be_repeated),
        T(what_failed_and_the_process_with_it),
        T(a_next_log_of_marks_that_failed_does_not_outlive_later_marks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
