/* Opening a ring: who makes it, and who is refused. */
#include "admit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

void evhooks_defaults(struct evhooks_options *o)
{
    *o = (struct evhooks_options){.rate_per_s = 1000, .burst = 1024};
}

const char *evhooks_name_wrong(const char *name)
{
    if (name[0] == '\0')
        return "is empty";
    if (strlen(name) >= EVHOOKS_NAME_MAX)
        return "is longer than 63 bytes";
    if (name[0] == '.')
        return "begins with a dot";
    return strchr(name, '/') != NULL ? "has a slash in it: it is a file of /dev/shm" : NULL;
}

static size_t ring_size(uint32_t slots)
{
    return sizeof(struct ring_header) + (size_t)slots * sizeof(struct ring_slot);
}

static bool slots_fit(uint32_t n)
{
    return n >= 64 && n <= 1048576 && (n & (n - 1)) == 0;
}

static int fail(int code, char *err, size_t size, const char *name, const char *format, ...)
{
    int n = snprintf(err, size, "ring %s: ", name);
    va_list ap;

    va_start(ap, format);
    if (n > 0 && (size_t)n < size)
        vsnprintf(err + n, size - (size_t)n, format, ap);
    va_end(ap);
    return code;
}

static void initialise(struct evhooks_ring *r, const struct evhooks_options *o, uint32_t slots)
{
    struct ring_header *h = r->h;

    h->version = RING_VERSION;
    h->slots = slots;
    h->node = o->node;
    h->cap_kind = o->cap_kind != 0 ? o->cap_kind : slots / 3;
    h->cap_telemetry = o->cap_telemetry != 0 ? o->cap_telemetry : slots / 2;
    atomic_store(&h->read, slots); /* Above 2, so that no base is negative. */
    for (uint64_t i = 0; i < slots; i++)
        atomic_store(&r->slot[i].state, slots + i);
    atomic_store(&h->magic, RING_MAGIC); /* Last: without it, who made it died. */
}

static int map(struct evhooks_ring *r, size_t size)
{
    void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, r->fd, 0);

    if (at == MAP_FAILED)
        return -errno;
    r->size = size;
    r->h = at;
    r->slot = (struct ring_slot *)((uint8_t *)at + sizeof(struct ring_header));
    return 0;
}

/* Whoever can write it decides what the records say. */
static int check_owner(const struct evhooks_ring *r, const struct stat *st, char *err,
                       size_t err_size)
{
    if (st->st_uid != geteuid())
        return fail(
            -EPERM, err, err_size, r->name + 1,
            "made by another user (uid %u, not %u); remove it, or run both sides as one user",
            (unsigned)st->st_uid, (unsigned)geteuid());
    if ((st->st_mode & 022) != 0)
        return fail(-EPERM, err, err_size, r->name + 1,
                    "others can write it (mode %04o, 0600 is needed); remove it",
                    (unsigned)st->st_mode & 07777);
    return 0;
}

static int check_header(const struct evhooks_ring *r, const struct evhooks_options *o, char *err,
                        size_t err_size)
{
    const struct ring_header *h = r->h;
    const char *name = r->name + 1;

    if (atomic_load(&h->magic) != RING_MAGIC)
        return fail(-EPROTO, err, err_size, name,
                    "not a ring, or of another version; stop both sides and remove it");
    if (h->version != RING_VERSION)
        return fail(-EPROTO, err, err_size, name,
                    "of another version (%u, not %u); stop both sides and remove it", h->version,
                    RING_VERSION);
    if (!slots_fit(h->slots) || r->size != ring_size(h->slots))
        return fail(-EPROTO, err, err_size, name, "its size does not fit what it says; remove it");
    if (o->slots != 0 && o->slots != h->slots)
        return fail(-EINVAL, err, err_size, name,
                    "has %u slots, not %u; ask for as many on both sides, or remove it", h->slots,
                    o->slots);
    if (h->node != o->node)
        return fail(-EINVAL, err, err_size, name, "made for the other node id (%u, not %u)",
                    h->node, o->node);
    return 0;
}

static int create(struct evhooks_ring *r, const struct evhooks_options *o, char *err,
                  size_t err_size)
{
    uint32_t slots = o->slots != 0 ? o->slots : RING_SLOTS_DEFAULT;
    int rc;

    if (ftruncate(r->fd, (off_t)ring_size(slots)) != 0)
        return fail(-errno, err, err_size, r->name + 1, "%s", strerror(errno));
    rc = map(r, ring_size(slots));
    if (rc != 0)
        return fail(rc, err, err_size, r->name + 1, "%s", strerror(-rc));
    initialise(r, o, slots);
    return 0;
}

static int join(struct evhooks_ring *r, const struct evhooks_options *o, off_t size, char *err,
                size_t err_size)
{
    int rc;

    if ((size_t)size < ring_size(64))
        return fail(-EINVAL, err, err_size, r->name + 1, "too small to be a ring; remove it");
    rc = map(r, (size_t)size);
    if (rc != 0)
        return fail(rc, err, err_size, r->name + 1, "%s", strerror(-rc));
    if (atomic_load(&r->h->magic) == 0 && !o->join &&
        (size_t)size == ring_size(o->slots != 0 ? o->slots : RING_SLOTS_DEFAULT)) {
        initialise(r, o, o->slots != 0 ? o->slots : RING_SLOTS_DEFAULT); /* Who made it died. */
        return 0;
    }
    return check_header(r, o, err, err_size);
}

/* Under the lock: who comes second sees it whole. */
static int create_or_join(struct evhooks_ring *r, const struct evhooks_options *o, char *err,
                          size_t err_size)
{
    struct stat st;
    int rc;

    if (fstat(r->fd, &st) != 0)
        return fail(-errno, err, err_size, r->name + 1, "%s", strerror(errno));
    rc = check_owner(r, &st, err, err_size);
    if (rc != 0)
        return rc;
    return st.st_size == 0 && !o->join ? create(r, o, err, err_size)
                                       : join(r, o, st.st_size, err, err_size);
}

int evhooks_open(struct evhooks_ring **out, const char *name, const struct evhooks_options *o,
                 char *err, size_t err_size)
{
    struct evhooks_ring *r = calloc(1, sizeof(*r));
    int rc;

    if (r == NULL)
        return fail(-ENOMEM, err, err_size, name, "out of memory");
    r->fd = r->reader_fd = -1;
    r->rate_per_s = o->rate_per_s;
    r->burst = o->burst;
    snprintf(r->name, sizeof(r->name), "/%.*s", EVHOOKS_NAME_MAX - 1, name);
    snprintf(r->cut_off_line, sizeof(r->cut_off_line),
             "ring %.*s: another process cut its file off; stop both sides and remove it",
             EVHOOKS_NAME_MAX - 1, name);
    *out = r;
    if (evhooks_name_wrong(name) != NULL)
        rc = fail(-EINVAL, err, err_size, name, "its name %s", evhooks_name_wrong(name));
    else if ((o->slots != 0 && !slots_fit(o->slots)) || o->node > 1)
        rc = fail(-EINVAL, err, err_size, name,
                  "slots must be a power of two, 64 to 1048576, and the node 0 or 1");
    else if ((r->fd = shm_open(r->name, O_RDWR | O_CLOEXEC | (o->join ? 0 : O_CREAT), 0600)) < 0)
        rc = fail(-errno, err, err_size, name, "%s%s", strerror(errno),
                  errno == EACCES ? ": made by another user?" : "");
    else {
        flock(r->fd, LOCK_EX); /* Only while it is made or looked at. */
        rc = create_or_join(r, o, err, err_size);
        flock(r->fd, LOCK_UN);
    }
    if (rc != 0) {
        *out = NULL;
        evhooks_close(r);
        return rc;
    }
    r->mask = (r->size - sizeof(struct ring_header)) / sizeof(struct ring_slot) - 1;
    return 0;
}

/* Other threads may be here too: until the one that is first has done it, theirs fault again. */
bool evhooks_cut_off(struct evhooks_ring *r, const void *address)
{
    const uint8_t *at = address, *from = (const uint8_t *)r->h;

    if (from == NULL || at < from || at >= from + r->size)
        return false;
    return atomic_exchange(&r->cut_off, true) ||
           mmap(r->h, r->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
                0) != MAP_FAILED;
}

void evhooks_close(struct evhooks_ring *r)
{
    evhooks_worker_close(r->self);
    if (r->h != NULL)
        munmap(r->h, r->size);
    if (r->reader_fd >= 0)
        close(r->reader_fd);
    if (r->fd >= 0)
        close(r->fd);
    free(r);
}

bool evhooks_active(const struct evhooks_ring *r, unsigned group)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return admit_is_active(r->h, group, (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec);
}

bool evhooks_active_at(const struct evhooks_ring *r, unsigned group, uint64_t now_ns)
{
    return admit_is_active(r->h, group, now_ns);
}

uint64_t evhooks_active_end(const struct evhooks_ring *r, unsigned group)
{
    uint64_t end = atomic_load_explicit(&r->h->active_until_ns, memory_order_acquire);

    return evhooks_active(r, group) ? end : 0;
}
