/* The shared memory of a ring.  Both sides map it; neither trusts what the other wrote. */
#ifndef EVHOOKS_LAYOUT_H
#define EVHOOKS_LAYOUT_H

#include "evhooks.h"

#include <stdatomic.h>

#define RING_MAGIC   0x31474e4952564565ull /* "eEVRING1" */
#define RING_VERSION 3u

enum {
    RING_SLOTS_DEFAULT = 16384,
    RING_EPOCHS = EVHOOKS_EPOCHS,
    RING_CAUSES = 3, /* Limited, capped, ring full. */
    RING_LOCK_READER = 0,
    RING_LOCK_WORKER = 1, /* Byte that a worker locks: this + its place. */
};
enum { RING_NEVER_USED, RING_IN_USE, RING_FREE }; /* A worker's place. */

/* index = base + sequence numbers every slot ever claimed; slot = index & (slots - 1). */
struct ring_epoch {
    _Atomic uint64_t base;
    _Atomic uint32_t epoch;
    uint32_t unused;
};

/* state: index while free for it or claimed, index + 1 once committed, index + slots once read. */
struct ring_slot {
    _Atomic uint64_t state;
    uint64_t time_ns;
    union {
        struct {
            uint32_t names_generation;
            uint8_t kind, source, mark_source, mark_what;
        };
        uint64_t about; /* All of that, of an event: ring_about(). */
    };
    _Atomic uint32_t worker; /* Whose: place + 1. */
    uint32_t mark_run;
    uint64_t mark_from, mark_to;
    uint8_t event[EVHOOKS_EVENT_SIZE];
    uint8_t padding[8];
};
_Static_assert(sizeof(struct ring_slot) == 192, "three cache lines");

struct ring_refused {
    _Atomic uint64_t count, first_ns, last_ns;
    _Atomic uint64_t round; /* The interval that first_ns is of. */
};

/* Written by its worker alone, so that counting needs no locked instruction.  What is between the
 * announcement and its withdrawal can be finished by the reader when the worker dies: before holds
 * what the counter was. */
struct ring_worker {
    _Alignas(64) _Atomic uint64_t claiming; /* The index that it tries to claim or has; 0: none. */
    _Atomic uint64_t before;                /* tagged[kind][zone] without this one. */
    _Atomic uint32_t what;                  /* kind << 16 | zone; UINT32_MAX: not counted. */
    _Atomic uint32_t used;
    _Alignas(64) _Atomic uint64_t tagged_kind[EVHOOKS_KIND_MAX];
    _Atomic uint64_t refused_kind[EVHOOKS_KIND_MAX]; /* For a reader that looks for changes. */
    _Atomic uint64_t tagged[EVHOOKS_KIND_MAX][EVHOOKS_ZONE_MAX];
    _Atomic uint64_t not_owner[EVHOOKS_KIND_MAX][EVHOOKS_ZONE_MAX];
    struct ring_refused refused[EVHOOKS_KIND_MAX][EVHOOKS_ZONE_MAX][RING_CAUSES];
};

/* Released of each kind up to an index.  Two of them, so that a reader's death leaves one whole. */
struct ring_released {
    _Atomic uint64_t index, kind[EVHOOKS_KIND_MAX];
};

struct ring_stated { /* Of one (kind, zone, cause), by the reader. */
    _Atomic uint64_t count, round;
};

struct ring_header {
    _Atomic uint64_t magic;
    uint32_t version, slots;
    uint8_t node, unused[3];
    uint32_t unused_limits[2], cap_kind, cap_telemetry;

    _Alignas(64) _Atomic uint64_t claim; /* epoch << 32 | next sequence; 0: no epoch is open. */
    _Alignas(64) _Atomic uint64_t read;  /* Below it, slots are free again. */
    _Alignas(64) _Atomic uint64_t active[EVHOOKS_GROUP_MAX / 64];
    _Atomic uint64_t active_until_ns; /* CLOCK_MONOTONIC: the reader's word is good until then. */
    struct ring_epoch epoch[RING_EPOCHS];
    _Alignas(64) struct ring_released released[2];
    _Atomic uint32_t released_which;
    _Alignas(64) _Atomic uint64_t seen[EVHOOKS_WORKER_MAX]; /* Its newest index that was read. */
    struct { /* A summary that is being stated: what counts as stated once its record is there. */
        _Atomic uint32_t what; /* kind << 16 | zone; 0: none. */
        _Atomic uint32_t cause, place;
        _Atomic uint64_t count;
    } stating;
    struct ring_stated stated[EVHOOKS_KIND_MAX][EVHOOKS_ZONE_MAX][RING_CAUSES];
    _Alignas(64) _Atomic uint64_t bucket_ns[EVHOOKS_KIND_MAX][EVHOOKS_ZONE_MAX];
    _Alignas(64) uint8_t memory[EVHOOKS_MEMORY_SIZE];
    struct ring_worker worker[EVHOOKS_WORKER_MAX];
};

/* What a worker is admitted by: its own, so that another process does not change it. */
struct ring_limits {
    uint64_t interval_ns, slack_ns; /* 0: no limit. */
    uint64_t cap_kind, cap_telemetry;
};

struct evhooks_worker {
    struct ring_header *h;
    struct ring_slot *slot;
    struct ring_worker *cell;
    uint64_t mask;
    struct ring_limits limits;
    uint64_t read; /* The header's, when it was last looked at: it only grows. */
    uint64_t base; /* Of the epoch that it claimed in last. */
    uint32_t epoch, place;
    int fd; /* Holds the lock that ends with the process. */
};

struct ring_tag {
    uint64_t base;
    uint32_t epoch;
};

struct evhooks_ring {
    struct ring_header *h;
    struct ring_slot *slot;
    uint64_t mask;
    size_t size;
    int fd, reader_fd;
    char name[EVHOOKS_NAME_MAX + 1];
    atomic_bool cut_off; /* The mapping is memory of this process alone now. */
    char cut_off_line[160];
    uint32_t rate_per_s, burst; /* Of its workers. */

    /* The reader's.  Epochs are its own word, so it does not read them back. */
    struct evhooks_worker *self; /* As which it states. */
    struct ring_tag tag[RING_EPOCHS];
    uint32_t live;    /* The epoch that is open; 0: none. */
    uint64_t first;   /* Not released, from here */
    uint64_t cursor;  /* to here read; */
    uint64_t highest; /* and claimed, as last seen. */
    uint64_t read_kind[EVHOOKS_KIND_MAX];
    uint64_t sweep_ns; /* When the newest sweep began, or last found something. */
    uint64_t swept[EVHOOKS_KIND_MAX];
    uint64_t said_last_ns[EVHOOKS_KIND_MAX][EVHOOKS_ZONE_MAX][RING_CAUSES];
    /* When a count was the one that is stated, and when a kind had nothing to say (monotonic). */
    uint64_t even_ns[EVHOOKS_KIND_MAX][EVHOOKS_ZONE_MAX][RING_CAUSES], quiet_ns[EVHOOKS_KIND_MAX];
    uint64_t miscounted; /* Counts that were overwritten, since it was opened. */
    uint32_t sweep_at;   /* Of a sweep that goes on; at its end: none does. */
    uint64_t repaired;   /* Slots, since it was opened. */
    char damage[160];
};

static inline const struct ring_epoch *ring_epoch_entry(const struct ring_header *h, uint32_t epoch)
{
    return &h->epoch[(epoch >> 1) % RING_EPOCHS];
}

/* Each store counts: the next claim waits for all that are on their way. */
static inline uint64_t ring_about(uint32_t names_generation, uint8_t kind)
{
    _Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "host order");
    return names_generation | (uint64_t)kind << 32;
}

static inline uint16_t ring_zone(uint16_t zone)
{
    return zone < EVHOOKS_ZONE_MAX ? zone : EVHOOKS_ZONE_MAX - 1;
}

static inline bool ring_is_telemetry(uint8_t kind)
{
    return kind == EVHOOKS_POLICY_DENY || kind == EVHOOKS_SCREEN_DROP || kind == EVHOOKS_FILTER_LOG;
}

static inline uint64_t ring_get(const _Atomic uint64_t *at)
{
    return atomic_load_explicit(at, memory_order_relaxed);
}

/* Of a word that only the caller writes. */
static inline void ring_add(_Atomic uint64_t *at, uint64_t n)
{
    atomic_store_explicit(at, ring_get(at) + n, memory_order_relaxed);
}

/* admit.c, beside admit.h; pure. */
void admit_limits(struct ring_limits *out, uint32_t rate_per_s, uint32_t burst);
void admit_count_refused(struct evhooks_worker *w, enum evhooks_result result, uint8_t kind,
                         uint16_t zone, uint64_t time_ns);

/* worker.c */
bool worker_is_alive(const struct evhooks_ring *r, uint32_t place);
/* Finishes what dead workers left below `upto`, and frees their places.  By the reader, or, while
 * there is none, under the ring's lock. */
void worker_settle(struct evhooks_ring *r, uint64_t upto);
/* The slot of this index is given up: whoever had claimed it counts it.  Its kind, or -1. */
int worker_settle_abandoned(struct evhooks_ring *r, uint64_t index);
bool worker_claimed(const struct evhooks_ring *r, uint32_t place, uint64_t index);

/* repair.c, by the reader.  All slots that are free; or only when the next one to be claimed,
 * `end`, does not say that it is. */
void repair_free(struct evhooks_ring *r);
void repair_next(struct evhooks_ring *r, uint64_t end);

/* suppressed.c.  All of it was stated. */
void suppressed_even(struct evhooks_ring *r, const struct evhooks_suppressed *s);
/* Around the claim of a summary's record. */
void suppressed_begin(struct evhooks_ring *r, const struct evhooks_suppressed *s);
void suppressed_finish(struct evhooks_ring *r);
void suppressed_cancel(struct evhooks_ring *r, const struct evhooks_suppressed *s);
void suppressed_restore(struct evhooks_ring *r);

#endif
