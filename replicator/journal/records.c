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

static void remove_chunk(struct journal *j, size_t i)
{
    char name[DISK_NAME_MAX];

    chunk_name(name, &j->chunk[i]);
    if (j->chunk[i].handle >= 0)
        j->disk->close(j->disk->ctx, j->chunk[i].handle);
    j->disk->remove(j->disk->ctx, name);
    memmove(&j->chunk[i], &j->chunk[i + 1], (j->chunk_count - i - 1) * sizeof(j->chunk[0]));
    j->chunk_count--;
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

/* Opened when it is needed; a negative errno when it cannot be. */
static int chunk_handle(struct journal *j, struct chunk *c)
{
    char name[DISK_NAME_MAX];
    int handle;

    if (c->handle >= 0)
        return c->handle;
    chunk_name(name, c);
    handle = j->disk->open(j->disk->ctx, name, false);
    if (handle >= 0)
        c->handle = handle;
    return handle;
}

/* ---- start ---- */

/* Up to the last record that is whole.  Torn ones behind it never counted; damaged ones before it
 * are found when they are read.  The header is version.c's. */
static uint32_t count_records(struct journal *j, struct chunk *c)
{
    int handle = chunk_handle(j, c);
    uint32_t at = 0, n = 0;

    for (long got = 1; handle >= 0 && got > 0;) {
        got = j->disk->read(j->disk->ctx, handle, j->slots, 512 * JOURNAL_SLOT_SIZE,
                            slot_offset(c, c->first + at));
        for (uint32_t i = 0; i < (uint32_t)(got > 0 ? got / JOURNAL_SLOT_SIZE : 0); i++) {
            at++;
            if (journal_check_slot(j->slots + (size_t)i * JOURNAL_SLOT_SIZE, c->origin, c->epoch,
                                   c->first + at - 1) == 0)
                n = at;
        }
        if (got < 512 * JOURNAL_SLOT_SIZE)
            break;
    }
    return n < JOURNAL_CHUNK_RECORDS ? n : JOURNAL_CHUNK_RECORDS;
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

/* A chunk that does not follow the one before it, or is empty, holds nothing that counts. */
static void check_chunks(struct journal *j)
{
    for (size_t i = 0; i < j->chunk_count;) {
        struct chunk *c = &j->chunk[i];
        bool follows = i == 0 || !same_segment(c - 1, c) || c->first == chunk_end(c - 1);
        bool more = i + 1 < j->chunk_count && same_segment(c, c + 1);

        c->count = follows && more ? (c + 1)->first - c->first : 0;
        if (follows && (!more || c->count > JOURNAL_CHUNK_RECORDS))
            c->count = count_records(j, c);
        if (c->count == 0) {
            remove_chunk(j, i);
            continue;
        }
        i++;
    }
}

static void found_name(void *arg, const char *name)
{
    struct journal *j = arg;
    struct chunk c;

    if (records_parse_name(name, &c))
        add_chunk(j, &c);
}

int records_scan(struct journal *j)
{
    int rc = j->disk->list(j->disk->ctx, found_name, j);

    if (rc != 0)
        return rc;
    check_chunks(j);
    for (size_t i = 0; i < j->chunk_count;) {
        size_t k = i + 1;

        while (k < j->chunk_count && same_segment(&j->chunk[i], &j->chunk[k]))
            k++;
        report_segment(j, i, k);
        i = k;
    }
    return 0;
}

/* No commit is longer than a chunk: a process that was killed in one left no more than the last two
 * of a segment to sync. */
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

static int write_slots(struct journal *j, struct chunk *c, uint32_t from, const uint8_t *records,
                       size_t count)
{
    int rc;

    for (size_t i = 0; i < count; i++)
        journal_put_slot(j->slots + i * JOURNAL_SLOT_SIZE, c->origin, c->epoch,
                         records + i * RECORD_SIZE);
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
        if (c->count == 0)
            remove_chunk(j, i);
        else if (c->handle >= 0) /* If it fails: the next write covers it, and its CRC tells. */
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
            (below == SEQUENCE_MAX || (chunk_end(c) <= below && c->count == JOURNAL_CHUNK_RECORDS)))
            remove_chunk(j, i);
    }
}

void journal_trim(struct journal *j, uint32_t (*needed)(void *ctx, uint8_t origin, uint32_t epoch),
                  void *ctx)
{
    for (size_t i = 0; i < j->chunk_count;) {
        struct chunk first = j->chunk[i];
        uint32_t below = needed(ctx, first.origin, first.epoch);

        while (i < j->chunk_count && same_segment(&first, &j->chunk[i])) {
            struct chunk *c = &j->chunk[i];

            if (chunk_end(c) <= below && c->count == JOURNAL_CHUNK_RECORDS)
                remove_chunk(j, i);
            else
                i++;
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
