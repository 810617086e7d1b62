#include "bpf.h"
#include "bpf_ring.h"
#include "pins.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

/* The sizes of the maps are compared with pins.h when they are opened. */
enum { COUNTS = sizeof(struct evbpf_counts) / sizeof(uint64_t), RING_MAX = 1 << 28 };
enum { /* Places of the counters. */
       COUNT_RATE_LIMITED = offsetof(struct evbpf_counts, rate_limited) / sizeof(uint64_t),
       COUNT_RING_FULL = offsetof(struct evbpf_counts, ring_full) / sizeof(uint64_t),
};
enum { BATCH = 4096, MARK_TAKEN = 1, MARK_STATED = 2 };
#define LOOK_EVERY_NS  500000000ull
#define STATE_EVERY_NS 1000000000ull

/* Which drops are stated: causes in the order of memory.stated. */
static const struct {
    uint8_t count, cause;
} causes[] = {{COUNT_RATE_LIMITED, CAUSE_RATE_LIMITED}, {COUNT_RING_FULL, CAUSE_RING_FULL}};
enum { CAUSES = 2 };

struct memory { /* In the hooks' ring, so that the next evrepd knows it. */
    uint32_t key, ring_id, counts_id, unused;
    uint64_t taken; /* Position up to which the BPF ring's records are there. */
    uint64_t stated[EVBPF_CELLS * CAUSES]; /* Of each counter. */
};
_Static_assert(sizeof(struct memory) <= INGEST_MEMORY_SIZE, "the ring keeps that much of a source");

struct ingest_bpf {
    struct ingest_bpf_options o;
    struct ingest_ring *ring;
    struct memory *memory;
    uint8_t place;
    uint32_t names; /* Of the newest record, or as the program said. */
    int counts;     /* -1: the pins are not there. */
    size_t page, size;
    volatile uint64_t *consumer;
    const uint8_t *producer; /* A page, then the data twice. */
    uint64_t look_ns, state_ns, first_ns[EVBPF_CELLS * CAUSES];
    uint64_t *each; /* COUNTS for each processor. */
    bool waits_said;
    struct ingest_bpf_state state;
};

static uint64_t clock_ns(clockid_t id)
{
    struct timespec t;

    clock_gettime(id, &t);
    return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

static void store_consumer(struct ingest_bpf *b, uint64_t to)
{
    __atomic_store_n(b->consumer, to, __ATOMIC_RELEASE);
}

/* ---- records ---- */

static bool put(struct ingest_bpf *b, const struct bpf_ring_record *r, uint64_t at)
{
    struct evhooks_mark mark = {.source = b->place + 1u,
                                .what = MARK_TAKEN,
                                .run = b->memory->ring_id,
                                .from = at,
                                .to = r->next};
    uint64_t time_ns =
        bpf_ring_time(r->boot_ns, clock_ns(CLOCK_MONOTONIC), clock_ns(CLOCK_REALTIME));
    uint8_t event[EVENT_SIZE];

    if (r->names_generation != 0)
        b->names = r->names_generation;
    memcpy(event, r->event, EVENT_SIZE);
    if (ingest_ring_put(b->ring, r->kind, SOURCE_BPF, time_ns, b->names, event, &mark) != 0)
        return false;
    b->memory->taken = r->next;
    return true;
}

/* false: nothing more now. */
static bool one(struct ingest_bpf *b, uint64_t *at, uint64_t producer)
{
    struct bpf_ring_record r;

    switch (bpf_ring_next(b->producer + b->page, b->size, *at, producer, &r)) {
    case BPF_RING_RECORD:
        if (*at >= b->memory->taken) { /* Else it was taken by one that died. */
            b->state.held_up = !ingest_ring_room(b->ring) || !put(b, &r, *at);
            if (b->state.held_up)
                return false;
            b->state.records++;
        }
        break;
    case BPF_RING_SKIP:
        b->state.discarded += r.discarded;
        b->state.malformed += !r.discarded;
        break;
    case BPF_RING_DAMAGED:
        b->state.damaged = true;
        b->o.log("source %s: the ring %s is damaged at position %" PRIu64 " of %" PRIu64
                 ": nothing is read from it any more; restart evbpf after removing the pin",
                 b->o.name, b->o.pin, *at, producer);
        return false;
    case BPF_RING_NOTHING:
        return false;
    }
    *at = r.next;
    return true;
}

void ingest_bpf_pump(struct ingest_bpf *b)
{
    uint64_t at, producer;
    bool more = true;

    if (b->counts < 0 || b->state.damaged)
        return;
    producer = __atomic_load_n((const uint64_t *)b->producer, __ATOMIC_ACQUIRE);
    at = *b->consumer;
    b->state.held_up = false;
    for (int i = 0; i < BATCH && more; i++) {
        more = one(b, &at, producer);
        store_consumer(b, at);
    }
}

/* ---- what the program dropped ---- */

/* One drop or more of a cell and cause since the last statement: a SUPPRESSED record. */
static bool state_drops(struct ingest_bpf *b, uint32_t i, uint64_t total, uint64_t now_ns)
{
    uint64_t *stated = &b->memory->stated[i];
    struct evhooks_mark mark = {.source = b->place + 1u,
                                .what = MARK_STATED,
                                .run = b->memory->counts_id,
                                .from = i,
                                .to = total};
    struct record_note note = {.kind = (uint8_t)(i / CAUSES / EVBPF_ZONES),
                               .zone = (uint16_t)(i / CAUSES % EVBPF_ZONES),
                               .cause = causes[i % CAUSES].cause,
                               .count = total - *stated,
                               .first_ns = b->first_ns[i] != 0 ? b->first_ns[i] : now_ns,
                               .last_ns = now_ns};
    uint8_t event[EVENT_SIZE];

    note_encode(&note, event);
    if (ingest_ring_put(b->ring, RECORD_SUPPRESSED, SOURCE_EVREP, now_ns, b->names, event, &mark) !=
        0)
        return false;
    *stated = total;
    b->first_ns[i] = 0;
    return true;
}

static bool read_counts(struct ingest_bpf *b, uint32_t cell, uint64_t out[COUNTS])
{
    int cpus = libbpf_num_possible_cpus();

    memset(out, 0, COUNTS * sizeof(out[0]));
    if (cpus <= 0 || bpf_map_lookup_elem(b->counts, &cell, b->each) != 0)
        return false;
    for (size_t i = 0; i < (size_t)cpus * COUNTS; i++)
        out[i % COUNTS] += b->each[i];
    return true;
}

/* first_ns: of the look before, at which these drops were not there yet. */
static void look_at_drops(struct ingest_bpf *b, uint64_t now_ns, uint64_t before_ns)
{
    b->state.rate_limited = b->state.ring_full = 0;
    for (uint32_t cell = 0; cell < EVBPF_CELLS; cell++) {
        uint64_t count[COUNTS];

        if (!read_counts(b, cell, count))
            continue;
        b->state.rate_limited += count[COUNT_RATE_LIMITED];
        b->state.ring_full += count[COUNT_RING_FULL];
        for (uint32_t k = 0; k < CAUSES; k++) {
            uint32_t i = cell * CAUSES + k;
            uint64_t total = count[causes[k].count];

            if (total < b->memory->stated[i]) /* Nothing of ours: counters never go back. */
                b->memory->stated[i] = 0;
            if (total == b->memory->stated[i])
                continue;
            if (b->first_ns[i] == 0)
                b->first_ns[i] = before_ns;
            state_drops(b, i, total, now_ns);
        }
    }
}

/* ---- the pins ---- */

static int open_map(const struct ingest_bpf *b, const char *suffix, uint32_t type,
                    struct bpf_map_info *info)
{
    char path[160];
    uint32_t len = sizeof(*info);
    int fd;

    snprintf(path, sizeof(path), "%s%s", b->o.pin, suffix);
    fd = bpf_obj_get(path);
    memset(info, 0, sizeof(*info));
    if (fd < 0)
        return -errno;
    if (bpf_obj_get_info_by_fd(fd, info, &len) == 0 && info->type == type)
        return fd;
    close(fd);
    return -EPROTO;
}

static int check_about(struct ingest_bpf *b)
{
    struct evbpf_about about = {0};
    struct bpf_map_info info;
    int fd = open_map(b, "-about", BPF_MAP_TYPE_ARRAY, &info), rc = fd;
    uint32_t zero = 0;

    if (fd >= 0) {
        rc = info.value_size == sizeof(about) ? bpf_map_lookup_elem(fd, &zero, &about) : -EPROTO;
        close(fd);
    }
    if (rc < 0)
        return rc;
    if (about.version == 0) /* It is not ready yet. */
        return -ENOENT;
    about.ring[sizeof(about.ring) - 1] = '\0';
    if (about.version != EVBPF_VERSION)
        return -EPROTO;
    b->names = about.names != 0 ? about.names : b->o.names;
    if (strcmp(about.ring, b->o.ring) != 0)
        b->o.log("source %s: evbpf goes by ring %s, this is %s: it will decide nothing; give both "
                 "the same ring",
                 b->o.name, about.ring, b->o.ring);
    return 0;
}

static int map_ring(struct ingest_bpf *b, int fd, size_t size)
{
    void *consumer, *producer;

    b->page = (size_t)sysconf(_SC_PAGESIZE);
    consumer = mmap(NULL, b->page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (consumer == MAP_FAILED)
        return -errno;
    producer = mmap(NULL, b->page + 2 * size, PROT_READ, MAP_SHARED, fd, (off_t)b->page);
    if (producer == MAP_FAILED) {
        munmap(consumer, b->page);
        return -errno;
    }
    b->consumer = consumer;
    b->producer = producer;
    b->size = size;
    return 0;
}

/* What was taken of this very ring, and stated of these very counters. */
static void remember(struct ingest_bpf *b, uint32_t ring_id, uint32_t counts_id)
{
    struct memory *m = b->memory;
    struct evhooks_mark mark;
    uint64_t cursor = 0;

    if (m->ring_id != ring_id)
        m->taken = 0;
    if (m->counts_id != counts_id)
        memset(m->stated, 0, sizeof(m->stated));
    m->ring_id = ring_id;
    m->counts_id = counts_id;
    while (ingest_ring_marks(b->ring, &cursor, &mark)) {
        if (mark.source != b->place + 1)
            continue;
        if (mark.what == MARK_TAKEN && mark.run == ring_id && mark.to > m->taken)
            m->taken = mark.to;
        if (mark.what == MARK_STATED && mark.run == counts_id && mark.from < EVBPF_CELLS * CAUSES &&
            mark.to > m->stated[mark.from])
            m->stated[mark.from] = mark.to;
    }
    if (m->taken > __atomic_load_n((const uint64_t *)b->producer, __ATOMIC_ACQUIRE))
        m->taken = 0; /* Another process wrote that. */
}

static int open_pins(struct ingest_bpf *b)
{
    struct bpf_map_info ring, counts;
    int fd = open_map(b, "", BPF_MAP_TYPE_RINGBUF, &ring), rc = fd;

    if (fd < 0)
        return fd;
    b->counts = open_map(b, "-counts", BPF_MAP_TYPE_PERCPU_ARRAY, &counts);
    rc = b->counts < 0 ? b->counts : check_about(b);
    if (rc == 0 && (counts.value_size != COUNTS * sizeof(uint64_t) ||
                    counts.max_entries != EVBPF_CELLS || ring.max_entries > RING_MAX))
        rc = -EPROTO;
    if (rc == 0)
        rc = map_ring(b, fd, ring.max_entries);
    close(fd);
    if (rc == 0) {
        remember(b, ring.id, counts.id);
        return 0;
    }
    if (b->counts >= 0)
        close(b->counts);
    b->counts = -1;
    return rc;
}

static void let_go(struct ingest_bpf *b)
{
    if (b->counts < 0)
        return;
    munmap((void *)b->consumer, b->page);
    munmap((void *)b->producer, b->page + 2 * b->size);
    close(b->counts);
    b->counts = -1;
}

/* true: the pin is another map than the one that is read, or none. */
static bool is_replaced(struct ingest_bpf *b)
{
    struct bpf_map_info info;
    int fd = open_map(b, "", BPF_MAP_TYPE_RINGBUF, &info);

    if (fd >= 0)
        close(fd);
    return fd < 0 || info.id != b->memory->ring_id;
}

static void look_for_pins(struct ingest_bpf *b)
{
    int rc;

    if (b->counts >= 0 && !is_replaced(b))
        return;
    if (b->counts >= 0) {
        ingest_bpf_pump(b); /* The old one keeps what is in it. */
        if (b->state.held_up)
            return;
        let_go(b);
        b->state.damaged = false;
    }
    rc = open_pins(b);
    if (rc == 0) {
        b->o.log("source %s: reads %s", b->o.name, b->o.pin);
        b->waits_said = false;
    } else if (!b->waits_said) {
        b->o.log("source %s: waits for %s (%s): start evbpf with this 'pin'", b->o.name, b->o.pin,
                 rc == -EPROTO ? "it is not evbpf's, or another version's" : strerror(-rc));
        b->waits_said = true;
    }
}

void ingest_bpf_tick(struct ingest_bpf *b)
{
    uint64_t now_ns = clock_ns(CLOCK_MONOTONIC);

    if (now_ns - b->look_ns >= LOOK_EVERY_NS) {
        b->look_ns = now_ns;
        look_for_pins(b);
    }
    if (b->counts >= 0 && now_ns - b->state_ns >= STATE_EVERY_NS) {
        uint64_t time_ns = clock_ns(CLOCK_REALTIME);

        look_at_drops(b, time_ns, b->state_ns != 0 ? time_ns - (now_ns - b->state_ns) : time_ns);
        b->state_ns = now_ns;
    }
}

void ingest_bpf_names(struct ingest_bpf *b, uint32_t generation)
{
    if (b->names == b->o.names) /* Else the program has named its own. */
        b->names = generation;
    b->o.names = generation;
}

void ingest_bpf_state(const struct ingest_bpf *b, struct ingest_bpf_state *out)
{
    *out = b->state;
    out->open = b->counts >= 0;
}

int ingest_bpf_open(struct ingest_bpf **out, struct ingest_ring *ring,
                    const struct ingest_bpf_options *o, char *err, size_t err_size)
{
    struct ingest_bpf *b = calloc(1, sizeof(*b));
    int cpus = libbpf_num_possible_cpus();
    uint32_t key;

    if (b != NULL && cpus > 0)
        b->each = calloc((size_t)cpus, COUNTS * sizeof(uint64_t));
    if (b == NULL || b->each == NULL) {
        free(b);
        snprintf(err, err_size, "source %s: out of memory", o->name);
        return -1;
    }
    b->o = *o;
    b->ring = ring;
    b->counts = -1;
    b->memory = ingest_ring_memory(ring, o->name, &b->place, &key);
    if (b->memory == NULL) {
        snprintf(err, err_size, "source %s: the ring remembers %u sources already; remove the ring",
                 o->name, INGEST_SOURCES);
        free(b->each);
        free(b);
        return -1;
    }
    b->memory->key = key;
    *out = b;
    return 0;
}

void ingest_bpf_close(struct ingest_bpf *b)
{
    let_go(b);
    free(b->each);
    free(b);
}
