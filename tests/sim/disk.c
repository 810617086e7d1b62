/* A disk that tears, loses, misplaces and rots. */
#include "sim.h"

#include <inttypes.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { SECTOR = 512, WRITTEN_BACK_AT = 4096 };

static struct sim_file *find(struct sim_disk *d, const char *name)
{
    for (size_t i = 0; i < SIM_FILES; i++) {
        if (d->file[i].exists && strcmp(d->file[i].name, name) == 0)
            return &d->file[i];
    }
    return NULL;
}

/* Room; what lies above the length is not cleared. */
static int reserve(struct sim_file *f, size_t len)
{
    if (len > f->cap) {
        size_t cap = f->cap == 0 ? 65536 : f->cap;
        uint8_t *data;

        while (cap < len)
            cap *= 2;
        data = realloc(f->data, cap);
        if (data == NULL)
            return -ENOMEM;
        f->data = data;
        f->cap = cap;
    }
    return 0;
}

/* Zeroes up to there, where it is shorter. */
static int grow(struct sim_file *f, size_t len)
{
    if (reserve(f, len) != 0)
        return -ENOMEM;
    if (len > f->len)
        memset(f->data + f->len, 0, len - f->len);
    return 0;
}

static struct undo *log_undo(struct sim_disk *d, enum undo_kind kind, const struct sim_file *f)
{
    struct undo *u;

    if (d->undo_count == d->undo_cap) {
        size_t cap = d->undo_cap == 0 ? 1024 : 2 * d->undo_cap;
        struct undo *more = realloc(d->undo, cap * sizeof(*more));

        if (more == NULL)
            abort();
        d->undo = more;
        d->undo_cap = cap;
    }
    u = &d->undo[d->undo_count++];
    *u = (struct undo){.kind = (uint8_t)kind, .file = (uint16_t)(f - d->file)};
    return u;
}

static void save_bytes(struct sim_disk *d, struct undo *u, const struct sim_file *f, size_t len)
{
    size_t have = u->offset < f->len ? f->len - u->offset : 0;

    have = have < len ? have : len;
    if (d->saved_len + have > d->saved_cap) {
        size_t cap = d->saved_cap == 0 ? 1 << 16 : d->saved_cap;
        uint8_t *more;

        while (cap < d->saved_len + have)
            cap *= 2;
        more = realloc(d->saved, cap);
        if (more == NULL)
            abort();
        d->saved = more;
        d->saved_cap = cap;
    }
    u->at = (uint32_t)d->saved_len;
    u->len = (uint32_t)have;
    u->old_len = f->len;
    if (have > 0)
        memcpy(d->saved + d->saved_len, f->data + u->offset, have);
    d->saved_len += have;
}

/* The page cache is written back now and then. */
void sim_disk_written_back(struct sim_disk *d)
{
    if (d->syncs != SYNCS)
        return;
    for (size_t i = 0; i < SIM_FILES; i++)
        d->file[i].kept = false;
    d->undo_count = 0;
    d->saved_len = 0;
}

/* ---- what the journal calls ---- */

static int disk_open(void *ctx, const char *name, bool create)
{
    struct sim_disk *d = ctx;
    struct sim_file *f = find(d, name);
    struct undo *u;

    if (create)
        d->effect(d->ctx);
    if (f == NULL && !create)
        return -ENOENT;
    if (f != NULL && create) {
        u = log_undo(d, UNDO_LENGTH, f);
        u->offset = 0;
        save_bytes(d, u, f, f->len);
        f->len = 0;
    }
    for (size_t i = 0; f == NULL; i++) {
        if (i == SIM_FILES || d->full)
            return -ENOSPC;
        if (d->file[i].exists || d->file[i].kept)
            continue;
        f = &d->file[i];
        f->exists = true;
        f->len = 0;
        memcpy(f->name, name, strlen(name) + 1);
        log_undo(d, UNDO_CREATE, f);
    }
    return (int)(f - d->file);
}

static void disk_close(void *ctx, int handle)
{
    (void)ctx, (void)handle;
}

static long disk_read(void *ctx, int handle, void *out, size_t len, uint64_t offset)
{
    const struct sim_file *f = &((struct sim_disk *)ctx)->file[handle];

    if (offset >= f->len)
        return 0;
    len = len < f->len - offset ? len : f->len - offset;
    memcpy(out, f->data + offset, len);
    return (long)len;
}

static void put(struct sim_disk *d, struct sim_file *f, const void *at, size_t len, uint64_t offset)
{
    struct undo *u = log_undo(d, UNDO_WRITE, f);

    u->offset = offset;
    save_bytes(d, u, f, len);
    if (grow(f, offset) != 0 || reserve(f, offset + len) != 0)
        abort();
    if (len > 0) /* Else there may be no buffer yet. */
        memcpy(f->data + offset, at, len);
    if (offset + len > f->len)
        f->len = offset + len;
}

static bool goes_elsewhere(const struct sim_disk *d, const struct sim_file *f, uint64_t offset)
{
    if (f->name[0] != 'r' || offset < JOURNAL_HEADER_SIZE)
        return false;
    return d->writes == d->misdirect_at || (d->misdirects && offset > JOURNAL_HEADER_SIZE);
}

static int disk_write(void *ctx, int handle, const void *at, size_t len, uint64_t offset)
{
    struct sim_disk *d = ctx;
    struct sim_file *f = &d->file[handle];
    size_t part = rng_below(&d->rng, (uint32_t)len + 1);

    if (d->full && offset + len > f->len) {
        if (offset <= f->len && part > 0)
            put(d, f, at, part, offset);
        return -ENOSPC;
    }
    d->writes++;
    if (goes_elsewhere(d, f, offset)) {
        uint64_t below = offset - JOURNAL_HEADER_SIZE;
        uint64_t elsewhere =
            JOURNAL_HEADER_SIZE + rng_below(&d->rng, (uint32_t)below + !d->misdirects);

        put(d, f, at, len, elsewhere);
        d->misdirects = false;
        *d->lied_ns = *d->now;
        return 0;
    }
    put(d, f, at, part, offset); /* The process may die with a part of it written. */
    d->effect(d->ctx);
    put(d, f, (const uint8_t *)at + part, len - part, offset + part);
    return 0;
}

static int64_t disk_size(void *ctx, int handle)
{
    return (int64_t)((struct sim_disk *)ctx)->file[handle].len;
}

static int disk_truncate(void *ctx, int handle, uint64_t len)
{
    struct sim_disk *d = ctx;
    struct sim_file *f = &d->file[handle];
    struct undo *u = log_undo(d, UNDO_LENGTH, f);

    u->offset = len;
    save_bytes(d, u, f, len < f->len ? f->len - len : 0);
    if (grow(f, len) != 0)
        abort();
    f->len = len;
    return 0;
}

static void disk_reserve(void *ctx, int handle, uint64_t len)
{
    (void)ctx, (void)handle, (void)len;
}

static int disk_sync(void *ctx, int handle)
{
    struct sim_disk *d = ctx;
    size_t out = 0;

    d->effect(d->ctx);
    if (d->syncs == SYNCS_NOTHING || (d->syncs == SYNCS_MARKS && d->file[handle].name[0] == 'r'))
        return -EIO;
    for (size_t i = 0; i < d->undo_count; i++) {
        struct undo *u = &d->undo[i];

        if (u->file == handle && (u->kind == UNDO_WRITE || u->kind == UNDO_LENGTH))
            continue;
        d->undo[out++] = *u;
    }
    d->undo_count = out;
    if (out == 0)
        d->saved_len = 0;
    return 0;
}

/* Its place is free for another file, which its bytes are not of. */
static void forget_writes(struct sim_disk *d, size_t removal)
{
    for (size_t i = 0; i < removal; i++)
        d->undo[i].gone |= d->undo[i].file == d->undo[removal].file;
}

static int disk_sync_names(void *ctx)
{
    struct sim_disk *d = ctx;
    size_t out = 0;

    d->effect(d->ctx);
    if (d->syncs == SYNCS_NOTHING)
        return -EIO;
    for (size_t i = 0; i < d->undo_count; i++) {
        struct undo *u = &d->undo[i];

        if (u->kind == UNDO_REMOVE) {
            d->file[u->file].kept = false;
            forget_writes(d, i);
        }
        if (u->kind == UNDO_WRITE || u->kind == UNDO_LENGTH)
            d->undo[out++] = *u;
    }
    d->undo_count = out;
    return 0;
}

static int disk_remove(void *ctx, const char *name)
{
    struct sim_disk *d = ctx;
    struct sim_file *f = find(d, name);

    if (f == NULL)
        return -ENOENT;
    d->effect(d->ctx);
    log_undo(d, UNDO_REMOVE, f);
    f->exists = false;
    f->kept = true;
    return 0;
}

static int disk_rename(void *ctx, const char *from, const char *to)
{
    struct sim_disk *d = ctx;
    struct sim_file *f = find(d, from), *old = find(d, to);
    struct undo *u;

    if (f == NULL)
        return -ENOENT;
    d->effect(d->ctx);
    if (old != NULL && old != f) {
        log_undo(d, UNDO_REMOVE, old);
        old->exists = false;
        old->kept = true;
    }
    u = log_undo(d, UNDO_RENAME, f);
    memcpy(u->name, f->name, DISK_NAME_MAX);
    memcpy(f->name, to, strlen(to) + 1);
    return 0;
}

static int disk_list(void *ctx, void (*each)(void *arg, const char *name), void *arg)
{
    struct sim_disk *d = ctx;

    for (size_t i = 0; i < SIM_FILES; i++) {
        if (d->file[i].exists)
            each(arg, d->file[i].name);
    }
    return 0;
}

/* ---- faults ---- */

static void take_back(struct sim_disk *d, const struct undo *u)
{
    struct sim_file *f = &d->file[u->file];

    if (u->gone)
        return;
    switch (u->kind) {
    case UNDO_WRITE:
    case UNDO_LENGTH:
        if (grow(f, u->offset + u->len > u->old_len ? u->offset + u->len : u->old_len) != 0)
            abort();
        if (u->len > 0)
            memcpy(f->data + u->offset, d->saved + u->at, u->len);
        f->len = u->old_len;
        break;
    case UNDO_CREATE:
        f->exists = false;
        break;
    case UNDO_REMOVE:
        if (f->kept && find(d, f->name) == NULL)
            f->exists = true;
        f->kept = false;
        break;
    case UNDO_RENAME:
        memcpy(f->name, u->name, DISK_NAME_MAX);
        break;
    default:
        break;
    }
}

/* Some of a write's sectors are there, some are not. */
static void tear(struct sim_disk *d, struct undo *u)
{
    struct undo part = *u;

    for (uint32_t done = 0; done < u->len;) {
        uint32_t n = SECTOR - (uint32_t)((u->offset + done) % SECTOR);

        n = n < u->len - done ? n : u->len - done;
        if (rng_chance(&d->rng, 500)) {
            part.offset = u->offset + done;
            part.at = u->at + done;
            part.len = n;
            part.old_len = d->file[u->file].len;
            take_back(d, &part);
        }
        done += n;
    }
}

void sim_disk_power_cut(struct sim_disk *d)
{
    bool all = rng_chance(&d->rng, 300);
    size_t names_kept = rng_below(&d->rng, (uint32_t)d->undo_count + 1);

    for (size_t i = d->undo_count; i-- > 0;) {
        struct undo *u = &d->undo[i];
        bool name = u->kind != UNDO_WRITE && u->kind != UNDO_LENGTH;

        if (all ||
            (name && i >= names_kept)) /* Names go in order, as in a file system's journal. */
            take_back(d, u);
        else if (!name && rng_chance(&d->rng, 300))
            take_back(d, u);
        else if (u->kind == UNDO_WRITE && rng_chance(&d->rng, 200))
            tear(d, u);
    }
    sim_disk_written_back(d);
}

void sim_disk_wipe(struct sim_disk *d)
{
    for (size_t i = 0; i < SIM_FILES; i++)
        d->file[i].exists = d->file[i].kept = false;
    d->undo_count = 0;
    d->saved_len = 0;
}

void sim_disk_lose_marks(struct sim_disk *d)
{
    for (size_t i = 0; i < SIM_FILES; i++) {
        if (strncmp(d->file[i].name, "meta-", 5) == 0)
            d->file[i].exists = d->file[i].kept = false;
    }
    d->undo_count = 0;
    d->saved_len = 0;
}

bool sim_disk_lose_segment(struct sim_disk *d, uint8_t origin, uint32_t epoch)
{
    char name[DISK_NAME_MAX];
    bool any = false;

    snprintf(name, sizeof(name), "r-%u-%08" PRIx32 "-", origin, epoch);
    for (size_t i = 0; i < SIM_FILES; i++) {
        struct sim_file *f = &d->file[i];

        if (!f->exists || strncmp(f->name, name, strlen(name)) != 0)
            continue;
        f->exists = f->kept = false;
        any = true;
    }
    d->undo_count = 0;
    d->saved_len = 0;
    return any;
}

bool sim_disk_rot(struct sim_disk *d)
{
    size_t at = rng_below(&d->rng, SIM_FILES);

    for (size_t i = 0; i < SIM_FILES; i++) {
        struct sim_file *f = &d->file[(at + i) % SIM_FILES];
        size_t slots = f->exists && f->name[0] == 'r' && f->len > JOURNAL_HEADER_SIZE
                           ? (f->len - JOURNAL_HEADER_SIZE) / JOURNAL_SLOT_SIZE
                           : 0;

        if (slots < 8) /* Cold: not the end of it. */
            continue;
        slots = rng_below(&d->rng, (uint32_t)slots - 4) * JOURNAL_SLOT_SIZE +
                rng_below(&d->rng, JOURNAL_SLOT_SIZE - 4);
        f->data[JOURNAL_HEADER_SIZE + slots] ^= (uint8_t)(1u << rng_below(&d->rng, 8));
        return true;
    }
    return false;
}

void sim_disk_init(struct sim_disk *d, uint64_t seed, const uint64_t *now, uint64_t *lied_ns)
{
    d->rng.state = seed;
    d->full = false;
    d->syncs = SYNCS;
    d->writes = d->misdirect_at = 0;
    d->misdirects = false;
    d->now = now;
    d->lied_ns = lied_ns;
    sim_disk_wipe(d);
    d->disk = (struct disk){
        .ctx = d,
        .open = disk_open,
        .close = disk_close,
        .read = disk_read,
        .write = disk_write,
        .size = disk_size,
        .truncate = disk_truncate,
        .reserve = disk_reserve,
        .sync = disk_sync,
        .sync_names = disk_sync_names,
        .remove = disk_remove,
        .rename = disk_rename,
        .list = disk_list,
    };
}

void sim_disk_free(struct sim_disk *d)
{
    for (size_t i = 0; i < SIM_FILES; i++)
        free(d->file[i].data);
    free(d->undo);
    free(d->saved);
}
