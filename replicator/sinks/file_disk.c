#include "file_disk.h"
#include "file_tail.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static void start(struct file_disk *d)
{
    d->rc = 0;
    d->wrong = d->note = NULL;
    d->gone = false;
}

static void fail(struct file_disk *d, const char *wrong, int code)
{
    d->wrong = wrong;
    d->rc = -code;
    close(d->fd); /* So that its file system can be mended, and another program have it. */
    d->fd = -1;
}

/* ---- to open ---- */

static const char *cannot_open(int code)
{
    switch (code) {
    case EISDIR:
        return "is a folder; 'path' has to name a file";
    case ENOENT:
    case ENOTDIR:
        return "the folder that it is to be in does not exist; make it, or mend 'path'";
    case EACCES:
        return "may not be written by the user that evrepd runs as; give it the right to";
    case EROFS:
        return "its file system may only be read; mount it for writing";
    case ENXIO:
        return "not a file; 'path' has to name one, in a folder that exists";
    default:
        return NULL;
    }
}

static void mend_end(struct file_disk *d, off_t size)
{
    bool foreign;

    d->size = file_mend_end(d->fd, size, &foreign);
    if (foreign)
        d->note = "the last line, which is not ours, had no end: it got one";
    if (d->size == -EBADMSG)
        fail(d, "ends in something that is no line of ours; move it away", EBADMSG);
    else if (d->size < 0)
        fail(d, NULL, (int)-d->size);
}

static void check(struct file_disk *d)
{
    struct stat st, there;

    if (fstat(d->fd, &st) != 0 || !S_ISREG(st.st_mode))
        fail(d, cannot_open(ENXIO), ENXIO);
    else if (flock(d->fd, LOCK_EX | LOCK_NB) != 0)
        fail(d, "another program has locked it to write it; each evrepd needs a file of its own",
             EWOULDBLOCK);
    else if (stat(d->path, &there) != 0 || there.st_ino != st.st_ino || there.st_dev != st.st_dev)
        fail(d, "renamed while it was opened", ENOENT);
    else
        mend_end(d, st.st_size);
}

/* D1: what a process before this one wrote and did not sync is about to count as confirmed.  What
 * this one wrote was synced before it was confirmed. */
static void sync_what_is_there(struct file_disk *d)
{
    int rc = !d->synced && fdatasync(d->fd) != 0 ? -errno : file_sync_folder(d->path);

    if (rc != 0)
        fail(d, NULL, -rc);
    else
        d->synced = true;
}

void file_disk_open(struct file_disk *d)
{
    start(d);
    if (d->fd >= 0)
        close(d->fd);
    d->fd = open(d->path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0640);
    if (d->fd < 0) {
        d->rc = -errno;
        d->wrong = cannot_open(errno);
        return;
    }
    check(d);
    if (d->rc == 0 && d->sync)
        sync_what_is_there(d);
    if (d->rc == 0)
        file_rotation_start(&d->rotation, d->fd, d->size);
}

/* ---- to write ---- */

/* Nobody else writes it as a rule; but it may be cut off, as by logrotate's copytruncate, or
 * removed. */
static bool look(struct file_disk *d)
{
    struct stat st;

    if (fstat(d->fd, &st) != 0) {
        fail(d, NULL, errno);
        return false;
    }
    d->gone = st.st_nlink == 0;
    if (d->gone || st.st_size == d->size)
        return !d->gone;
    if (st.st_size < d->size)
        d->note = "another program has cut it off: it goes on at its end";
    mend_end(d, st.st_size);
    return d->rc == 0;
}

/* 0, or a negative errno; *done: bytes that were written. */
static int write_all(int fd, const uint8_t *at, size_t len, size_t *done)
{
    while (*done < len) {
        ssize_t n = write(fd, at + *done, len - *done);

        if (n > 0)
            *done += (size_t)n;
        else if (n == 0 || errno != EINTR)
            return n == 0 ? -ENOSPC : -errno;
    }
    return 0;
}

/* What was written of records that count as not written.  Where that fails, or somebody else has
 * written meanwhile, it stays, and D1 finds it. */
static void take_back(struct file_disk *d, size_t done)
{
    struct stat st;

    if (fstat(d->fd, &st) == 0 && st.st_size == d->size + (off_t)done &&
        ftruncate(d->fd, d->size) != 0)
        d->note = "what was written of some records cannot be taken back";
}

void file_disk_write(struct file_disk *d, const uint8_t *at, size_t len)
{
    size_t done = 0;
    int rc;

    start(d);
    if (!look(d))
        return;
    rc = write_all(d->fd, at, len, &done);
    if (rc == 0 && d->sync && fdatasync(d->fd) != 0)
        rc = -errno; /* What that leaves on the disk is unknown: written anew. */
    if (rc == 0) {
        d->size += (off_t)len;
        return;
    }
    take_back(d, done);
    fail(d, NULL, -rc);
}

/* ---- to rotate ---- */

void file_disk_rotate(struct file_disk *d)
{
    struct stat st, there;

    start(d);
    d->gone = true; /* What went to another name, or to none, is with whoever did that. */
    if (fstat(d->fd, &st) != 0 || stat(d->path, &there) != 0 || there.st_ino != st.st_ino ||
        there.st_dev != st.st_dev)
        return;
    d->rc = file_rotate(&d->rotation, d->path, d->keep);
    d->gone = d->rc == 0 || d->rc == -ENOENT;
}
