/* The log of marks.  A new generation starts with a snapshot, and counts only once that is
 * complete. */
#include "internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void meta_name(char out[64], uint64_t generation)
{
    snprintf(out, 64, "meta-%016" PRIx64, generation);
}

static int write_all(int fd, const uint8_t *at, size_t len, off_t offset)
{
    while (len > 0) {
        ssize_t n = pwrite(fd, at, len, offset);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -EIO;
        at += n;
        len -= (size_t)n;
        offset += n;
    }
    return 0;
}

/* The bytes up to the first entry that is torn; *complete: the snapshot's end was seen. */
static size_t replay(struct journal *j, const uint8_t *at, size_t len, bool visit, bool *complete)
{
    size_t used = META_MAGIC_SIZE;

    *complete = false;
    if (len < META_MAGIC_SIZE || memcmp(at, meta_magic, META_MAGIC_SIZE) != 0)
        return 0;
    while (used < len) {
        const uint8_t *body;
        size_t body_len;
        long n = meta_get(at + used, len - used, &body, &body_len);

        if (n < 0)
            break;
        used += (size_t)n;
        if (body_len == 0)
            *complete = true;
        else if (visit)
            j->v.on_meta(j->v.ctx, body, body_len);
    }
    return used;
}

static uint8_t *slurp(int fd, size_t *len)
{
    struct stat st;
    uint8_t *at;

    if (fstat(fd, &st) != 0 || st.st_size > (off_t)(64 << 20))
        return NULL;
    at = malloc((size_t)st.st_size + 1);
    if (at != NULL && pread(fd, at, (size_t)st.st_size, 0) != st.st_size) {
        free(at);
        return NULL;
    }
    *len = (size_t)st.st_size;
    return at;
}

/* true: this generation is whole and its marks were visited. */
static bool use_generation(struct journal *j, uint64_t generation)
{
    char name[64];
    uint8_t *at = NULL;
    size_t len = 0, used = 0;
    bool complete = false;
    int fd;

    meta_name(name, generation);
    fd = openat(j->dir, name, O_RDWR | O_CLOEXEC);
    if (fd >= 0)
        at = slurp(fd, &len);
    if (at != NULL)
        replay(j, at, len, false, &complete);
    if (complete)
        used = replay(j, at, len, true, &complete);
    free(at);
    if (!complete || ftruncate(fd, (off_t)used) != 0) {
        if (fd >= 0)
            close(fd);
        return false;
    }
    j->meta = fd;
    j->meta_size = (off_t)used;
    j->generation = generation;
    return true;
}

static size_t list_generations(struct journal *j, uint64_t *out, size_t max)
{
    DIR *d = fdopendir(dup(j->dir));
    struct dirent *e;
    size_t n = 0;

    if (d == NULL)
        return 0;
    rewinddir(d);
    while ((e = readdir(d)) != NULL) {
        char *end;

        if (strncmp(e->d_name, "meta-", 5) != 0 || n == max)
            continue;
        out[n] = strtoull(e->d_name + 5, &end, 16);
        n += *end == '\0';
    }
    closedir(d);
    return n;
}

static void remove_others(struct journal *j)
{
    uint64_t found[64];
    size_t n = list_generations(j, found, 64);

    for (size_t i = 0; i < n; i++) {
        char name[64];

        meta_name(name, found[i]);
        if (found[i] != j->generation)
            unlinkat(j->dir, name, 0);
    }
}

/* The new file is whole and on the disk before the old one goes. */
static int new_generation(struct journal *j)
{
    uint64_t generation = j->generation + 1;
    uint8_t *old = j->meta_buffer;
    size_t old_len = j->meta_len;
    char name[64];
    int fd, rc;

    meta_name(name, generation);
    fd = openat(j->dir, name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    j->meta_buffer = malloc(META_BUFFER_MAX);
    if (fd < 0 || j->meta_buffer == NULL) {
        rc = fd < 0 ? -errno : -ENOMEM;
        if (fd >= 0)
            close(fd);
        free(j->meta_buffer);
        j->meta_buffer = old;
        return rc;
    }
    memcpy(j->meta_buffer, meta_magic, META_MAGIC_SIZE);
    j->meta_len = META_MAGIC_SIZE;
    j->snapshotting = true;
    if (j->v.snapshot != NULL)
        j->v.snapshot(j->v.ctx, j);
    j->snapshotting = false;
    j->meta_len += meta_put(j->meta_buffer + j->meta_len, NULL, 0);
    rc = write_all(fd, j->meta_buffer, j->meta_len, 0);
    if (rc == 0 && fsync(fd) != 0)
        rc = -errno;
    if (rc == 0) {
        if (j->meta >= 0)
            close(j->meta);
        j->meta = fd;
        j->meta_size = (off_t)j->meta_len;
        j->generation = generation;
        fsync(j->dir);
        remove_others(j);
    } else {
        close(fd);
        unlinkat(j->dir, name, 0);
    }
    free(j->meta_buffer);
    j->meta_buffer = old;
    j->meta_len = old_len;
    return rc;
}

int meta_open(struct journal *j, char *err, size_t err_size)
{
    uint64_t found[64];
    size_t n = list_generations(j, found, 64);
    int rc;

    while (n > 0) { /* The newest whole one. */
        size_t best = 0;

        for (size_t i = 1; i < n; i++)
            best = found[i] > found[best] ? i : best;
        if (use_generation(j, found[best])) {
            remove_others(j);
            return 0;
        }
        if (j->generation < found[best])
            j->generation = found[best];
        found[best] = found[--n];
    }
    rc = new_generation(j);
    if (rc != 0)
        snprintf(err, err_size, "journal %s: cannot write: %s", j->o.dir, strerror(-rc));
    return rc;
}

void journal_meta(struct journal *j, const uint8_t *at, size_t len)
{
    if (j->meta_len + META_HEADER_SIZE + len > META_BUFFER_MAX || len == 0 || len > META_ENTRY_MAX)
        abort(); /* The caller's bound, not the world's. */
    j->meta_len += meta_put(j->meta_buffer + j->meta_len, at, len);
}

int meta_commit(struct journal *j)
{
    int rc;

    if (j->meta_len == 0)
        return 0;
    rc = write_all(j->meta, j->meta_buffer, j->meta_len, j->meta_size);
    if (rc == 0 && j->o.sync && fdatasync(j->meta) != 0)
        rc = -errno;
    if (rc != 0) {
        if (ftruncate(j->meta, j->meta_size) != 0)
            rc = -errno;
        j->meta_len = 0;
        return rc;
    }
    j->meta_size += (off_t)j->meta_len;
    j->meta_len = 0;
    if (j->meta_size > META_FILE_MAX && j->v.snapshot != NULL)
        new_generation(j); /* When there is no room for it the old one goes on. */
    return 0;
}
