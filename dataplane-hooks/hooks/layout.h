/* The shared memory of a ring.  Both sides map it; neither trusts what the other wrote. */
#ifndef EVHOOKS_LAYOUT_H
#define EVHOOKS_LAYOUT_H

#include "evhooks.h"

#include <stdatomic.h>

#define RING_MAGIC   0x31474e4952564565ull /* "eEVRING1" */
#define RING_VERSION 2u

enum {
    RING_ZONES = 256,   /* Zones above share the last bucket. */
    RING_EPOCHS = 16,   /* Epochs that may lie in a ring at a time. */
    RING_WRITERS = 256, /* Processes that have mapped it. */
    RING_CAUSES = 4,
};

/* index = base + sequence numbers every slot ever claimed; slot = index & (slots - 1). */
struct ring_epoch {
    _Atomic uint64_t base;
    _Atomic uint32_t epoch;
    uint32_t unused;
};

struct ring_refused {
    _Atomic uint64_t count, first_ns, last_ns;
};

/* state: index while free for it or claimed, index + 1 once committed, index + slots once read. */
struct ring_slot {
    _Atomic uint64_t state;
    _Atomic uint32_t pid; /* Of the claimant; 0 between claim and its first store. */
    uint32_t names_generation;
    uint64_t time_ns;
    uint8_t kind, source, unused[6];
    uint8_t event[EVHOOKS_EVENT_SIZE];
    uint8_t padding[24];
};
_Static_assert(sizeof(struct ring_slot) == 192, "three cache lines");

struct ring_header {
    uint64_t magic;
    uint32_t version, slots, uid;
    uint8_t node, unused[3];
    uint32_t rate_per_s, burst, cap_kind, cap_telemetry;

    _Alignas(64) _Atomic uint64_t claim; /* epoch << 32 | next sequence; 0: no epoch is open. */
    _Alignas(64) _Atomic uint64_t read;  /* Index that the reader looks at next. */
    _Alignas(64) _Atomic uint64_t active[EVHOOKS_GROUP_MAX / 64];
    _Atomic uint64_t active_until_ns; /* CLOCK_MONOTONIC: the reader's word is good until then. */
    struct ring_epoch epoch[RING_EPOCHS];
    _Atomic uint32_t writer[RING_WRITERS];
    _Alignas(64) _Atomic uint64_t in_flight[EVHOOKS_KIND_MAX];
    _Alignas(64) _Atomic uint64_t counter[6][EVHOOKS_KIND_MAX]; /* 0 decided, then by result. */
    _Alignas(64) _Atomic uint64_t bucket_ns[EVHOOKS_KIND_MAX][RING_ZONES];
    struct ring_refused refused[EVHOOKS_KIND_MAX][RING_ZONES][RING_CAUSES];
};

struct evhooks_ring {
    struct ring_header *h;
    struct ring_slot *slot;
    uint64_t mask;
    size_t size;
    int fd, reader_fd;
    uint32_t pid;
    uint64_t cursor; /* Reader: the next index to read; from h->read up to here is not released. */
    uint64_t stuck_index, stuck_ns; /* Reader: a claimed slot that waits for its commit. */
    uint64_t reported[EVHOOKS_KIND_MAX][RING_ZONES][RING_CAUSES];
    uint64_t said_ns[EVHOOKS_KIND_MAX][RING_ZONES][RING_CAUSES];
    uint64_t epoch_index; /* Reader: the index of what was claimed last when it opened. */
    char name[128];
};

/* admit.c: A2 up to the claim. */
enum evhooks_result admit_check(struct ring_header *h, unsigned group, uint8_t kind, uint16_t zone,
                                uint64_t now_ns);
bool admit_is_active(const struct ring_header *h, unsigned group, uint64_t now_ns);
void admit_release(struct ring_header *h, uint8_t kind);
void admit_count(struct ring_header *h, enum evhooks_result result, uint8_t kind, uint16_t zone,
                 uint64_t time_ns);

/* ring.c, for tests: the claim alone, as a writer that dies after it would leave it. */
struct ring_slot *ring_claim(struct evhooks_ring *r, uint64_t *index);

#endif
