#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static int open_dir(struct journal *j, char *err, size_t err_size)
{
    if (mkdir(j->o.dir, 0700) != 0 && errno != EEXIST) {
        snprintf(err, err_size, "journal %s: %s: does the folder above it exist?", j->o.dir,
                 strerror(errno));
        return -1;
    }
    j->dir = open(j->o.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    j->lock = j->dir < 0 ? -1 : openat(j->dir, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (j->lock < 0) {
        snprintf(err, err_size, "journal %s: %s", j->o.dir, strerror(errno));
        return -1;
    }
    if (flock(j->lock, LOCK_EX | LOCK_NB) != 0) {
        snprintf(err, err_size, "journal %s: locked: is another evrepd running?", j->o.dir);
        return -1;
    }
    return 0;
}

int journal_open(struct journal **out, const struct journal_options *o,
                 const struct journal_visitor *v, char *err, size_t err_size)
{
    struct journal *j = calloc(1, sizeof(*j));

    if (j == NULL)
        return -1;
    j->o = *o;
    j->v = *v;
    j->dir = j->lock = j->meta = -1;
    j->meta_buffer = malloc(META_BUFFER_MAX);
    j->slots = malloc((size_t)1024 * JOURNAL_SLOT_SIZE);
    if (j->meta_buffer == NULL || j->slots == NULL || open_dir(j, err, err_size) != 0 ||
        meta_open(j, err, err_size) != 0 || records_scan(j) != 0) {
        journal_close(j);
        return -1;
    }
    *out = j;
    return 0;
}

void journal_close(struct journal *j)
{
    for (size_t i = 0; i < j->chunk_count; i++) {
        if (j->chunk[i].fd >= 0)
            close(j->chunk[i].fd);
    }
    if (j->meta >= 0)
        close(j->meta);
    if (j->lock >= 0)
        close(j->lock);
    if (j->dir >= 0)
        close(j->dir);
    free(j->meta_buffer);
    free(j->slots);
    free(j);
}

int journal_commit(struct journal *j)
{
    int rc = records_commit(j);

    if (rc != 0) {
        records_undo(j);
        j->meta_len = 0;
        return rc;
    }
    return meta_commit(j);
}

/* ---- name tables: a file each, written beside and renamed ---- */

static void names_name(char out[64], uint8_t origin, uint32_t generation)
{
    snprintf(out, 64, "names-%u-%08" PRIx32, origin, generation);
}

int journal_names_put(struct journal *j, uint8_t origin, uint32_t generation, const uint8_t *at,
                      size_t len)
{
    char name[64];
    int fd = openat(j->dir, "names-new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    int rc = 0;

    if (fd < 0)
        return -errno;
    names_name(name, origin, generation);
    if (write(fd, at, len) != (ssize_t)len || (j->o.sync && fsync(fd) != 0))
        rc = errno != 0 ? -errno : -EIO;
    close(fd);
    if (rc == 0 && renameat(j->dir, "names-new", j->dir, name) != 0)
        rc = -errno;
    return rc;
}

long journal_names_get(struct journal *j, uint8_t origin, uint32_t generation, uint8_t *out,
                       size_t size)
{
    char name[64];
    ssize_t n;
    int fd;

    names_name(name, origin, generation);
    fd = openat(j->dir, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    n = read(fd, out, size);
    close(fd);
    return n;
}
