#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "journal_folder.h"

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

static long fail_read(void *ctx, int handle, void *out, size_t len, uint64_t offset)
{
    struct folder *f = ctx;

    if (offset < f->faults.unread_to && offset + len > f->faults.unread_from)
        return f->faults.error;
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

    f->segments++;
    if (origin != 0 || epoch != FOLDER_EPOCH)
        return;
    f->first = first;
    f->last = last;
}

static void on_marks_lost(void *ctx)
{
    ((struct folder *)ctx)->marks_lost++;
}

static void on_damage(void *ctx, uint8_t origin, uint32_t epoch, uint32_t from, uint32_t to)
{
    (void)origin, (void)epoch, (void)from, (void)to;
    ((struct folder *)ctx)->damaged++;
}

static void on_hole(void *ctx, const struct journal_hole *hole)
{
    struct folder *f = ctx;

    f->holes++;
    f->hole = *hole;
}

static void snapshot(void *ctx, struct journal *j)
{
    for (int i = 0; i < FOLDER_SNAPSHOT; i++)
        journal_meta(j, (const uint8_t *)&((struct folder *)ctx)->now, 1);
}

int folder_try_start(struct folder *f)
{
    struct journal_options o = {.disk = &f->disk, .sync = f->power, .node = f->node};
    struct journal_visitor v = {.ctx = f,
                                .on_meta = on_meta,
                                .on_segment = on_segment,
                                .on_marks_lost = on_marks_lost,
                                .on_damage = on_damage,
                                .on_hole = on_hole,
                                .snapshot = snapshot};

    folder_stop(f);
    f->first = f->last = f->damaged = f->marks_lost = f->holes = f->segments = 0;
    f->now = '0';
    memset(f->marks, 0, sizeof(f->marks));
    return journal_open(&f->journal, &o, &v, f->err, sizeof(f->err));
}

void folder_start(struct folder *f)
{
    f->faults = (struct faults){.count = 0};
    assert_int_equal(folder_try_start(f), 0);
}

void folder_stop(struct folder *f)
{
    if (f->journal != NULL)
        journal_close(f->journal);
    f->journal = NULL;
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

int folder_file(const struct folder *f, const char *name)
{
    int handle = f->under.open(f->under.ctx, name, false);

    assert_true(handle >= 0);
    return handle;
}

void folder_not_written(const struct folder *f, const char *name, uint64_t from, size_t len)
{
    static const uint8_t zeroes[16384];
    int handle = folder_file(f, name);

    assert_true(len <= sizeof(zeroes));
    assert_int_equal(f->under.write(f->under.ctx, handle, zeroes, len, from), 0);
    f->under.close(f->under.ctx, handle);
}

static void newest_log(void *arg, const char *name)
{
    if (strncmp(name, "meta-", 5) == 0 && strcmp(name, arg) > 0)
        strcpy(arg, name);
}

void folder_log(const struct folder *f, char out[DISK_NAME_MAX])
{
    memset(out, 0, DISK_NAME_MAX);
    assert_int_equal(f->under.list(f->under.ctx, newest_log, out), 0);
}

void folder_start_empty(struct folder *f)
{
    folder_stop(f);
    empty(f);
    folder_start(f);
}

int folder_setup(void **state)
{
    struct folder *f = calloc(1, sizeof(*f));

    if (f == NULL)
        return -1;
    strcpy(f->path, "/tmp/evrep-folder-XXXXXX");
    if (mkdtemp(f->path) == NULL ||
        disk_posix_open(&f->under, f->path, f->err, sizeof(f->err)) != 0)
        return -1;
    f->disk = (struct disk){.ctx = f,
                            .open = fail_open,
                            .close = pass_close,
                            .read = fail_read,
                            .write = fail_write,
                            .size = pass_size,
                            .truncate = fail_truncate,
                            .reserve = no_reserve,
                            .sync = fail_sync,
                            .sync_names = fail_sync_names,
                            .remove = fail_remove,
                            .rename = fail_rename,
                            .list = pass_list};
    folder_start(f);
    *state = f;
    return 0;
}

int folder_teardown(void **state)
{
    struct folder *f = *state;

    folder_stop(f);
    disk_posix_close(&f->under);
    empty(f);
    snprintf(f->err, sizeof(f->err), "%s/lock", f->path);
    unlink(f->err);
    rmdir(f->path);
    free(f);
    return 0;
}

void folder_record(uint32_t sequence, uint8_t out[RECORD_SIZE])
{
    record_lost(0, FOLDER_EPOCH, sequence, 1000 + sequence, out);
}

int folder_put(struct folder *f, uint32_t from, uint32_t count, char mark, bool durable)
{
    static uint8_t records[1024 * RECORD_SIZE];
    int rc;

    assert_true(count <= 1024);
    for (uint32_t i = 0; i < count; i++)
        folder_record(from + i, records + (size_t)i * RECORD_SIZE);
    rc = journal_append(f->journal, 0, FOLDER_EPOCH, from, records, count);
    if (rc != 0)
        return rc;
    f->now = mark;
    journal_meta(f->journal, (const uint8_t *)&mark, 1);
    return journal_commit(f->journal, durable);
}

void folder_fill(struct folder *f, uint32_t from, uint32_t to)
{
    for (uint32_t q = from; q <= to; q += 1024)
        assert_int_equal(folder_put(f, q, to + 1 - q < 1024 ? to + 1 - q : 1024, 'a', false), 0);
}

void folder_expect(struct folder *f, uint32_t from, uint32_t to)
{
    uint8_t want[RECORD_SIZE], got[RECORD_SIZE];

    for (uint32_t q = from; q <= to; q++) {
        folder_record(q, want);
        assert_int_equal(journal_read(f->journal, 0, FOLDER_EPOCH, q, 1, got, sizeof(got)), 1);
        assert_memory_equal(got, want, RECORD_SIZE);
    }
}
