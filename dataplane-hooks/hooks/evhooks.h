/* libevhooks: how a dataplane hands tagged events to evrepd.  See evhooks(3).
 *
 * One ring of fixed slots in shared memory (/dev/shm/NAME), many workers (threads and processes),
 * one reader.  A claim takes a slot and its tag (node, epoch, sequence) in one atomic step: a full
 * ring drops and counts, and consumes no sequence (protocol A2).  No call of a worker makes a
 * system call, takes a lock or allocates, once the worker is open.
 *
 * Integers are in host order, addresses in network order (IPv4 in the first 4 of 16 bytes).
 * Functions that return int return 0, or a negative errno.  No global state.
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
#define EVHOOKS_KIND_MAX   8   /* Kinds 1..6 of the contract; 0: any other type. */
#define EVHOOKS_GROUP_MAX  128 /* Redundancy groups 0..127. */
#define EVHOOKS_EPOCHS     64  /* Epochs that may lie in a ring at a time, by half their number. */
#define EVHOOKS_ZONE_MAX   256 /* Limited and counted apart; zones above share the last. */
#define EVHOOKS_NAME_MAX   64  /* Of a ring, with its final zero. */
#define EVHOOKS_WORKER_MAX 64  /* Open at a time in one ring, the reader's own included. */

enum evhooks_kind {
    EVHOOKS_SESSION_OPEN = 1,
    EVHOOKS_SESSION_CLOSE = 2,
    EVHOOKS_POLICY_DENY = 3, /* 3, 4 and 6 are telemetry: limited, and capped in flight. */
    EVHOOKS_SCREEN_DROP = 4,
    EVHOOKS_ALG_REQUEST = 5,
    EVHOOKS_FILTER_LOG = 6,
};

enum evhooks_result {
    EVHOOKS_OK = 0,
    EVHOOKS_NOT_OWNER = 1,    /* The group is not active on this node (A1). */
    EVHOOKS_RATE_LIMITED = 2, /* Token bucket of (kind, ingress zone) is empty. */
    EVHOOKS_CAPPED = 3,       /* In-flight cap of the kind, or of all telemetry. */
    EVHOOKS_RING_FULL = 4,
    EVHOOKS_CLOSED = 5, /* No epoch is open: the reader never started. Counts as ring full. */
};

struct evhooks_ring;   /* One mapping of one ring; any number in a process. */
struct evhooks_worker; /* One thread's place in a ring. */

/* ---- both sides ---- */

struct evhooks_options {
    uint32_t slots; /* A power of two, 64..1048576; 0: as it is, 16384 when it has to be made. */
    uint8_t node;   /* 0 or 1: the origin in every tag. */
    bool join;      /* Only a ring that is there: -ENOENT instead of making one. */
    /* Of the workers of who opens it; evhooks_worker_limit() changes it: */
    uint32_t rate_per_s; /* Of each (kind, zone); 0: no limit.  evhooks_defaults(): 1000. */
    uint32_t burst;      /* evhooks_defaults(): 1024. */
    /* Of who makes the ring: */
    uint32_t cap_kind;      /* In flight, each kind of telemetry; 0: a third of the slots. */
    uint32_t cap_telemetry; /* Slots in use up to which telemetry is let in; 0: half of them. */
};

void evhooks_defaults(struct evhooks_options *o);

/* NULL, or what is wrong with it as the name of a ring ("is empty"): what evhooks_open() refuses.
 */
const char *evhooks_name_wrong(const char *name);

/* Opens the ring NAME, made by whichever side comes first.  On failure one line in err: a ring of
 * another version, size, owner or node is refused.  The ring survives the death of either side. */
int evhooks_open(struct evhooks_ring **out, const char *name, const struct evhooks_options *o,
                 char *err, size_t err_size);
/* For a handler of SIGBUS, which comes when another process cuts the ring's file off: true when the
 * address is of this ring.  It is memory of this process alone from then on: nobody is active, a
 * worker finds no epoch open, the reader says so (evhooks_damage()).  evhooks_open() writes *out
 * before it looks at the ring, so that a handler may begin then.  Async-signal-safe. */
bool evhooks_cut_off(struct evhooks_ring *r, const void *address);
/* After its workers. */
void evhooks_close(struct evhooks_ring *r);

enum evhooks_place {
    EVHOOKS_IN_PLACE = 0,
    EVHOOKS_REMOVED = 1,  /* Who has it mapped goes on with it; who comes makes another one. */
    EVHOOKS_REPLACED = 2, /* Its name is of another file. */
};
/* What became of the ring's file; two or three system calls, for now and then.  A dataplane whose
 * ring was replaced opens the new one: nobody that starts from now on finds the old one. */
enum evhooks_place evhooks_place(const struct evhooks_ring *r);

/* For the dataplane's own forwarding decision: is the group active here?  Any thread. */
bool evhooks_active(const struct evhooks_ring *r, unsigned group);
/* The same at a time (CLOCK_MONOTONIC, ns) that the caller has read already. */
bool evhooks_active_at(const struct evhooks_ring *r, unsigned group, uint64_t now_ns);
/* The same for one who tells others: until when it is so (CLOCK_MONOTONIC, ns), 0: it is not. */
uint64_t evhooks_active_end(const struct evhooks_ring *r, unsigned group);

struct evhooks_counters { /* By kind; sums over zones.  Monotonic since the ring was made. */
    uint64_t decided[EVHOOKS_KIND_MAX], not_owner[EVHOOKS_KIND_MAX], rate_limited[EVHOOKS_KIND_MAX],
        capped[EVHOOKS_KIND_MAX], ring_full[EVHOOKS_KIND_MAX], tagged[EVHOOKS_KIND_MAX];
};
/* A3.  Any thread.  Every decision is in exactly one outcome, and decided is their sum. */
void evhooks_counters(const struct evhooks_ring *r, struct evhooks_counters *out);

struct evhooks_counts {
    uint64_t decided, not_owner, rate_limited, capped, ring_full, tagged;
};
/* Of one kind and ingress zone. */
void evhooks_counts(const struct evhooks_ring *r, uint8_t kind, uint16_t zone,
                    struct evhooks_counts *out);

/* ---- workers: one thread each, in any process ---- */

/* -EAGAIN, with one line in err: all places are taken.  The kernel tells the reader when the
 * process is gone, also after SIGKILL; a child made by fork() keeps its parent's place until both
 * end. */
int evhooks_worker_open(struct evhooks_worker **out, struct evhooks_ring *r, char *err,
                        size_t err_size);
void evhooks_worker_close(struct evhooks_worker *w);
/* A worker of another ring takes the place of `old`, whose thread rests: what the old one emitted
 * and nobody has released counts as RING_FULL of the new one, by kind and zone, so that it is
 * stated.  Some of it may have been journaled by a reader that died.  How many. */
uint64_t evhooks_worker_inherit(struct evhooks_worker *w, const struct evhooks_worker *old,
                                uint64_t time_ns);
/* Open ones, in any process, without the reader's own. */
uint32_t evhooks_workers(const struct evhooks_ring *r);
/* By its thread: another limit from now on.  What was admitted counts on. */
void evhooks_worker_limit(struct evhooks_worker *w, uint32_t rate_per_s, uint32_t burst);

/* Slots that are free now, for one that can wait, as at its end: a full ring drops.  Not less than
 * there are when other workers emit nothing; all of them while no epoch is open, for nobody would
 * make room. */
uint32_t evhooks_worker_room(struct evhooks_worker *w);

/* Admission in the order of A2 and, when admitted, a tagged copy of `event` in the ring.
 * group: redundancy group; now_ns: CLOCK_MONOTONIC, for the limiter; time_ns: CLOCK_REALTIME of
 * the decision; names_generation: of the name tables in force, 0: none.  kind and zone are read
 * from the event itself (offsets 52 and 48). */
enum evhooks_result evhooks_emit(struct evhooks_worker *w, unsigned group, uint64_t now_ns,
                                 uint64_t time_ns, uint32_t names_generation,
                                 const uint8_t event[EVHOOKS_EVENT_SIZE]);

/* ---- the same, a call for each kind: the event is made here ---- */

struct evhooks_at { /* Where and when a decision was made. */
    unsigned group;
    uint32_t names_generation;
    uint64_t now_ns;  /* CLOCK_MONOTONIC; also the event's own time (ns since boot). */
    uint64_t time_ns; /* CLOCK_REALTIME */
};

struct evhooks_flow {
    uint8_t family; /* 2: IPv4, 10: IPv6 */
    uint8_t protocol;
    uint8_t action; /* 0 deny, 1 permit, 2 reject */
    uint16_t source_port, destination_port;
    uint16_t zone_in, zone_out;
    uint32_t ifindex; /* Ingress. */
    uint8_t source[16], destination[16];
};

struct evhooks_session {
    uint32_t policy, created_s; /* Creation: s since boot, 0: unknown. */
    uint16_t application;       /* 0: unknown. */
    uint16_t nat_source_port, nat_destination_port;
    uint8_t nat_source[16], nat_destination[16]; /* Zero: no translation. */
};

struct evhooks_traffic {
    uint64_t packets_out, bytes_out; /* Client to server. */
    uint64_t packets_in, bytes_in;
    uint8_t reason; /* Contract 5.3: 1 idle, 2 FIN, 3 RST, 4 aged out, 5 policy; 0 none. */
};

enum evhooks_result evhooks_session_open(struct evhooks_worker *w, const struct evhooks_at *at,
                                         const struct evhooks_flow *f,
                                         const struct evhooks_session *s);
/* The contract's record has no type for an update: it is an open again, as its frame type 3 is. */
enum evhooks_result evhooks_session_update(struct evhooks_worker *w, const struct evhooks_at *at,
                                           const struct evhooks_flow *f,
                                           const struct evhooks_session *s);
enum evhooks_result evhooks_session_close(struct evhooks_worker *w, const struct evhooks_at *at,
                                          const struct evhooks_flow *f,
                                          const struct evhooks_session *s,
                                          const struct evhooks_traffic *t);
/* rule: 0 for the default.  owner_group: of the egress, at the contract's offset 64, where every
 * event but a close has the group that it is of. */
enum evhooks_result evhooks_policy_deny(struct evhooks_worker *w, const struct evhooks_at *at,
                                        const struct evhooks_flow *f, uint32_t rule,
                                        int16_t owner_group);
/* screen: the flag of contract 5.6. */
enum evhooks_result evhooks_screen_drop(struct evhooks_worker *w, const struct evhooks_at *at,
                                        const struct evhooks_flow *f, uint32_t screen);
enum evhooks_result evhooks_alg_request(struct evhooks_worker *w, const struct evhooks_at *at,
                                        const struct evhooks_flow *f, uint32_t policy,
                                        uint16_t application);
/* source: contract 5.5, 1 pbr, 2 input, 3 output, 4 cached output, 5 lo0.  zone_out: of 3 and 4
 * alone. */
enum evhooks_result evhooks_filter_log(struct evhooks_worker *w, const struct evhooks_at *at,
                                       const struct evhooks_flow *f, uint32_t filter, uint32_t term,
                                       uint8_t source);

/* ---- the reader: one process, one thread ---- */

/* What a stated record stands for at the source that it came from; kept in its slot, so that a
 * reader that comes after a crash knows what the ring has already.  Meanings are the reader's. */
struct evhooks_mark {
    uint8_t source; /* 0: none. */
    uint8_t what;
    uint32_t run;
    uint64_t from, to;
};

struct evhooks_record {
    uint64_t time_ns;
    uint32_t epoch, sequence;
    uint32_t names_generation;
    uint8_t kind;      /* Of the contract, or 128.. for what evrepd states itself. */
    uint8_t source;    /* enum record_source of replicator/core/record.h. */
    uint8_t abandoned; /* The worker died between claim and commit (A4): no payload. */
    uint8_t event[EVHOOKS_EVENT_SIZE];
};

/* Takes the reader's lock; -EBUSY when another reader lives, -EPROTO when the ring is damaged. */
int evhooks_reader_open(struct evhooks_ring *r);

/* NULL, or what another process did to the ring: one line.  Nothing is read from it any more.  To
 * who is not the reader it tells only of a file that was cut off. */
const char *evhooks_damage(const struct evhooks_ring *r);

/* How many free slots another process has overwritten since evhooks_open(): no worker could claim
 * them, its events counted as ring full, until evhooks_read() found nothing to read, or
 * evhooks_reader_open(), set them right. */
uint64_t evhooks_repaired(const struct evhooks_ring *r);

/* How many counters of what was refused another process has overwritten since evhooks_open(), as
 * far as can be seen: they went back, or further ahead than any worker counts.  Nothing is stated
 * of such a step; what is refused from then on is. */
uint64_t evhooks_miscounted(const struct evhooks_ring *r);

/* Copies up to n records in position order, each checked (another process wrote it).  A slot
 * claimed but not committed stops it, until its worker has committed it or is dead (then it is
 * returned as abandoned).  Records of one call are of one epoch.  The slots stay taken until
 * evhooks_release(): a reader that dies before has the next one read them again. */
size_t evhooks_read(struct evhooks_ring *r, struct evhooks_record *out, size_t n);

/* Frees the slots of all that was read: it is safe elsewhere now. */
void evhooks_release(struct evhooks_ring *r);

/* Counts every claim since the ring was made: what is claimed now, and how far it is released.
 * A statement is safe elsewhere once `released` has reached `claimed` as it was after it. */
uint64_t evhooks_claimed(struct evhooks_ring *r);
uint64_t evhooks_released(const struct evhooks_ring *r);
uint32_t evhooks_slots(const struct evhooks_ring *r);

/* Opens `epoch` (above the one that is open): claims from now on are tagged (epoch, 2), (epoch, 3),
 * …; sequence 1 is the EPOCH-OPEN record, which the caller makes itself and which is not in the
 * ring. previous, last: the epoch that was open (0: none) and its last claimed sequence.
 * -EAGAIN: the place of this number (epoch / 2 modulo EVHOOKS_EPOCHS) is taken: by records of an
 * earlier epoch, so read and release some first; or by the epoch that is open, until another is. */
int evhooks_epoch_open(struct evhooks_ring *r, uint32_t epoch, uint32_t *previous, uint32_t *last);

/* How the epoch that is open was opened, for a reader whose predecessor died before it could make
 * the EPOCH-OPEN record; 0s: none is open, or it is not known any more. */
void evhooks_epoch_opened(struct evhooks_ring *r, uint32_t *epoch, uint32_t *previous,
                          uint32_t *last);

/* The open epoch and its last claimed sequence: P of the live segment; 0s: none.  Either side. */
void evhooks_produced(struct evhooks_ring *r, uint32_t *epoch, uint32_t *last);

/* For records that the reader itself states or that come from another source: no admission,
 * straight to the claim.  mark: may be NULL.  -EAGAIN: the ring is full. */
int evhooks_state(struct evhooks_ring *r, uint8_t kind, uint8_t source, uint64_t time_ns,
                  uint32_t names_generation, const uint8_t event[EVHOOKS_EVENT_SIZE],
                  const struct evhooks_mark *mark);

/* The marks of what was stated and is not released, in order; *cursor starts at 0. */
bool evhooks_marks(struct evhooks_ring *r, uint64_t *cursor, struct evhooks_mark *out);

#define EVHOOKS_MEMORY_SIZE 131072
/* The reader's own memory: zero at first, it lives as long as the ring.  Other processes can write
 * it: check what you find. */
void *evhooks_memory(struct evhooks_ring *r);

/* Which redundancy groups are active here; seen by the workers at their next emit. */
void evhooks_activate(struct evhooks_ring *r, unsigned group, bool active);
/* The reader's word on activity is good until then (CLOCK_MONOTONIC): when it dies, its groups stop
 * being active before the peer takes them, so that two nodes never decide at a time. */
void evhooks_active_until(struct evhooks_ring *r, uint64_t until_ns);

/* What was refused of one (kind, zone, cause) since its last statement: a SUPPRESSED record. */
struct evhooks_suppressed {
    uint8_t kind, cause; /* cause: enum suppressed_cause of replicator/core/record.h. */
    uint16_t zone;
    uint64_t count, first_ns, last_ns; /* CLOCK_REALTIME, of these alone. */
    uint64_t upto;                     /* For evhooks_suppressed_state(). */
};
/* false: no more now.  Each at most once a second, by now_ns (CLOCK_MONOTONIC). */
bool evhooks_suppressed_next(struct evhooks_ring *r, uint64_t now_ns,
                             struct evhooks_suppressed *out);
/* States it, and counts it as stated, as one step for any later reader: whatever dies, nothing is
 * stated twice or never.  -EAGAIN: the ring is full; it comes again, with what is added. */
int evhooks_suppressed_state(struct evhooks_ring *r, const struct evhooks_suppressed *s,
                             uint8_t kind, uint8_t source, uint64_t time_ns,
                             uint32_t names_generation, const uint8_t event[EVHOOKS_EVENT_SIZE]);

#ifdef __cplusplus
}
#endif
#endif
