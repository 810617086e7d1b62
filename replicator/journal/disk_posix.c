#include "beside.h"
#include "disk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

struct folder {
    int dir, lock;
    struct beside *beside; /* NULL: all in the caller's thread. */
    bool all;              /* Reads and writes too. */
};

struct job {
    int fd;
    const char *name, *to;
    uint64_t len, offset;
    void *out;
    const void *at;
};

static int dir_of(void *ctx)
{
    return ((struct folder *)ctx)->dir;
}

static int posix_open(void *ctx, const char *name, bool create)
{
    int flags = O_RDWR | O_CLOEXEC | (create ? O_CREAT | O_TRUNC : 0);
    int fd;

    while ((fd = openat(dir_of(ctx), name, flags, 0600)) < 0 && errno == EINTR)
        ;
    return fd < 0 ? -errno : fd;
}

static void posix_close(void *ctx, int handle)
{
    (void)ctx;
    close(handle);
}

static int64_t posix_size(void *ctx, int handle)
{
    struct stat st;

    (void)ctx;
    return fstat(handle, &st) != 0 ? -errno : st.st_size;
}

static int posix_truncate(void *ctx, int handle, uint64_t len)
{
    int rc;

    (void)ctx;
    while ((rc = ftruncate(handle, (off_t)len)) != 0 && errno == EINTR)
        ;
    return rc != 0 ? -errno : 0;
}

/* ---- what may wait for the device ---- */

static int run(void *ctx, int (*work)(void *arg), struct job job)
{
    struct folder *f = ctx;

    return f->beside != NULL ? beside_run(f->beside, work, &job) : work(&job);
}

static int do_reserve(void *arg)
{
    const struct job *j = arg;

    return posix_fallocate(j->fd, 0, (off_t)j->len);
}

static int do_sync(void *arg)
{
    const struct job *j = arg;
    int rc;

    while ((rc = fdatasync(j->fd)) != 0 && errno == EINTR)
        ;
    return rc != 0 ? -errno : 0;
}

static int do_sync_names(void *arg)
{
    const struct job *j = arg;
    int rc;

    while ((rc = fsync(j->fd)) != 0 && errno == EINTR)
        ;
    return rc != 0 ? -errno : 0;
}

static int do_remove(void *arg)
{
    const struct job *j = arg;

    return unlinkat(j->fd, j->name, 0) != 0 ? -errno : 0;
}

static int do_rename(void *arg)
{
    const struct job *j = arg;

    return renameat(j->fd, j->name, j->fd, j->to) != 0 ? -errno : 0;
}

/* j->len becomes what was read. */
static int do_read(void *arg)
{
    struct job *j = arg;
    size_t done = 0;

    while (done < j->len) {
        ssize_t n = pread(j->fd, (char *)j->out + done, j->len - done, (off_t)(j->offset + done));

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            break;
        done += (size_t)n;
    }
    j->len = done;
    return 0;
}

static int do_write(void *arg)
{
    const struct job *j = arg;
    size_t done = 0;

    while (done < j->len) {
        ssize_t n =
            pwrite(j->fd, (const char *)j->at + done, j->len - done, (off_t)(j->offset + done));

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -EIO;
        done += (size_t)n;
    }
    return 0;
}

static long posix_read(void *ctx, int handle, void *out, size_t len, uint64_t offset)
{
    const struct folder *f = ctx;
    struct job job = {.fd = handle, .out = out, .len = len, .offset = offset};
    int rc = f->all ? beside_run(f->beside, do_read, &job) : do_read(&job);

    return rc != 0 ? rc : (long)job.len;
}

static int posix_write(void *ctx, int handle, const void *at, size_t len, uint64_t offset)
{
    const struct folder *f = ctx;
    struct job job = {.fd = handle, .at = at, .len = len, .offset = offset};

    return f->all ? beside_run(f->beside, do_write, &job) : do_write(&job);
}

static void posix_reserve(void *ctx, int handle, uint64_t len)
{
    run(ctx, do_reserve, (struct job){.fd = handle, .len = len}); /* The writes will tell. */
}

static int posix_sync(void *ctx, int handle)
{
    return run(ctx, do_sync, (struct job){.fd = handle});
}

static int posix_sync_names(void *ctx)
{
    return run(ctx, do_sync_names, (struct job){.fd = dir_of(ctx)});
}

static int posix_remove(void *ctx, const char *name)
{
    return run(ctx, do_remove, (struct job){.fd = dir_of(ctx), .name = name});
}

static int posix_list(void *ctx, void (*each)(void *arg, const char *name), void *arg)
{
    int fd = openat(dir_of(ctx), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc = 0;
    DIR *d = fd < 0 ? NULL : fdopendir(fd);

    if (d == NULL) {
        rc = -errno;
        if (fd >= 0)
            close(fd);
        return rc;
    }
    for (;;) { /* Half a list would be taken for files that are gone. */
        const struct dirent *e;

        errno = 0;
        e = readdir(d);
        if (e == NULL)
            break;
        each(arg, e->d_name);
    }
    rc = -errno;
    closedir(d);
    return rc;
}

static int posix_rename(void *ctx, const char *from, const char *to)
{
    return run(ctx, do_rename, (struct job){.fd = dir_of(ctx), .name = from, .to = to});
}

/* A process that was killed a moment ago has it until the kernel is done with its memory. */
static int lock_folder(int fd)
{
    const struct timespec moment = {.tv_nsec = 20000000};

    for (int i = 0; i < 100 && flock(fd, LOCK_EX | LOCK_NB) != 0; i++)
        nanosleep(&moment, NULL);
    return flock(fd, LOCK_EX | LOCK_NB);
}

/* A folder that is new is one of the names of the folder above. */
static int sync_above(int dir)
{
    int above = openat(dir, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc = above < 0 ? -1 : fsync(above);

    if (above >= 0)
        close(above);
    return rc;
}

static int open_folder(struct folder *f, const char *path, char *err, size_t err_size)
{
    bool is_new = mkdir(path, 0700) == 0;

    f->dir = f->lock = -1;
    if (!is_new && errno != EEXIST) {
        snprintf(err, err_size, "journal %s: %s: does the folder above it exist?", path,
                 strerror(errno));
        return -1;
    }
    f->dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (f->dir >= 0 && is_new && sync_above(f->dir) != 0) {
        snprintf(err, err_size, "journal %s: the folder above it cannot be synced: %s", path,
                 strerror(errno));
        return -1;
    }
    f->lock = f->dir < 0 ? -1 : openat(f->dir, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (f->lock < 0) {
        snprintf(err, err_size, "journal %s: %s", path, strerror(errno));
        return -1;
    }
    if (lock_folder(f->lock) != 0) {
        snprintf(err, err_size, "journal %s: locked: is another evrepd running?", path);
        return -1;
    }
    return 0;
}

static void close_folder(struct folder *f)
{
    if (f->beside != NULL)
        beside_close(f->beside);
    if (f->lock >= 0)
        close(f->lock);
    if (f->dir >= 0)
        close(f->dir);
    free(f);
}

int disk_posix_open(struct disk *out, const char *dir, char *err, size_t err_size)
{
    struct folder *f = calloc(1, sizeof(*f));

    if (f == NULL) {
        snprintf(err, err_size, "out of memory");
        return -1;
    }
    if (open_folder(f, dir, err, err_size) != 0) {
        close_folder(f);
        return -1;
    }
    *out = (struct disk){
        .ctx = f,
        .open = posix_open,
        .close = posix_close,
        .read = posix_read,
        .write = posix_write,
        .size = posix_size,
        .truncate = posix_truncate,
        .reserve = posix_reserve,
        .sync = posix_sync,
        .sync_names = posix_sync_names,
        .remove = posix_remove,
        .rename = posix_rename,
        .list = posix_list,
    };
    return 0;
}

int disk_posix_beside(struct disk *d, bool all, void (*meanwhile)(void *ctx), void *ctx)
{
    struct folder *f = d->ctx;

    f->beside = beside_open(meanwhile, ctx);
    f->all = all && f->beside != NULL;
    return f->beside != NULL ? 0 : -1;
}

void disk_posix_close(struct disk *d)
{
    close_folder(d->ctx);
    d->ctx = NULL;
}
