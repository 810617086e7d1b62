/* Records files: a record's place follows from its position. */
#include "internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void chunk_name(char out[64], const struct chunk *c)
{
    snprintf(out, 64, "r-%u-%08" PRIx32 "-%08" PRIx32, c->origin, c->epoch, c->first);
}

static off_t slot_offset(const struct chunk *c, uint32_t sequence)
{
    return JOURNAL_HEADER_SIZE + (off_t)(sequence - c->first) * JOURNAL_SLOT_SIZE;
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
    char name[64];

    chunk_name(name, &j->chunk[i]);
    if (j->chunk[i].fd >= 0)
        close(j->chunk[i].fd);
    unlinkat(j->dir, name, 0);
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

static int chunk_fd(struct journal *j, struct chunk *c)
{
    char name[64];

    if (c->fd >= 0)
        return c->fd;
    chunk_name(name, c);
    c->fd = openat(j->dir, name, O_RDWR | O_CLOEXEC);
    return c->fd;
}

/* ---- start ---- */

/* How many records from the first on are whole; only the tail can be torn, so it is looked for
 * last. */
static uint32_t count_intact(struct journal *j, struct chunk *c)
{
    uint8_t header[JOURNAL_HEADER_USED];
    uint32_t n = 0;
    int fd = chunk_fd(j, c);

    if (fd < 0 || pread(fd, header, sizeof(header), 0) != (ssize_t)sizeof(header) ||
        journal_check_header(header, c->origin, c->epoch, c->first) != 0)
        return 0;
    for (;;) {
        ssize_t got = pread(fd, j->slots, 512 * JOURNAL_SLOT_SIZE, slot_offset(c, c->first + n));
        uint32_t whole = got > 0 ? (uint32_t)(got / JOURNAL_SLOT_SIZE) : 0;

        for (uint32_t i = 0; i < whole; i++, n++) {
            if (journal_check_slot(j->slots + (size_t)i * JOURNAL_SLOT_SIZE, c->origin, c->epoch,
                                   c->first + n) != 0)
                return n;
        }
        if (whole < 512)
            return n;
    }
}

static bool parse_name(const char *name, struct chunk *c)
{
    unsigned origin;
    char again[64];

    *c = (struct chunk){.fd = -1};
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
            c->count = count_intact(j, c);
        if (c->count == 0) {
            remove_chunk(j, i);
            continue;
        }
        i++;
    }
}

int records_scan(struct journal *j)
{
    DIR *d = fdopendir(dup(j->dir));
    struct dirent *e;
    struct chunk c;

    if (d == NULL)
        return -errno;
    rewinddir(d);
    while ((e = readdir(d)) != NULL) {
        if (parse_name(e->d_name, &c) && add_chunk(j, &c) == NULL)
            break;
    }
    closedir(d);
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

/* ---- append ---- */

static struct chunk *new_chunk(struct journal *j, uint8_t origin, uint32_t epoch, uint32_t first)
{
    struct chunk c = {.origin = origin, .epoch = epoch, .first = first, .fd = -1};
    uint8_t header[JOURNAL_HEADER_USED];
    char name[64];

    chunk_name(name, &c);
    c.fd = openat(j->dir, name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (c.fd < 0)
        return NULL;
    journal_put_header(header, origin, epoch, first);
    if (pwrite(c.fd, header, sizeof(header), 0) != (ssize_t)sizeof(header)) {
        close(c.fd);
        return NULL;
    }
    if (j->o.sync && posix_fallocate(c.fd, 0, 1 << 20) != 0)
        errno = 0; /* Only a matter of speed. */
    j->dir_touched = true;
    return add_chunk(j, &c);
}

static int write_slots(struct journal *j, struct chunk *c, uint32_t from, const uint8_t *records,
                       size_t count)
{
    size_t bytes = count * JOURNAL_SLOT_SIZE;
    size_t done = 0;

    for (size_t i = 0; i < count; i++)
        journal_put_slot(j->slots + i * JOURNAL_SLOT_SIZE, c->origin, c->epoch,
                         records + i * RECORD_SIZE);
    while (done < bytes) {
        ssize_t n =
            pwrite(c->fd, j->slots + done, bytes - done, slot_offset(c, from) + (off_t)done);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -EIO;
        done += (size_t)n;
    }
    c->touched = true;
    c->pending += (uint32_t)count;
    return 0;
}

int journal_append(struct journal *j, uint8_t origin, uint32_t epoch, uint32_t from,
                   const uint8_t *records, size_t count)
{
    if (j->o.limit_bytes != 0 && journal_bytes(j) > j->o.limit_bytes)
        return -E2BIG;
    while (count > 0) {
        struct chunk *c = find_chunk(j, origin, epoch, 0, true);
        size_t n = count < 1024 ? count : 1024;
        int rc;

        if (c != NULL && chunk_end(c) != from)
            return -EINVAL;
        if (c == NULL || c->count + c->pending >= JOURNAL_CHUNK_RECORDS)
            c = new_chunk(j, origin, epoch, from);
        if (c == NULL || chunk_fd(j, c) < 0) {
            rc = errno != 0 ? -errno : -EMFILE;
            records_undo(j);
            return rc;
        }
        if (n > JOURNAL_CHUNK_RECORDS - c->count - c->pending)
            n = JOURNAL_CHUNK_RECORDS - c->count - c->pending;
        rc = write_slots(j, c, from, records, n);
        if (rc != 0) {
            records_undo(j);
            return rc;
        }
        from += (uint32_t)n;
        records += n * RECORD_SIZE;
        count -= n;
    }
    return 0;
}

int records_commit(struct journal *j)
{
    for (size_t i = 0; i < j->chunk_count; i++) {
        struct chunk *c = &j->chunk[i];

        if (!c->touched)
            continue;
        if (j->o.sync && fdatasync(c->fd) != 0)
            return -errno;
        c->count += c->pending;
        c->pending = 0;
        c->touched = false;
    }
    if (j->o.sync && j->dir_touched && fsync(j->dir) != 0)
        return -errno;
    j->dir_touched = false;
    return 0;
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
        else if (ftruncate(c->fd, slot_offset(c, c->first + c->count)) != 0)
            continue; /* The next write covers it, and its CRC tells. */
    }
}

/* ---- read and forget ---- */

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
        ssize_t got;

        if (c == NULL || chunk_fd(j, c) < 0)
            return done;
        if (n > chunk_end(c) - sequence)
            n = chunk_end(c) - sequence;
        got = pread(c->fd, j->slots, n * JOURNAL_SLOT_SIZE, slot_offset(c, sequence));
        if (got < (ssize_t)(n * JOURNAL_SLOT_SIZE))
            return done;
        for (size_t i = 0; i < n; i++, done++) {
            const uint8_t *slot = j->slots + i * JOURNAL_SLOT_SIZE;

            if (journal_check_slot(slot, origin, epoch, sequence + (uint32_t)i) != 0)
                return done;
            memcpy(out + done * RECORD_SIZE, slot, RECORD_SIZE);
        }
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

uint64_t journal_bytes(const struct journal *j)
{
    uint64_t bytes = 0;

    for (size_t i = 0; i < j->chunk_count; i++)
        bytes += JOURNAL_HEADER_SIZE + (uint64_t)j->chunk[i].count * JOURNAL_SLOT_SIZE;
    return bytes;
}
