#include "internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int journal_open(struct journal **out, const struct journal_options *o,
                 const struct journal_visitor *v, char *err, size_t err_size)
{
    struct journal *j = calloc(1, sizeof(*j));
    int rc = -ENOMEM;

    if (j == NULL) {
        snprintf(err, err_size, "journal: out of memory");
        return -1;
    }
    j->o = *o;
    j->o.log_bytes = o->log_bytes != 0 ? o->log_bytes : META_FILE_MAX;
    j->v = *v;
    j->disk = o->disk;
    j->meta = -1;
    *out = j;
    j->meta_buffer = malloc(META_ROOM + META_BUFFER_MAX);
    j->snapshot_buffer = malloc(META_ROOM + META_BUFFER_MAX);
    j->slots = malloc((size_t)1024 * JOURNAL_SLOT_SIZE);
    if (j->meta_buffer != NULL && j->snapshot_buffer != NULL && j->slots != NULL)
        rc = versions_check(j);
    if (rc == 0)
        rc = meta_open(j);
    if (rc == 0)
        rc = records_scan(j);
    if (rc == 0)
        rc = records_sync_found(j);
    if (rc == 0) {
        if (j->marks_lost && j->chunk_count > 0)
            j->v.on_marks_lost(j->v.ctx);
        return 0;
    }
    if (j->refused[0] != '\0')
        snprintf(err, err_size,
                 "journal: %s is of another version, and nothing was touched: start the evrepd "
                 "that wrote it, or move 'state-dir' away",
                 j->refused);
    else if (j->failed[0] != '\0')
        snprintf(
            err, err_size,
            "journal: %s: %s: it is left as it is: mend the disk, or move that file away: what "
            "was in it then counts as lost",
            j->failed, strerror(-rc));
    else if (j->too_many)
        snprintf(err, err_size, "journal: more than %u records files: move some away",
                 (unsigned)CHUNKS_MAX);
    else
        snprintf(err, err_size, "journal: cannot be used: %s", strerror(-rc));
    journal_close(j);
    *out = NULL;
    return -1;
}

void journal_close(struct journal *j)
{
    for (size_t i = 0; i < j->chunk_count; i++) {
        if (j->chunk[i].handle >= 0)
            j->disk->close(j->disk->ctx, j->chunk[i].handle);
    }
    if (j->meta >= 0)
        j->disk->close(j->disk->ctx, j->meta);
    free(j->meta_buffer);
    free(j->snapshot_buffer);
    free(j->slots);
    free(j);
}

int journal_commit(struct journal *j, bool durable)
{
    bool sync = j->o.sync || durable;
    int rc = sync ? records_sync(j) : 0;

    if (rc == 0)
        rc = meta_commit(j, sync);
    if (rc == 0)
        records_count(j);
    else
        records_undo(j);
    j->meta_len = 0;
    return rc;
}

/* ---- name tables: a file each, written beside and renamed ---- */

static void names_name(char out[DISK_NAME_MAX], uint8_t origin, uint32_t generation)
{
    snprintf(out, DISK_NAME_MAX, "names-%u-%08" PRIx32, origin, generation);
}

int journal_names_put(struct journal *j, uint8_t origin, uint32_t generation, const uint8_t *at,
                      size_t len)
{
    const struct disk *d = j->disk;
    char name[DISK_NAME_MAX];
    int handle = d->open(d->ctx, "names-new", true);
    int rc;

    if (handle < 0)
        return handle;
    names_name(name, origin, generation);
    rc = d->write(d->ctx, handle, at, len, 0);
    if (rc == 0 && j->o.sync)
        rc = d->sync(d->ctx, handle);
    d->close(d->ctx, handle);
    if (rc == 0)
        rc = d->rename(d->ctx, "names-new", name);
    j->names_touched = true;
    return rc;
}

long journal_names_get(struct journal *j, uint8_t origin, uint32_t generation, uint8_t *out,
                       size_t size)
{
    char name[DISK_NAME_MAX];
    long n;
    int handle;

    names_name(name, origin, generation);
    handle = j->disk->open(j->disk->ctx, name, false);
    if (handle < 0)
        return -1;
    n = j->disk->read(j->disk->ctx, handle, out, size, 0);
    j->disk->close(j->disk->ctx, handle);
    return n;
}
