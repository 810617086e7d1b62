/* Records files: a record's place follows from its position. */
#include "internal.h"

#include "bytes.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void chunk_name(char out[DISK_NAME_MAX], const struct chunk *c)
{
    snprintf(out, DISK_NAME_MAX, "r-%u-%08" PRIx32 "-%08" PRIx32, c->origin, c->epoch, c->first);
}

static uint64_t slot_offset(const struct chunk *c, uint32_t sequence)
{
    return JOURNAL_HEADER_SIZE + (uint64_t)(sequence - c->first) * JOURNAL_SLOT_SIZE;
}

static uint32_t chunk_end(const struct chunk *c)
{
    return c->first + c->count + c->pending;
}

static bool is_before(const struct chunk *a, const struct chunk *b)
{
    if (a->origin != b->origin)
        return a->origin < b->origin;
    if (a->epoch != b->epoch)
        return a->epoch < b->epoch;
    return a->first < b->first;
}

static struct chunk *add_chunk(struct journal *j, const struct chunk *c)
{
    size_t at = j->chunk_count;

    if (j->chunk_count == CHUNKS_MAX)
        return NULL;
    while (at > 0 && is_before(c, &j->chunk[at - 1])) {
        j->chunk[at] = j->chunk[at - 1];
        at--;
    }
    j->chunk[at] = *c;
    j->chunk_count++;
    return &j->chunk[at];
}

static void forget_chunk(struct journal *j, size_t i)
{
    if (j->chunk[i].handle >= 0)
        j->disk->close(j->disk->ctx, j->chunk[i].handle);
    memmove(&j->chunk[i], &j->chunk[i + 1], (j->chunk_count - i - 1) * sizeof(j->chunk[0]));
    j->chunk_count--;
}

static int remove_file(struct journal *j, const struct chunk *c)
{
    char name[DISK_NAME_MAX];
    int rc;

    chunk_name(name, c);
    rc = j->disk->remove(j->disk->ctx, name);
    return rc == -ENOENT ? 0 : rc;
}

/* What cannot be removed stays known: the next start would find it, and what is behind it then does
 * not follow. */
static int remove_chunk(struct journal *j, size_t i)
{
    int rc = remove_file(j, &j->chunk[i]);

    if (rc == 0)
        forget_chunk(j, i);
    return rc;
}

/* The chunk that holds a sequence, or the last of the segment when `last` is set. */
static struct chunk *find_chunk(struct journal *j, uint8_t origin, uint32_t epoch,
                                uint32_t sequence, bool last)
{
    struct chunk *found = NULL;

    for (size_t i = 0; i < j->chunk_count; i++) {
        struct chunk *c = &j->chunk[i];

        if (c->origin != origin || c->epoch != epoch)
            continue;
        if (last || (sequence >= c->first && sequence < chunk_end(c)))
            found = c;
    }
    return found;
}

/* There can be more files than a process may have open. */
static void close_some(struct journal *j)
{
    size_t open = 0;

    for (size_t i = 0; i < j->chunk_count; i++)
        open += j->chunk[i].handle >= 0;
    for (size_t i = 0; open >= HANDLES_MAX && i < j->chunk_count; i++) {
        struct chunk *c = &j->chunk[i];

        if (c->handle < 0 || c->touched)
            continue;
        j->disk->close(j->disk->ctx, c->handle);
        c->handle = -1;
    }
}

/* Opened when it is needed; a negative errno when it cannot be. */
static int chunk_handle(struct journal *j, struct chunk *c)
{
    char name[DISK_NAME_MAX];
    int handle;

    if (c->handle >= 0)
        return c->handle;
    close_some(j);
    chunk_name(name, c);
    handle = j->disk->open(j->disk->ctx, name, false);
    if (handle >= 0)
        c->handle = handle;
    return handle;
}

/* ---- start ---- */

enum { BATCH = 512, BATCH_SIZE = BATCH * JOURNAL_SLOT_SIZE }; /* Read at a time. */
_Static_assert(JOURNAL_CHUNK_RECORDS % BATCH == 0, "the last read ends with the file");

/* Of slot i, that is whole.  A batch begins once the one before it is on the disk: below the one
 * that began last (*batch) a hole is damage of what counted; within it, it is where that ends. */
static void count_slot(const struct journal *j, struct chunk *c, uint32_t i, const uint8_t *slot,
                       uint32_t *batch)
{
    uint32_t own = c->first + i, first = c->origin == j->o.node ? own : journal_slot_batch(slot);

    if (first == own || c->count == i)
        c->count = i + 1;
    else if (first > c->first + c->count)
        c->count = first - c->first;
    *batch = first > *batch ? first : *batch;
}

/* Torn records behind the last that counts never did; damaged ones before it, and what cannot be
 * read there, are found when they are read.  The header is version.c's.  *batch: the first sequence
 * of the last batch, perhaps in the file before.
 * A negative errno: the end of it cannot be read, and is not taken for torn. */
static int count_records(struct journal *j, struct chunk *c, uint32_t *batch)
{
    int handle = chunk_handle(j, c), error = 0;
    uint32_t at = 0;

    c->count = *batch = 0;
    if (handle < 0)
        return handle;
    for (long got = BATCH_SIZE; got == BATCH_SIZE && at < JOURNAL_CHUNK_RECORDS; at += BATCH) {
        got = j->disk->read(j->disk->ctx, handle, j->slots, BATCH_SIZE,
                            slot_offset(c, c->first + at));
        error = got < 0 ? (int)got : error;
        for (uint32_t i = 0; i < (uint32_t)(got > 0 ? got / JOURNAL_SLOT_SIZE : 0); i++) {
            const uint8_t *slot = j->slots + (size_t)i * JOURNAL_SLOT_SIZE;

            if (journal_check_slot(slot, c->origin, c->epoch, c->first + at + i) != 0)
                continue;
            count_slot(j, c, at + i, slot, batch);
            error = 0;
        }
        if (got < 0 && c->count == at) /* No hole: perhaps more of it is behind. */
            c->count = at + BATCH;
        got = got < 0 ? BATCH_SIZE : got;
    }
    return error;
}

bool records_parse_name(const char *name, struct chunk *c)
{
    unsigned origin;
    char again[DISK_NAME_MAX];

    *c = (struct chunk){.handle = -1};
    if (sscanf(name, "r-%u-%8" SCNx32 "-%8" SCNx32, &origin, &c->epoch, &c->first) != 3)
        return false;
    c->origin = (uint8_t)origin;
    chunk_name(again, c);
    return origin < NODE_COUNT && c->first != 0 && strcmp(name, again) == 0;
}

static void report_segment(struct journal *j, size_t from, size_t to)
{
    const struct chunk *first = &j->chunk[from], *last = &j->chunk[to - 1];

    j->v.on_segment(j->v.ctx, first->origin, first->epoch, first->first, chunk_end(last) - 1);
}

static bool same_segment(const struct chunk *a, const struct chunk *b)
{
    return a->origin == b->origin && a->epoch == b->epoch;
}

/* A name that is free, for a file that is kept and not used. */
static int aside_name(struct journal *j, const struct chunk *c, char out[DISK_NAME_MAX])
{
    for (unsigned n = 1; n <= ASIDE_MAX; n++) {
        int handle;

        snprintf(out, DISK_NAME_MAX, "aside-%u-%08" PRIx32 "-%08" PRIx32 "-%u", c->origin, c->epoch,
                 c->first, n);
        handle = j->disk->open(j->disk->ctx, out, false);
        if (handle == -ENOENT)
            return 0;
        if (handle >= 0)
            j->disk->close(j->disk->ctx, handle);
    }
    return -EEXIST;
}

static int set_aside(struct journal *j, size_t i)
{
    char name[DISK_NAME_MAX], aside[DISK_NAME_MAX];
    int rc = aside_name(j, &j->chunk[i], aside);

    chunk_name(name, &j->chunk[i]);
    if (rc == 0)
        rc = j->disk->rename(j->disk->ctx, name, aside);
    if (rc != 0) {
        chunk_name(j->failed, &j->chunk[i]);
        return rc;
    }
    j->names_touched = true;
    j->aside++;
    forget_chunk(j, i);
    return 0;
}

/* The core knows segments without holes, and the peer may have all of it: what is behind a hole may
 * come again, so its place has to be free; and it may be all that is left of it. */
static int set_rest_aside(struct journal *j, size_t i)
{
    const struct chunk before = j->chunk[i - 1];
    struct journal_hole hole = {.origin = before.origin,
                                .epoch = before.epoch,
                                .from = chunk_end(&before),
                                .to = j->chunk[i].first - 1};

    while (i < j->chunk_count && same_segment(&before, &j->chunk[i])) {
        int rc = set_aside(j, i);

        if (rc != 0)
            return rc;
        hole.files++;
    }
    if (j->v.on_hole != NULL)
        j->v.on_hole(j->v.ctx, &hole);
    return 0;
}

/* A batch that begins in the file before counts here only where it is whole there. */
static void check_batch(struct journal *j, struct chunk *c, uint32_t batch)
{
    struct chunk *before = c - 1;
    uint32_t full = before->count;

    if (batch >= c->first)
        return;
    if (count_records(j, before, &batch) == 0 && before->count < full)
        c->count = 0;
    before->count = full;
}

/* Files follow each other and are full, but for the last one of a segment. */
static int check_chunk(struct journal *j, size_t i)
{
    struct chunk *c = &j->chunk[i];
    bool more = i + 1 < j->chunk_count && same_segment(c, c + 1);
    uint32_t batch = 0;
    int rc = 0;

    c->count = more ? (c + 1)->first - c->first : 0;
    if (!more || c->count > JOURNAL_CHUNK_RECORDS)
        rc = count_records(j, c, &batch);
    if (rc == 0 && !more && c->count > 0 && i > 0 && same_segment(c - 1, c))
        check_batch(j, c, batch);
    if (rc != 0)
        chunk_name(j->failed, c);
    return rc;
}

static int check_chunks(struct journal *j)
{
    for (size_t i = 0; i < j->chunk_count;) {
        bool later = i > 0 && same_segment(&j->chunk[i - 1], &j->chunk[i]);
        int rc;

        if (later && j->chunk[i].first != chunk_end(&j->chunk[i - 1])) {
            rc = set_rest_aside(j, i);
            if (rc != 0)
                return rc;
            continue;
        }
        rc = check_chunk(j, i);
        if (rc != 0)
            return rc;
        if (j->chunk[i].count > 0) {
            i++;
            continue;
        }
        remove_file(j, &j->chunk[i]); /* No record of it is whole. */
        forget_chunk(j, i);
        i -= later; /* The last one now: how far is it whole? */
    }
    return 0;
}

static void found_name(void *arg, const char *name)
{
    struct journal *j = arg;
    struct chunk c;

    j->aside += strncmp(name, "aside-", 6) == 0;
    if (records_parse_name(name, &c) && add_chunk(j, &c) == NULL)
        j->too_many = true;
}

int records_scan(struct journal *j)
{
    int rc = j->disk->list(j->disk->ctx, found_name, j);

    if (rc == 0)
        rc = j->too_many ? -EMFILE : check_chunks(j);
    if (rc != 0)
        return rc;
    for (size_t i = 0; i < j->chunk_count;) {
        size_t k = i + 1;

        while (k < j->chunk_count && same_segment(&j->chunk[i], &j->chunk[k]))
            k++;
        report_segment(j, i, k);
        i = k;
    }
    return 0;
}

/* What was found counts as committed, and a process that was killed had perhaps not synced it. Some
 * records (a statement) outlive the power whatever the durability is.  No commit is longer than a
 * chunk: it left no more than the last two of a segment to sync. */
int records_sync_found(struct journal *j)
{
    for (size_t i = 0; i < j->chunk_count; i++) {
        int handle, rc;

        if (i + 2 < j->chunk_count && same_segment(&j->chunk[i], &j->chunk[i + 2]))
            continue;
        handle = chunk_handle(j, &j->chunk[i]);
        rc = handle < 0 ? handle : j->disk->sync(j->disk->ctx, handle);
        if (rc != 0)
            return rc;
    }
    return j->disk->sync_names(j->disk->ctx);
}

/* ---- append ---- */

static int new_chunk(struct journal *j, uint8_t origin, uint32_t epoch, uint32_t first,
                     struct chunk **out)
{
    const struct disk *d = j->disk;
    struct chunk c = {.origin = origin, .epoch = epoch, .first = first};
    uint8_t header[JOURNAL_HEADER_USED];
    char name[DISK_NAME_MAX];
    int rc;

    if (j->chunk_count == CHUNKS_MAX)
        return -EMFILE;
    close_some(j);
    chunk_name(name, &c);
    c.handle = d->open(d->ctx, name, true);
    if (c.handle < 0)
        return c.handle;
    journal_put_header(header, origin, epoch, first);
    rc = d->write(d->ctx, c.handle, header, sizeof(header), 0);
    if (rc != 0) {
        d->close(d->ctx, c.handle);
        d->remove(d->ctx, name);
        return rc;
    }
    if (j->o.sync)
        d->reserve(d->ctx, c.handle, 1 << 20);
    j->names_touched = true;
    *out = add_chunk(j, &c);
    return 0;
}

/* Of what is to be committed next; it may have begun in the file before. */
static uint32_t batch_first(const struct journal *j, const struct chunk *c)
{
    while (c->count == 0 && c > j->chunk && same_segment(c - 1, c))
        c--;
    return c->first + c->count;
}

static int write_slots(struct journal *j, struct chunk *c, uint32_t from, const uint8_t *records,
                       size_t count)
{
    uint32_t place = from - batch_first(j, c) + 1;
    int rc;

    for (size_t i = 0; i < count; i++)
        journal_put_slot(j->slots + i * JOURNAL_SLOT_SIZE, c->origin, c->epoch,
                         records + i * RECORD_SIZE, j->o.sync ? place + (uint32_t)i : 0);
    c->touched = true;
    rc = j->disk->write(j->disk->ctx, c->handle, j->slots, count * JOURNAL_SLOT_SIZE,
                        slot_offset(c, from));
    if (rc == 0)
        c->pending += (uint32_t)count;
    return rc;
}

static int append_some(struct journal *j, uint8_t origin, uint32_t epoch, uint32_t from,
                       const uint8_t *records, size_t *count)
{
    struct chunk *c = find_chunk(j, origin, epoch, 0, true);
    size_t room;
    int rc = 0;

    if (c != NULL && chunk_end(c) != from)
        return -EINVAL;
    if (c == NULL || c->count + c->pending >= JOURNAL_CHUNK_RECORDS)
        rc = new_chunk(j, origin, epoch, from, &c);
    if (rc == 0 && chunk_handle(j, c) < 0)
        rc = chunk_handle(j, c);
    if (rc != 0)
        return rc;
    room = JOURNAL_CHUNK_RECORDS - c->count - c->pending;
    *count = *count < 1024 ? *count : 1024;
    *count = *count < room ? *count : room;
    return write_slots(j, c, from, records, *count);
}

int journal_append(struct journal *j, uint8_t origin, uint32_t epoch, uint32_t from,
                   const uint8_t *records, size_t count)
{
    bool full = j->o.limit_bytes != 0 && journal_bytes(j) > j->o.limit_bytes;

    while (count > 0) {
        size_t n = count;
        int rc = full ? -E2BIG : append_some(j, origin, epoch, from, records, &n);

        if (rc != 0) {
            records_undo(j);
            j->meta_len = 0;
            return rc;
        }
        from += (uint32_t)n;
        records += n * RECORD_SIZE;
        count -= n;
    }
    return 0;
}

int records_sync(struct journal *j)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < j->chunk_count; i++) {
        if (j->chunk[i].touched)
            rc = j->disk->sync(j->disk->ctx, j->chunk[i].handle);
    }
    if (rc == 0 && j->names_touched)
        rc = j->disk->sync_names(j->disk->ctx);
    if (rc == 0)
        j->names_touched = false;
    return rc;
}

void records_count(struct journal *j)
{
    for (size_t i = 0; i < j->chunk_count; i++) {
        struct chunk *c = &j->chunk[i];

        if (!c->touched)
            continue;
        c->count += c->pending;
        c->pending = 0;
        c->touched = false;
    }
}

/* Back to what was committed last. */
void records_undo(struct journal *j)
{
    for (size_t i = j->chunk_count; i-- > 0;) {
        struct chunk *c = &j->chunk[i];

        if (!c->touched && c->count > 0)
            continue;
        c->pending = 0;
        c->touched = false;
        if (c->count == 0) {
            remove_file(j, c); /* If it fails: the next one of that name is emptied. */
            forget_chunk(j, i);
        } else if (c->handle >= 0) /* If it fails: the next write covers it, and its CRC tells. */
            j->disk->truncate(j->disk->ctx, c->handle, slot_offset(c, c->first + c->count));
    }
}

/* ---- read and forget ---- */

/* n slots from `sequence` on, as records; what is not intact is stated as lost. */
static void take_slots(struct journal *j, const struct chunk *c, uint32_t sequence, size_t n,
                       size_t whole, uint8_t *out)
{
    uint32_t damaged = 0;

    for (size_t i = 0; i < n; i++) {
        const uint8_t *slot = j->slots + i * JOURNAL_SLOT_SIZE;
        uint32_t q = sequence + (uint32_t)i;
        uint8_t *record = out + i * RECORD_SIZE;

        if (i < whole && journal_check_slot(slot, c->origin, c->epoch, q) == 0) {
            memcpy(record, slot, RECORD_SIZE);
            continue;
        }
        record_lost(c->origin, c->epoch, q, i > 0 ? get_le64(record - RECORD_SIZE + 8) : 0, record);
        damaged = damaged != 0 ? damaged : q;
    }
    if (damaged != 0 && j->v.on_damage != NULL)
        j->v.on_damage(j->v.ctx, c->origin, c->epoch, damaged, sequence + (uint32_t)n - 1);
}

size_t journal_read(struct journal *j, uint8_t origin, uint32_t epoch, uint32_t from, size_t max,
                    uint8_t *out, size_t size)
{
    size_t done = 0;

    if (max > size / RECORD_SIZE)
        max = size / RECORD_SIZE;
    while (done < max) {
        uint32_t sequence = from + (uint32_t)done;
        struct chunk *c = find_chunk(j, origin, epoch, sequence, false);
        size_t n = max - done < 512 ? max - done : 512;
        long got;

        if (c == NULL || chunk_handle(j, c) < 0)
            return done;
        if (n > chunk_end(c) - sequence)
            n = chunk_end(c) - sequence;
        got = j->disk->read(j->disk->ctx, c->handle, j->slots, n * JOURNAL_SLOT_SIZE,
                            slot_offset(c, sequence));
        if (got < 0)
            return done;
        take_slots(j, c, sequence, n, (size_t)got / JOURNAL_SLOT_SIZE, out + done * RECORD_SIZE);
        done += n;
    }
    return done;
}

void journal_drop(struct journal *j, uint8_t origin, uint32_t epoch, uint32_t below)
{
    for (size_t i = j->chunk_count; i-- > 0;) {
        struct chunk *c = &j->chunk[i];

        if (c->origin == origin && c->epoch == epoch &&
            (below == SEQUENCE_MAX ||
             (chunk_end(c) <= below && c->count == JOURNAL_CHUNK_RECORDS)) &&
            remove_chunk(j, i) != 0)
            return;
    }
}

void journal_trim(struct journal *j, uint32_t (*needed)(void *ctx, uint8_t origin, uint32_t epoch),
                  void *ctx)
{
    for (size_t i = 0; i < j->chunk_count;) {
        struct chunk first = j->chunk[i];
        uint32_t below = needed(ctx, first.origin, first.epoch);

        bool goes = true; /* From the first one on: none behind one that stays. */

        while (i < j->chunk_count && same_segment(&first, &j->chunk[i])) {
            struct chunk *c = &j->chunk[i];

            goes = goes && chunk_end(c) <= below && c->count == JOURNAL_CHUNK_RECORDS &&
                   remove_chunk(j, i) == 0;
            i += !goes;
        }
    }
}

uint32_t journal_first(struct journal *j, uint8_t origin, uint32_t epoch, uint32_t sequence)
{
    uint32_t first = 0;

    for (size_t i = 0; i < j->chunk_count; i++) {
        const struct chunk *c = &j->chunk[i];
        uint32_t from = c->first > sequence ? c->first : sequence;

        if (c->origin == origin && c->epoch == epoch && from < chunk_end(c) &&
            (first == 0 || from < first))
            first = from;
    }
    return first;
}

uint32_t journal_file_end(struct journal *j, uint8_t origin, uint32_t epoch, uint32_t sequence)
{
    const struct chunk *c = find_chunk(j, origin, epoch, sequence, false);

    return c != NULL ? chunk_end(c) - 1 : 0;
}

uint64_t journal_bytes(const struct journal *j)
{
    uint64_t bytes = 0;

    for (size_t i = 0; i < j->chunk_count; i++)
        bytes += JOURNAL_HEADER_SIZE + (uint64_t)j->chunk[i].count * JOURNAL_SLOT_SIZE;
    return bytes;
}

unsigned journal_aside_files(const struct journal *j)
{
    return j->aside;
}
