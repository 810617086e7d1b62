/* links: evrep_journal */
/* The journal's files, on a real folder: what is missing, damaged, or of another version. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "beside.h"
#include "journal.h"

enum { EPOCH = 10 };

#define RECORDS_FILE "r-0-0000000a-00000001"

struct folder {
    char path[64];
    struct disk disk;
    struct journal *journal;
    unsigned marks, marks_lost, headers;
    bool power;
    uint32_t last;
    char err[256];
};

static void on_meta(void *ctx, const uint8_t *at, size_t len)
{
    (void)at, (void)len;
    ((struct folder *)ctx)->marks++;
}

static void on_segment(void *ctx, uint8_t origin, uint32_t epoch, uint32_t first, uint32_t last)
{
    (void)origin, (void)epoch, (void)first;
    ((struct folder *)ctx)->last = last;
}

static void on_marks_lost(void *ctx)
{
    ((struct folder *)ctx)->marks_lost++;
}

static void on_header(void *ctx, const char *name)
{
    assert_string_equal(name, RECORDS_FILE);
    ((struct folder *)ctx)->headers++;
}

static void snapshot(void *ctx, struct journal *j)
{
    (void)ctx;
    journal_meta(j, (const uint8_t *)"mark", 4);
}

static int start(struct folder *f)
{
    struct journal_options o = {.disk = &f->disk, .sync = f->power};
    struct journal_visitor v = {.ctx = f,
                                .on_meta = on_meta,
                                .on_segment = on_segment,
                                .on_marks_lost = on_marks_lost,
                                .on_header = on_header,
                                .snapshot = snapshot};

    f->marks = f->marks_lost = f->headers = f->last = 0;
    return journal_open(&f->journal, &o, &v, f->err, sizeof(f->err));
}

static void append(struct folder *f, uint32_t from, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        uint8_t record[RECORD_SIZE];

        record_lost(0, EPOCH, from + i, 1, record);
        assert_int_equal(journal_append(f->journal, 0, EPOCH, from + i, record, 1), 0);
    }
    journal_meta(f->journal, (const uint8_t *)"more", 4);
    assert_int_equal(journal_commit(f->journal, true), 0);
}

static void remove_all(const char *path, const char *prefix)
{
    DIR *d = opendir(path);
    struct dirent *e;

    assert_non_null(d);
    while ((e = readdir(d)) != NULL) {
        if (e->d_name[0] != '.' && strncmp(e->d_name, prefix, strlen(prefix)) == 0)
            unlinkat(dirfd(d), e->d_name, 0);
    }
    closedir(d);
}

static int setup(void **state)
{
    struct folder *f = calloc(1, sizeof(*f));

    strcpy(f->path, "/tmp/evrep-journal-XXXXXX");
    if (f == NULL || mkdtemp(f->path) == NULL ||
        disk_posix_open(&f->disk, f->path, f->err, sizeof(f->err)) != 0 || start(f) != 0)
        return -1;
    *state = f;
    assert_int_equal(f->marks_lost, 0); /* Nothing is there, so nothing is gone. */
    append(f, 1, 40);
    journal_close(f->journal);
    return 0;
}

static int teardown(void **state)
{
    struct folder *f = *state;

    if (f->journal != NULL)
        journal_close(f->journal);
    disk_posix_close(&f->disk);
    remove_all(f->path, "");
    rmdir(f->path);
    free(f);
    return 0;
}

/* Changes one byte. */
static void spoil(const struct folder *f, const char *name, uint64_t at, char to)
{
    int handle = f->disk.open(f->disk.ctx, name, false);

    assert_true(handle >= 0);
    assert_int_equal(f->disk.write(f->disk.ctx, handle, &to, 1, at), 0);
    f->disk.close(f->disk.ctx, handle);
}

static void what_is_there_is_read(void **state)
{
    struct folder *f = *state;

    assert_int_equal(start(f), 0);
    assert_int_equal(f->last, 40);
    assert_true(f->marks >= 1);
    assert_int_equal(f->marks_lost + f->headers, 0);
}

/* Whoever put it there: a start does not end over it. */
static void a_file_of_another_name_is_left_alone(void **state)
{
    static const char *const names[] = {"meta-5", "meta-00000000000000ff.bak",
                                        "meta-00000000000000FF"};
    struct folder *f = *state;

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char path[128];
        int file;

        snprintf(path, sizeof(path), "%s/%s", f->path, names[i]);
        file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        assert_true(file >= 0);
        close(file);
        assert_int_equal(start(f), 0);
        assert_true(f->marks >= 1);
        assert_int_equal(f->marks_lost, 0);
        journal_close(f->journal);
        assert_int_equal(access(path, F_OK), 0);
    }
    assert_int_equal(start(f), 0);
}

static unsigned files_synced, names_synced;

static int count_sync(void *ctx, int handle)
{
    (void)ctx, (void)handle;
    files_synced++;
    return 0;
}

static int count_names(void *ctx)
{
    (void)ctx;
    names_synced++;
    return 0;
}

/* Section 2, durability: a process that was killed between a write and its sync left what counts
 * for the next one, and may go with the power while that one acts on it. */
static void what_is_there_is_synced_before_it_counts(void **state)
{
    struct folder *f = *state;

    f->disk.sync = count_sync;
    f->disk.sync_names = count_names;
    for (unsigned power = 0; power < 2; power++) {
        f->power = power;
        files_synced = names_synced = 0;
        assert_int_equal(start(f), 0);
        assert_int_equal(files_synced, 2); /* The marks, and the records: some outlive the power. */
        assert_int_equal(names_synced, 2); /* Before other logs of marks go, and as it is over. */
        if (power == 0)
            journal_close(f->journal);
    }
}

/* Records and no marks: what was handed over is unknown, not nothing. */
static void no_meta_file_means_that_marks_are_gone(void **state)
{
    struct folder *f = *state;

    remove_all(f->path, "meta-");
    assert_int_equal(start(f), 0);
    assert_int_equal(f->last, 40);
    assert_int_equal(f->marks_lost, 1);
}

/* It dies before it has noted so: the next one finds the same. */
static void that_marks_are_gone_outlives_a_death(void **state)
{
    struct folder *f = *state;

    remove_all(f->path, "meta-");
    for (int i = 0; i < 2; i++) {
        assert_int_equal(start(f), 0);
        assert_int_equal(f->marks_lost, 1);
        journal_close(f->journal);
    }
    assert_int_equal(start(f), 0);
    append(f, 41, 1);
    journal_close(f->journal);
    assert_int_equal(start(f), 0);
    assert_int_equal(f->marks_lost, 0);
}

static uint64_t sum(const struct folder *f, const char *name)
{
    uint8_t at[32768];
    int handle = f->disk.open(f->disk.ctx, name, false);
    long n = f->disk.read(f->disk.ctx, handle, at, sizeof(at), 0);

    f->disk.close(f->disk.ctx, handle);
    return (uint64_t)n << 32 | crc32c(0, at, n > 0 ? (size_t)n : 0);
}

static void expect_refused(struct folder *f, const char *name)
{
    uint64_t before = sum(f, name);

    assert_int_equal(start(f), -1);
    f->journal = NULL;
    assert_non_null(strstr(f->err, name));
    assert_non_null(strstr(f->err, "is of another version"));
    assert_true(sum(f, name) == before);
}

static void a_records_file_of_another_version_is_refused(void **state)
{
    struct folder *f = *state;
    int handle = f->disk.open(f->disk.ctx, RECORDS_FILE, true);

    assert_int_equal(f->disk.write(f->disk.ctx, handle, "EVRECS2\nwhatever it has", 23, 0), 0);
    f->disk.close(f->disk.ctx, handle);
    expect_refused(f, RECORDS_FILE);
}

static void a_meta_file_of_another_version_is_refused(void **state)
{
    struct folder *f = *state;

    spoil(f, "meta-0000000000000002", 6, '2');
    expect_refused(f, "meta-0000000000000002");
}

/* Whatever byte of it: the records are whole. */
static void a_damaged_header_is_told_and_its_records_are_kept(void **state)
{
    struct folder *f = *state;

    for (unsigned at = 0; at < JOURNAL_HEADER_USED; at += 3) {
        spoil(f, RECORDS_FILE, at, '7');
        assert_int_equal(start(f), 0);
        assert_int_equal(f->headers, 1);
        assert_int_equal(f->last, 40);
        journal_close(f->journal);
    }
    f->journal = NULL;
}

struct wait {
    int pipe[2], calls;
};

static int read_one(void *arg)
{
    struct wait *w = arg;
    char c;

    return read(w->pipe[0], &c, 1) == 1 ? c : -1;
}

static void after_three(void *ctx)
{
    struct wait *w = ctx;

    if (++w->calls == 3)
        assert_int_equal(write(w->pipe[1], "x", 1), 1);
}

/* What waits for the device does not keep its caller from what cannot wait. */
static void test_meanwhile(void **state)
{
    struct wait w = {.calls = 0};
    struct beside *b = beside_open(after_three, &w);

    (void)state;
    assert_non_null(b);
    assert_int_equal(pipe(w.pipe), 0);
    assert_int_equal(beside_run(b, read_one, &w), 'x');
    assert_true(w.calls >= 3);
    beside_close(b);
    close(w.pipe[0]);
    close(w.pipe[1]);
}

/* The same files, whichever thread syncs. */
static void test_beside(void **state)
{
    struct folder *f = *state;
    struct wait w = {.calls = 4};

    assert_int_equal(disk_posix_beside(&f->disk, true, after_three, &w), 0);
    assert_int_equal(start(f), 0);
    append(f, 41, 40);
    journal_close(f->journal);
    assert_int_equal(start(f), 0);
    assert_int_equal(f->last, 80);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_meanwhile),
        T(test_beside),
        T(what_is_there_is_read),
        T(a_file_of_another_name_is_left_alone),
        T(what_is_there_is_synced_before_it_counts),
        T(no_meta_file_means_that_marks_are_gone),
        T(that_marks_are_gone_outlives_a_death),
        T(a_records_file_of_another_version_is_refused),
        T(a_meta_file_of_another_version_is_refused),
        T(a_damaged_header_is_told_and_its_records_are_kept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
