/* Opening a ring: who makes it, and who is refused. */
#include "layout.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

void evhooks_defaults(struct evhooks_options *o)
{
    *o = (struct evhooks_options){.slots = 16384, .rate_per_s = 1000, .burst = 1024};
}

static size_t ring_size(uint32_t slots)
{
    return sizeof(struct ring_header) + (size_t)slots * sizeof(struct ring_slot);
}

static bool slots_fit(uint32_t n)
{
    return n >= 64 && n <= 1048576 && (n & (n - 1)) == 0;
}

static int fail(int code, char *err, size_t size, const char *name, const char *what)
{
    snprintf(err, size, "ring %s: %s", name, what);
    return code;
}

static void initialise(struct evhooks_ring *r, const struct evhooks_options *o, uint32_t slots)
{
    struct ring_header *h = r->h;

    h->version = RING_VERSION;
    h->slots = slots;
    h->uid = getuid();
    h->node = o->node;
    h->rate_per_s = o->rate_per_s;
    h->burst = o->burst;
    h->cap_kind = o->cap_kind != 0 ? o->cap_kind : slots / 3;
    h->cap_telemetry = o->cap_telemetry != 0 ? o->cap_telemetry : slots / 2;
    atomic_store(&h->read, slots); /* Above 2, so that no base is negative. */
    for (uint64_t i = 0; i < slots; i++)
        atomic_store(&r->slot[i].state, slots + i);
    h->magic = RING_MAGIC;
}

static int map(struct evhooks_ring *r, size_t size)
{
    void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, r->fd, 0);

    if (at == MAP_FAILED)
        return -errno;
    r->h = at;
    r->size = size;
    r->slot = (struct ring_slot *)((uint8_t *)at + sizeof(struct ring_header));
    return 0;
}

static int join(struct evhooks_ring *r, const struct evhooks_options *o, off_t size, char *err,
                size_t err_size)
{
    struct ring_header *h;
    int rc;

    if ((size_t)size < ring_size(64))
        return fail(-EINVAL, err, err_size, r->name, "too small to be a ring; remove it");
    rc = map(r, (size_t)size);
    if (rc != 0)
        return fail(rc, err, err_size, r->name, strerror(-rc));
    h = r->h;
    if (h->magic != RING_MAGIC || h->version != RING_VERSION)
        return fail(-EPROTO, err, err_size, r->name,
                    "of another version; stop both sides and remove it");
    if (!slots_fit(h->slots) || (size_t)size != ring_size(h->slots))
        return fail(-EPROTO, err, err_size, r->name,
                    "its size does not fit what it says; remove it");
    if (h->uid != getuid() && getuid() != 0)
        return fail(-EPERM, err, err_size, r->name, "made by another user");
    if (h->node != o->node)
        return fail(-EINVAL, err, err_size, r->name, "made for the other node id");
    return 0;
}

static int create(struct evhooks_ring *r, const struct evhooks_options *o, char *err,
                  size_t err_size)
{
    uint32_t slots = o->slots != 0 ? o->slots : 16384;
    int rc;

    if (!slots_fit(slots) || o->node > 1)
        return fail(-EINVAL, err, err_size, r->name, "slots must be a power of two, 64 to 1048576");
    if (ftruncate(r->fd, (off_t)ring_size(slots)) != 0)
        return fail(-errno, err, err_size, r->name, strerror(errno));
    rc = map(r, ring_size(slots));
    if (rc != 0)
        return fail(rc, err, err_size, r->name, strerror(-rc));
    initialise(r, o, slots);
    return 0;
}

static void register_writer(struct evhooks_ring *r)
{
    for (size_t i = 0; i < RING_WRITERS; i++) {
        uint32_t none = 0;

        if (atomic_load(&r->h->writer[i]) == r->pid ||
            atomic_compare_exchange_strong(&r->h->writer[i], &none, r->pid))
            return;
    }
}

int evhooks_open(struct evhooks_ring **out, const char *name, const struct evhooks_options *o,
                 char *err, size_t err_size)
{
    struct evhooks_ring *r = calloc(1, sizeof(*r));
    struct stat st;
    int rc;

    if (r == NULL)
        return fail(-ENOMEM, err, err_size, name, "out of memory");
    r->reader_fd = -1;
    r->pid = (uint32_t)getpid();
    snprintf(r->name, sizeof(r->name), "/%s", name);
    r->fd = shm_open(r->name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (r->fd < 0) {
        rc = fail(-errno, err, err_size, name, strerror(errno));
        free(r);
        return rc;
    }
    flock(r->fd, LOCK_EX); /* Only while it is made or looked at. */
    if (fstat(r->fd, &st) != 0)
        rc = fail(-errno, err, err_size, name, strerror(errno));
    else
        rc = st.st_size == 0 ? create(r, o, err, err_size) : join(r, o, st.st_size, err, err_size);
    flock(r->fd, LOCK_UN);
    if (rc != 0) {
        evhooks_close(r);
        return rc;
    }
    r->mask = r->h->slots - 1;
    register_writer(r);
    *out = r;
    return 0;
}

void evhooks_close(struct evhooks_ring *r)
{
    if (r->h != NULL)
        munmap(r->h, r->size);
    if (r->reader_fd >= 0)
        close(r->reader_fd);
    close(r->fd);
    free(r);
}

int evhooks_reader_open(struct evhooks_ring *r)
{
    r->reader_fd = shm_open(r->name, O_RDWR | O_CLOEXEC, 0600);
    if (r->reader_fd < 0)
        return -errno;
    if (lockf(r->reader_fd, F_TLOCK, 1) != 0) { /* Goes with the process. */
        close(r->reader_fd);
        r->reader_fd = -1;
        return -EBUSY;
    }
    r->cursor = atomic_load_explicit(&r->h->read, memory_order_acquire);
    for (size_t k = 0; k < EVHOOKS_KIND_MAX; k++) {
        for (size_t z = 0; z < RING_ZONES; z++) {
            for (size_t c = 0; c < RING_CAUSES; c++)
                r->reported[k][z][c] = 0;
        }
    }
    return 0;
}
