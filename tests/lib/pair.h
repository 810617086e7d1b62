/* Two cores, one virtual clock, two links that only carry bytes, one collector for each sink.  No
 * I/O. */
#ifndef EVREP_TEST_PAIR_H
#define EVREP_TEST_PAIR_H

#include "core.h"
#include "wire.h"

#define MS 1000000ull

enum { PAIR_SEEN_MAX = 65536, PAIR_META_MAX = 1 << 21, PAIR_QUEUE_MAX = 1 << 21 };

struct pair_disk { /* What a node's journal holds. */
    uint8_t meta[PAIR_META_MAX];
    size_t meta_len;
    struct core_range held[64];
    size_t held_count;
};

struct pair_queue { /* Frames on their way, each with a u32 length. */
    uint8_t bytes[PAIR_QUEUE_MAX];
    size_t head, tail;
};

struct pair_node {
    struct core core;
    struct core_output out;
    struct pair_disk disk;
    struct pair_queue in; /* From the peer. */
    bool alive;
    uint32_t ring_epoch, ring_next; /* What its dataplane would tag next. */
    struct core_note note[64];
    size_t note_count;
    struct core_note stated;         /* The last one. */
    struct core_note statement[256]; /* All of them. */
    size_t statement_count;
    bool sink_stalls; /* Takes records and confirms none. */
    bool sink_off;    /* Takes none. */
    bool disk_full;   /* Journals no records of the peer. */
    size_t second;    /* Records that went to the second sink, which confirms at once; */
    bool second_marked;
    struct core_give unconfirmed[256];
    size_t unconfirmed_count;
    struct core_range asked[16]; /* D1: not answered yet. */
    size_t asked_count;
};

struct pair_seen { /* One record at the collector. */
    uint8_t by;
    struct core_range range; /* of one */
    bool in_doubt;
};

struct pair {
    uint64_t now_ns;
    uint8_t version[NODE_COUNT]; /* Wire version of each; 0: the newest. */
    uint64_t boot[NODE_COUNT];   /* Of each host. */
    struct pair_node node[NODE_COUNT];
    struct core_options options;
    bool link;
    uint32_t random;
    struct pair_seen seen[PAIR_SEEN_MAX];
    size_t seen_count;
};

void pair_init(struct pair *p, uint32_t window);
/* Two nodes in a session, with a window of 8, whose sink is as `options` makes it; to be freed. */
struct pair *pair_begin(void (*options)(struct core_sink_options *));
void pair_start(struct pair *p, int node);
/* Both start; then they are in a session, each in an epoch of its own. */
void pair_meet(struct pair *p);
void pair_crash(struct pair *p, int node); /* The process dies: the journal and the ring stay. */
void pair_lose_ring(struct pair *p, int node);
/* The host dies: of the marks only the first meta_len bytes are on the disk. */
void pair_power_cut(struct pair *p, int node, size_t meta_len);
void pair_lose_journal(struct pair *p, int node); /* Of a dead node. */
void pair_connect(struct pair *p);
void pair_cut(struct pair *p);
void pair_cluster(struct pair *p, int node, bool peer_dead, bool may_take);
void pair_produce(struct pair *p, int node, uint32_t count);
/* Its dataplane has tagged up to there: what was not produced lies in its ring. */
void pair_tagged(struct pair *p, int node, uint32_t last);
void pair_confirm(struct pair *p, int node); /* All that its sink holds. */
/* D1: the oldest question. */
void pair_answer(struct pair *p, int node, enum core_answer kind, uint32_t last);
void pair_sink_lost(struct pair *p, int node);
void pair_sink_up(struct pair *p, int node);
void pair_handover(struct pair *p, int node);
void pair_fenced(struct pair *p, int node);
/* One read of what came, and nothing is done about it yet. */
void pair_read(struct pair *p, int node);
/* One read of what came, one flush, one pull.  true: there was something. */
bool pair_work_once(struct pair *p, int node);
/* The next frame on its way to that node, taken out: its length, 0: there is none. */
uint32_t pair_take(struct pair *p, int node, uint8_t frame[FRAME_SIZE_MAX]);
/* It hears this on that link, and does nothing about it yet. */
void pair_give(struct pair *p, int node, int link, const uint8_t *frame, size_t len);
/* Lets both nodes work until neither has anything to do, without time going on. */
void pair_settle(struct pair *p);
void pair_elapse_ms(struct pair *p, uint32_t ms); /* In steps of 10 ms, working. */

/* Is that record named in a statement of that kind by that node? */
bool pair_stated_by(const struct pair *p, int node, uint8_t kind, uint8_t origin, uint32_t e,
                    uint32_t q);
/* By either. */
bool pair_stated(const struct pair *p, uint8_t kind, uint8_t origin, uint32_t e, uint32_t q);

/* How often a record is at the collector; marked: how many of these are marked as in doubt. */
unsigned pair_times(const struct pair *p, uint8_t origin, uint32_t epoch, uint32_t sequence,
                    unsigned *marked);
/* Every tagged record of all epochs is there once, or more often with all but one marked. */
void pair_expect_exactly_once(const struct pair *p);
uint32_t pair_live(const struct pair *p, int node); /* The epoch that is open there. */

/* For cmocka: *state is a pair with a session, each node in an epoch of its own; freed at the end.
 */
int pair_up(void **state);
int pair_end(void **state);
const struct span *pair_span(const struct pair *p, int node, uint8_t origin, uint32_t epoch,
                             uint32_t sequence);

#endif
