/* libevhooks: how a dataplane hands tagged events to evrepd.
 *
 * One ring of fixed slots in shared memory (/dev/shm/NAME), many writers (threads and processes),
 * one reader.  A claim takes a slot and its tag (node, epoch, sequence) in one atomic step: a full
 * ring drops and counts, and consumes no sequence (protocol A2).  No call on the writer's side
 * makes a system call, takes a lock or allocates.
 */
#ifndef EVHOOKS_H
#define EVHOOKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define EVHOOKS_EVENT_SIZE 136 /* The reference contract, section 4. */
#define EVHOOKS_KIND_MAX   8   /* Kinds 1..6 of the contract; 0 and 7 are never used. */
#define EVHOOKS_GROUP_MAX  128 /* Redundancy groups 0..127. */

enum evhooks_result {
    EVHOOKS_OK = 0,
    EVHOOKS_NOT_OWNER = 1,    /* The group is not active on this node (A1). */
    EVHOOKS_RATE_LIMITED = 2, /* Token bucket of (kind, ingress zone) is empty. */
    EVHOOKS_CAPPED = 3,       /* In-flight cap of the kind, or of all telemetry. */
    EVHOOKS_RING_FULL = 4,
    EVHOOKS_CLOSED = 5, /* No epoch is open: the reader never started. Counts as ring full. */
};

struct evhooks_ring; /* One mapping of one ring; any number in a process, no global state. */

/* ---- both sides ---- */

struct evhooks_options {
    uint32_t slots; /* A power of two, 64..1048576; 0: 16384. */
    uint8_t node;   /* 0 or 1: the origin in every tag. */
    uint32_t
        rate_per_s;    /* Of each (kind, zone); 0: no limit.  Default by evhooks_defaults: 1000. */
    uint32_t burst;    /* Default 1024. */
    uint32_t cap_kind; /* In flight, each telemetry kind (3, 4, 6); 0: slots / 3. */
    uint32_t cap_telemetry; /* In flight, all of these; 0: slots / 2. */
};

void evhooks_defaults(struct evhooks_options *o);

/* Opens the ring NAME, made by whichever side comes first (the reader's options win at creation;
 * flock guards creation).  Returns 0, or a negative errno with one line in err: another version,
 * size, owner uid or node id is refused.  The mapping survives the death of the other side. */
int evhooks_open(struct evhooks_ring **out, const char *name, const struct evhooks_options *o,
                 char *err, size_t err_size);
void evhooks_close(struct evhooks_ring *r);

/* ---- writers: any thread of any process ---- */

/* Admission in the order of A2 and, when admitted, a tagged copy of `event` in the ring.
 * group: redundancy group; now_ns: CLOCK_MONOTONIC, for the limiter; time_ns: CLOCK_REALTIME of
 * the decision.  kind and zone are read from the event itself (offsets 52 and 48).
 * names_generation: of the tables in force.  Every call counts as decided, and as exactly one
 * outcome. */
enum evhooks_result evhooks_emit(struct evhooks_ring *r, unsigned group, uint64_t now_ns,
                                 uint64_t time_ns, uint32_t names_generation,
                                 const uint8_t event[EVHOOKS_EVENT_SIZE]);

/* ---- the reader: one process, one thread ---- */

struct evhooks_record {
    uint64_t time_ns;
    uint32_t epoch, sequence;
    uint32_t names_generation;
    uint8_t kind;      /* 1..6 of the contract, or 128.. for what evrepd states itself. */
    uint8_t source;    /* enum record_source of replicator/core/record.h. */
    uint8_t abandoned; /* The writer died between claim and commit (A4): no payload. */
    uint8_t event[EVHOOKS_EVENT_SIZE];
};

/* Takes the reader's lock (flock); -EBUSY when another reader lives. */
int evhooks_reader_open(struct evhooks_ring *r);

/* Copies up to n records in position order, each checked (another process wrote it).  A slot
 * claimed but not committed stops it, until its writer is known to be dead (then it is returned as
 * abandoned).  Records of one call are of one epoch.  The slots stay taken until
 * evhooks_release(): a reader that dies before has the next one read them again. */
size_t evhooks_read(struct evhooks_ring *r, struct evhooks_record *out, size_t n);

/* Frees the slots of all that was read: it is safe elsewhere now.  The in-flight caps count what is
 * not released. */
void evhooks_release(struct evhooks_ring *r);

/* Opens `epoch` (above the one that is open): claims from now on are tagged (epoch, 2), (epoch, 3),
 * …; sequence 1 is the EPOCH-OPEN record, which the caller makes itself and which is not in the
 * ring. previous, last: the epoch that was open (0: none) and its last claimed sequence. */
void evhooks_epoch_open(struct evhooks_ring *r, uint32_t epoch, uint32_t *previous, uint32_t *last);

/* How the epoch that is open was opened, for a reader whose predecessor died before it could make
 * the EPOCH-OPEN record; 0s: none is open, or it is not known any more. */
void evhooks_epoch_opened(struct evhooks_ring *r, uint32_t *epoch, uint32_t *previous,
                          uint32_t *last);

/* The open epoch and its last claimed sequence: P of the live segment. */
void evhooks_produced(struct evhooks_ring *r, uint32_t *epoch, uint32_t *last);

/* For records that the reader itself states or that come from another source: no admission,
 * straight to the claim.  0, or -1 when the ring is full. */
int evhooks_state(struct evhooks_ring *r, uint8_t kind, uint8_t source, uint64_t time_ns,
                  uint32_t names_generation, const uint8_t event[EVHOOKS_EVENT_SIZE]);

/* Which redundancy groups are active here; seen by the writers at their next emit. */
void evhooks_activate(struct evhooks_ring *r, unsigned group, bool active);
/* The reader's word on activity is good until then (CLOCK_MONOTONIC): when it dies, its groups stop
 * being active before the peer takes them, so that two nodes never decide at a time. */
void evhooks_active_until(struct evhooks_ring *r, uint64_t until_ns);
/* For the dataplane's own forwarding decision. */
bool evhooks_active(const struct evhooks_ring *r, unsigned group);

struct evhooks_counters { /* By kind; sums over zones.  Monotonic since the ring was made. */
    uint64_t decided[EVHOOKS_KIND_MAX], not_owner[EVHOOKS_KIND_MAX], rate_limited[EVHOOKS_KIND_MAX],
        capped[EVHOOKS_KIND_MAX], ring_full[EVHOOKS_KIND_MAX], tagged[EVHOOKS_KIND_MAX];
};
void evhooks_counters(const struct evhooks_ring *r, struct evhooks_counters *out);

/* One summary of what was refused since the last call for that (kind, zone, cause); false: no more
 * now.  At most one a second for each, by now_ns (CLOCK_MONOTONIC). */
struct evhooks_suppressed {
    uint8_t kind, cause; /* cause: enum suppressed_cause of replicator/core/record.h. */
    uint16_t zone;
    uint64_t count, first_ns, last_ns; /* CLOCK_REALTIME. */
};
bool evhooks_suppressed_next(struct evhooks_ring *r, uint64_t now_ns,
                             struct evhooks_suppressed *out);

#ifdef __cplusplus
}
#endif
#endif
