/* The log of marks.  A new generation starts with a snapshot, and counts only once that is
 * complete. */
#include "internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { GENERATIONS_MAX = 64, READ_MAX = 1 << 30 };

static void meta_name(char out[DISK_NAME_MAX], uint64_t generation)
{
    snprintf(out, DISK_NAME_MAX, "meta-%016" PRIx64, generation);
}

struct replay {
    const uint8_t *at;
    size_t len, used; /* used: up to the end of what counts. */
    bool visit;
    bool any;      /* What is whole counts wherever it is: there is nothing better. */
    bool framed;   /* So is what `used` ends with. */
    bool complete; /* The snapshot's end was seen. */
};

static void take_entry(struct journal *j, struct replay *r, const uint8_t *body, size_t len)
{
    if (len == 0)
        r->complete = true;
    else if (r->visit)
        j->v.on_meta(j->v.ctx, body, len);
}

static void take_frame(struct journal *j, struct replay *r, const uint8_t *at, size_t len)
{
    const uint8_t *body;
    size_t body_len;
    long n;

    for (size_t i = META_FRAME_SIZE; (n = meta_get(at + i, len - i, &body, &body_len)) > 0;
         i += (size_t)n)
        take_entry(j, r, body, body_len);
}

/* A whole frame, or an entry of an older version, which is in none.  false: neither.  Zeroes, which
 * may stand for what was never written, look like empty entries. */
static bool take_next(struct journal *j, struct replay *r)
{
    const uint8_t *at = r->at + r->used, *body;
    size_t len = r->len - r->used, body_len;
    long n = meta_get_frame(at, len);

    if (n >= 0)
        r->framed = true;
    if (n > 0)
        take_frame(j, r, at, (size_t)n);
    if (n < 0) {
        n = meta_get(at, len, &body, &body_len);
        if (n < 0 || (body_len == 0 && r->framed))
            return false;
        r->framed = false;
        take_entry(j, r, body, body_len);
    }
    r->used += (size_t)n;
    return n > 0;
}

static bool is_whole(const uint8_t *at, size_t len, bool frames_only)
{
    const uint8_t *body;
    size_t body_len;
    long frame = meta_get_frame(at, len);

    if (frame >= 0 || frames_only)
        return frame > 0;
    return meta_get(at, len, &body, &body_len) > 0 && body_len > 0;
}

static size_t next_whole(const struct replay *r, bool frames_only)
{
    size_t from = r->used;

    while (from < r->len && !is_whole(r->at + from, r->len - from, frames_only))
        from++;
    return from;
}

/* A frame is written once the one before it is on the disk: one that is not whole, with none behind
 * it, is a commit that the power cut short.  Else what was committed is damaged, and as each entry
 * is a whole image those that are whole still count. */
static void replay(struct journal *j, struct replay *r)
{
    bool magic = r->len >= META_MAGIC_SIZE && memcmp(r->at, meta_magic, META_MAGIC_SIZE) == 0;

    r->used = magic ? META_MAGIC_SIZE : 0;
    r->framed = r->complete = false;
    while (magic && r->used < r->len) {
        if (take_next(j, r))
            continue;
        if (next_whole(r, r->framed && !r->any) == r->len)
            return;
        j->marks_lost = j->renew = true;
        r->used = next_whole(r, false);
        r->framed = false;
    }
}

/* 0 or a negative errno.  It grows past its size where there is no room for a next one. */
static int slurp(struct journal *j, int handle, uint8_t **out, size_t *len)
{
    int64_t size = j->disk->size(j->disk->ctx, handle);
    long got;

    if (size < 0 || size > READ_MAX)
        return size < 0 ? (int)size : -EFBIG;
    *out = malloc((size_t)size + 1);
    if (*out == NULL)
        return -ENOMEM;
    got = j->disk->read(j->disk->ctx, handle, *out, (size_t)size, 0);
    *len = (size_t)(got > 0 ? got : 0);
    return got < 0 ? (int)got : 0;
}

static int replay_whole(struct journal *j, int handle, struct replay *r, uint8_t **at)
{
    int rc = slurp(j, handle, at, &r->len);

    if (rc != 0)
        return rc;
    r->at = *at;
    replay(j, r);
    if (!r->complete) {
        j->marks_lost = false; /* Told by what there is instead. */
        return 0;
    }
    rc = j->disk->truncate(j->disk->ctx, handle, r->used);
    if (rc != 0)
        return rc;
    r->visit = true;
    replay(j, r);
    j->meta_size = r->used;
    j->renew |= !r->framed; /* An older version has written it. */
    return 1;
}

/* 1: this generation is whole and its marks were visited; 0: it never counted.  A negative errno:
 * nobody knows, and an older one must not take its place. */
static int use_generation(struct journal *j, uint64_t generation, bool any)
{
    const struct disk *d = j->disk;
    struct replay r = {.any = any};
    char name[DISK_NAME_MAX];
    uint8_t *at = NULL;
    int handle, rc;

    meta_name(name, generation);
    handle = d->open(d->ctx, name, false);
    rc = handle < 0 ? handle : replay_whole(j, handle, &r, &at);
    free(at);
    if (rc < 0)
        memcpy(j->failed, name, sizeof(name));
    if (rc != 1 && handle >= 0)
        d->close(d->ctx, handle);
    if (rc == 1) {
        j->meta = handle;
        j->generation = generation;
    }
    return rc;
}

struct generations {
    uint64_t at[GENERATIONS_MAX];
    size_t count;
};

static void found_name(void *arg, const char *name)
{
    struct generations *g = arg;
    char whole[DISK_NAME_MAX];

    if (strncmp(name, "meta-", 5) != 0 || g->count == GENERATIONS_MAX)
        return;
    g->at[g->count] = strtoull(name + 5, NULL, 16);
    meta_name(whole, g->at[g->count]);
    g->count += strcmp(name, whole) == 0; /* Else it is not ours. */
}

static void remove_others(struct journal *j)
{
    struct generations found = {.count = 0};

    j->disk->list(j->disk->ctx, found_name, &found);
    for (size_t i = 0; i < found.count; i++) {
        char name[DISK_NAME_MAX];

        meta_name(name, found.at[i]);
        if (found.at[i] != j->generation)
            j->disk->remove(j->disk->ctx, name);
    }
}

static uint8_t *next_place(struct journal *j)
{
    return j->meta_buffer + META_FRAME_SIZE + j->meta_len;
}

/* The bytes of the frame around what was put. */
static size_t close_frame(struct journal *j)
{
    meta_put_frame(j->meta_buffer, j->meta_buffer + META_FRAME_SIZE, j->meta_len);
    return META_FRAME_SIZE + j->meta_len;
}

/* whole: it describes all there is, and counts. */
static size_t take_snapshot(struct journal *j, bool whole)
{
    uint8_t *pending = j->meta_buffer;
    size_t pending_len = j->meta_len;
    size_t len;

    memcpy(j->snapshot_buffer, meta_magic, META_MAGIC_SIZE);
    j->meta_buffer = j->snapshot_buffer + META_MAGIC_SIZE;
    j->meta_len = 0;
    if (j->v.snapshot != NULL)
        j->v.snapshot(j->v.ctx, j);
    if (whole)
        j->meta_len += meta_put(next_place(j), NULL, 0);
    len = META_MAGIC_SIZE + close_frame(j);
    j->meta_buffer = pending;
    j->meta_len = pending_len;
    return len;
}

/* A next generation that failed may be whole on the disk all the same, and would be taken at the
 * next start for newer than what this one says by then.  Its removal alone may go with the power.
 */
static int discard_next(struct journal *j)
{
    const struct disk *d = j->disk;
    char name[DISK_NAME_MAX];
    int handle, rc;

    meta_name(name, j->generation + 1);
    handle = d->open(d->ctx, name, false);
    if (handle < 0)
        return handle == -ENOENT ? 0 : handle;
    rc = d->truncate(d->ctx, handle, 0);
    if (rc == 0)
        rc = d->sync(d->ctx, handle);
    d->close(d->ctx, handle);
    if (rc == 0)
        d->remove(d->ctx, name);
    return rc;
}

/* The new file is whole and on the disk before the old one goes. */
static int new_generation(struct journal *j, bool whole)
{
    const struct disk *d = j->disk;
    size_t len = take_snapshot(j, whole);
    char name[DISK_NAME_MAX];
    int handle, rc;

    meta_name(name, j->generation + 1);
    handle = d->open(d->ctx, name, true);
    if (handle < 0)
        return handle;
    rc = d->write(d->ctx, handle, j->snapshot_buffer, len, 0);
    if (rc == 0)
        rc = d->sync(d->ctx, handle);
    if (rc == 0)
        rc = d->sync_names(d->ctx);
    if (rc != 0) {
        d->close(d->ctx, handle);
        j->next_left = discard_next(j) != 0;
        return rc;
    }
    if (j->meta >= 0)
        d->close(d->ctx, j->meta);
    j->meta = handle;
    j->meta_size = len;
    j->generation++;
    j->begun = !whole;
    remove_others(j);
    return 0;
}

/* The newest that is whole; any: one that is damaged is better than none.  As above. */
static int use_newest(struct journal *j, struct generations found, bool any)
{
    while (found.count > 0) {
        size_t best = 0;
        int rc;

        for (size_t i = 1; i < found.count; i++)
            best = found.at[i] > found.at[best] ? i : best;
        rc = use_generation(j, found.at[best], any);
        if (rc != 0)
            return rc;
        if (j->generation < found.at[best])
            j->generation = found.at[best];
        found.at[best] = found.at[--found.count];
    }
    return 0;
}

/* A process that was killed had perhaps not synced it, nor its name: those before it go once it is
 * on the disk.  A later one that had failed, and was emptied, may be whole there: it has to be gone
 * before anything is committed, and is, as the start ends with the names (records_sync_found()). */
static int settle_found(struct journal *j)
{
    const struct disk *d = j->disk;
    int rc = d->sync(d->ctx, j->meta);

    if (rc == 0)
        rc = d->sync_names(d->ctx);
    if (rc == 0)
        remove_others(j);
    return rc;
}

int meta_open(struct journal *j)
{
    struct generations found = {.count = 0};
    int rc = j->disk->list(j->disk->ctx, found_name, &found);

    if (rc == 0)
        rc = use_newest(j, found, false);
    if (rc == 0)
        rc = use_newest(j, found, true);
    if (rc != 0)
        return rc < 0 ? rc : settle_found(j);
    /* None, or none that is whole.  What records there are is not known yet: until the first commit
     * says it, a death in between has to find the marks gone again. */
    j->marks_lost = true;
    j->renew = j->v.snapshot != NULL;
    return new_generation(j, !j->renew);
}

void journal_meta(struct journal *j, const uint8_t *at, size_t len)
{
    if (j->meta_len + META_HEADER_SIZE + len > META_BUFFER_MAX || len == 0 || len > META_ENTRY_MAX)
        abort(); /* The caller's bound, not the world's. */
    j->meta_len += meta_put(next_place(j), at, len);
}

/* What a failed write left, and could not take back then, must not count behind what comes now. */
static int take_back(struct journal *j)
{
    int rc = 0;

    if (j->tail_left)
        rc = j->disk->truncate(j->disk->ctx, j->meta, j->meta_size);
    j->tail_left = rc != 0;
    if (rc == 0 && j->next_left)
        rc = discard_next(j);
    j->next_left = j->next_left && rc != 0;
    return rc;
}

/* Where there is no room for a next log this one goes on, unless it does not count itself. */
static int next_generation(struct journal *j)
{
    int rc;

    if ((j->meta_size <= j->o.log_bytes && !j->renew) || j->v.snapshot == NULL)
        return 0;
    rc = new_generation(j, true);
    j->renew = rc != 0;
    return j->begun ? rc : 0;
}

int meta_commit(struct journal *j, bool sync)
{
    const struct disk *d = j->disk;
    int rc = j->meta_len > 0 ? take_back(j) : 0;
    uint64_t before = j->meta_size;
    size_t len;

    if (rc != 0 || j->meta_len == 0)
        return rc;
    len = close_frame(j);
    rc = d->write(d->ctx, j->meta, j->meta_buffer, len, before);
    if (rc == 0 && sync)
        rc = d->sync(d->ctx, j->meta);
    if (rc == 0) {
        j->meta_size += len;
        rc = next_generation(j);
    }
    if (rc == 0)
        return 0;
    j->meta_size = before;
    j->tail_left = d->truncate(d->ctx, j->meta, before) != 0;
    return rc;
}
