/* Two complete nodes in one process, on one virtual clock, from one seed: the shipping core,
 * cluster, journal and wire codec; simulated are the disk, the network, the ring, the collectors
 * and time. The same seed gives the same run, byte for byte.  Not simulated: see README.md beside
 * this file. */
#ifndef EVREP_SIM_H
#define EVREP_SIM_H

#include "cluster.h"
#include "core.h"
#include "journal.h"
#include "record.h"
#include "wire.h"

#include <setjmp.h>
#include <stdio.h>

#define MS 1000000ull

/* The seeds from before each misdirected write met a record, a start could be cut short, and most
 * first faults waited for the nodes' epochs, keep their stories. */
#define STRIKES_SINCE 1795806000000000ull
/* From here on a log of marks may be short, so that it is written anew again and again. */
#define LOGS_SINCE 1795820400000000ull

/* From here on a dead UDP collector refuses what is sent, which is known not to be there. */
#define NONE_SINCE 1795834000000000ull

enum {
    SIM_SINKS = 4,
    SIM_LINKS = 2,
    SIM_FILES = 512,
    RING_SIZE = 1024,
    FLIGHT_MAX = 2048, /* Records on their way to one collector. */
    CONNS_MAX = 64,
    HEAP_MAX = 8192,
    GAPS_MAX = 4096,
    STATED_MAX = 2048,
    OPENS_MAX = 4096,
    SEGMENTS_MAX = 1024,
    NOTES_MAX = 256, /* Statements that wait for a slot of the ring. */
    ASKS_MAX = 2048,
    TRACE_LINES = 50,
    TRACE_WIDTH = 160,
};

/* ---- rng.c ---- */

struct rng {
    uint64_t state;
};

uint64_t rng_next(struct rng *r);
uint32_t rng_below(struct rng *r, uint32_t n); /* 0 .. n - 1 */
bool rng_chance(struct rng *r, uint32_t per_mille);
uint64_t rng_between(struct rng *r, uint64_t low, uint64_t high);

/* ---- disk.c ---- */

struct sim_file {
    char name[DISK_NAME_MAX];
    uint8_t *data;
    size_t len, cap;
    bool exists, kept; /* kept: removed, but a power cut may bring it back. */
};

enum undo_kind { UNDO_NONE, UNDO_WRITE, UNDO_LENGTH, UNDO_CREATE, UNDO_REMOVE, UNDO_RENAME };

struct undo { /* What a power cut can take back, oldest first. */
    uint8_t kind;
    bool gone; /* With its file, for good. */
    uint16_t file;
    uint64_t offset, old_len;
    uint32_t at, len; /* The bytes before, in `saved`. */
    char name[DISK_NAME_MAX];
};

struct sim_disk {
    struct sim_file file[SIM_FILES];
    struct undo *undo;
    size_t undo_count, undo_cap;
    uint8_t *saved;
    size_t saved_len, saved_cap;
    bool full; /* No room. */
    enum {
        SYNCS,
        SYNCS_MARKS,
        SYNCS_NOTHING
    } syncs;                       /* Others fail, and nothing is written back. */
    uint64_t writes, misdirect_at; /* The write that goes to another place; 0: none; */
    bool misdirects;               /* or the next one of records, above the first. */
    uint64_t *lied_ns;             /* Set to `*now` when it does. */
    const uint64_t *now;
    struct rng rng;
    void (*effect)(void *ctx); /* May not return: the process died in the middle. */
    void *ctx;
    struct disk disk;
};

void sim_disk_init(struct sim_disk *d, uint64_t seed, const uint64_t *now, uint64_t *lied_ns);
void sim_disk_wipe(struct sim_disk *d);
void sim_disk_lose_marks(struct sim_disk *d); /* The records stay. */
/* The files of a segment; false: there are none. */
bool sim_disk_lose_segment(struct sim_disk *d, uint8_t origin, uint32_t epoch);
void sim_disk_power_cut(struct sim_disk *d);
void sim_disk_written_back(struct sim_disk *d);

bool sim_disk_rot(struct sim_disk *d); /* One byte of a records file flips; false: there is none. */
void sim_disk_free(struct sim_disk *d);

/* ---- the world ---- */

enum event_kind {
    EV_TICK,
    EV_FRAME,
    EV_DIAL,
    EV_DATA,
    EV_FLIGHT,
    EV_SINK_UP,
    EV_ANSWER,
    EV_FAULT,
    EV_MEND,

    EV_OPERATION, /* The next one is drawn. */
    EV_AIMED,     /* A fault, `a` at node `b`. */
    EV_LEAP,      /* The clock of `a` jumps ahead. */
    EV_FENCE,     /* A fencing command acts, and ends. */
    EV_KINDS,
};

struct event {
    uint64_t at, order;
    uint8_t kind, a, b;
    uint32_t arg;
};

enum fault {
    FAULT_CRASH,       /* The process dies now. */
    FAULT_CRASH_IO,    /* It dies in the middle of an effect. */
    FAULT_HOST,        /* The host dies: what was not synced, the ring and the sockets go. */
    FAULT_FREEZE,      /* Stopped, and thawed later. */
    FAULT_CUT_ONE,     /* One link, both ways. */
    FAULT_CUT_ALL,     /* Both links: split brain. */
    FAULT_CUT_WAY,     /* Both links, one direction. */
    FAULT_CLOG,        /* One link crawls. */
    FAULT_RESET_LINK,  /* A connection of the peers breaks and comes back. */
    FAULT_SINK_RESET,  /* A collector resets: a part of what was in flight is there. */
    FAULT_SINK_SILENT, /* It has all of it, but its confirmation is lost. */
    FAULT_SINK_DEAD,
    FAULT_SINK_SLOW,
    FAULT_SINK_ONE_SIDE, /* Out of reach for one node only. */
    FAULT_JOURNAL_LOST,
    FAULT_DISK_FULL,
    FAULT_ROT,
    FAULT_MISDIRECT,
    FAULT_CLOCK,    /* The node's clock jumps ahead, its wall clock either way. */
    FAULT_FENCED,   /* The operator says `peer fenced`, right or wrong. */
    FAULT_FAILOVER, /* Manual failover, perhaps on both nodes at once. */
    FAULT_FAILOVER_RESET,
    FAULT_BURST,                   /* More events than the ring takes. */
    FAULT_WORKER,                  /* A worker dies between claim and commit. */
    FAULTS_DRAWN,                  /* By faults.c; those below are drawn by operations.c. */
    FAULT_HANDOVER = FAULTS_DRAWN, /* T1: of a sink or of all, perhaps at both nodes at once. */
    FAULT_HANDOVER_STRUCK,         /* And a fault into the midst of it. */
    FAULT_WIRE,   /* Started anew, as another release that speaks another wire version. */
    FAULT_REDIAL, /* A connection is made although there is one. */

    FAULTS,
};

extern const char *const fault_names[FAULTS];

enum sink_kind {
    SINK_UDP,
    SINK_TCP,
    SINK_TLS, /* To this simulator: TCP that nothing can ask (no D1a, no D1b). */
    SINK_RELP,
    SINK_STREAM, /* JetStream: refuses a second writer. */
    SINK_TABLE,  /* PostgreSQL: a unique key on the tag. */
    SINK_FILE,
    SINK_KEPT, /* TCP whose connection outlives the process (D1a). */
    SINK_KINDS,
};

struct item { /* A record as a collector sees it. */
    uint8_t origin, kind;
    bool in_doubt, rejected;
    uint32_t epoch, sequence;
    uint64_t due;
    uint64_t guard; /* SINK_STREAM: what the stream had as its writer last learned. */
    uint64_t proof;
    struct record_note note;
};

struct flight { /* One connection to a collector: the kernel's part outlives the process. */
    bool used, attached, broken;
    bool refused; /* SINK_STREAM: one write was, and each one after it expects that one. */
    uint8_t node, sink;
    uint16_t name;                /* Of this connection; never 0. */
    uint32_t head, arrived, tail; /* confirmed <= arrived <= sent, counted for ever */
    uint64_t last_due, stamp;     /* stamp: when it learned what the stream has. */
    struct item item[FLIGHT_MAX];
};

struct ring_entry {
    uint32_t epoch, sequence;
    uint8_t kind;
    bool abandoned;
    uint64_t stuck_until; /* A dead worker's slot. */
    struct record_note note;
};

struct sim_ring { /* Shared memory: outlives the process, not the host. */
    uint32_t epoch, next, previous, previous_last;
    uint64_t read, claimed;
    struct ring_entry entry[RING_SIZE];
    bool active[2];
    uint64_t active_until;
    uint64_t decided, tagged, full;
};

struct pipe_end {
    uint8_t *bytes;
    size_t head, tail, cap;
    uint64_t last_due;
};

struct sim_link {
    bool up[NODE_COUNT]; /* As each end sees it. */
    bool open;
    uint32_t generation;
    struct pipe_end to[NODE_COUNT];
    bool cut[NODE_COUNT];    /* Towards that node. */
    uint32_t at[NODE_COUNT]; /* staggered: the connection that each end is in, */
    bool proving;            /* node 1 has not proved the newest yet. */
    uint64_t clog_ns;
};

struct ask {
    uint8_t sink;
    uint32_t losses; /* Of that sink's connection, when it was asked. */
    uint32_t life;   /* Of the process that asked. */
    struct core_range range;
};

enum memory { MEMORY_NONE, MEMORY_TAKEOVERS, MEMORY_ALL };

enum { SETTLED_MAX = 64 };

struct settled { /* alike.c: as this process settled last, or met its peer. */
    uint64_t of;
    uint32_t nonce, peer_nonce;
    size_t count;
    struct settled_segment {
        uint8_t origin;
        uint32_t epoch, end; /* end: where it is closed; SEQUENCE_MAX: it is not. */
        struct delivery at[SIM_SINKS];
    } segment[SETTLED_MAX];
};

struct node {
    uint8_t id;
    bool host_up, running, frozen;
    uint32_t life; /* Of the process. */
    uint64_t clock_offset;
    int64_t wall_offset;
    bool set_back;                    /* The wall clock, since it was last right. */
    uint64_t started_at, waits_until; /* True time: of this life's start; see faults_leap(). */
    uint32_t clock_ppm;               /* Faster than true time by so much. */
    uint64_t boot;
    uint64_t fuse; /* Effects until it dies; 0: none. */
    jmp_buf died;
    bool in_call;
    bool recovers; /* What its journal has it does not know yet. */
    struct sim_disk disk;
    struct sim_ring ring;
    struct core core;
    struct core_output out;
    struct cluster cluster;
    struct journal *journal;
    uint64_t cursor;   /* In the ring. */
    size_t feed_count; /* Read and not yet journaled. */
    uint8_t feed[256 * RECORD_SIZE];
    struct core_note note[NOTES_MAX];
    size_t note_count;
    uint32_t note_at; /* In the range of the first: the record that is looked at next. */
    struct core_restated restated;
    uint32_t newest_epoch;
    bool had_segments, flushing;
    bool fenced_said;
    uint8_t handover_seen; /* enum handover_state, as of the last flush. */
    uint8_t giving;        /* Sinks of the hand-over that runs, bits. */
    uint8_t version;       /* Of the wire; 0: the newest. */
    bool fence_out;        /* Its fencing command runs. */
    uint64_t asked_handover;
    bool contested;                                   /* The peer gives at the same time. */
    uint64_t takeovers, settlements, epoch_opened_ns; /* In the life of this process. */
    uint64_t took_of;                                 /* The loss after which it took over. */
    bool was_up;                                      /* At its last flush. */
    bool taking;        /* At this flush it may take over: how much of each may be in doubt. */
    uint64_t taking_of; /* The loss of which that was looked at. */
    uint32_t may_doubt[SEGMENT_MAX][SIM_SINKS];
    bool alone, takes; /* progress.c: as this flush begins. */
    bool says;         /* words.c: so. */
    uint64_t parted_ns;
    struct {
        struct flap {
            uint32_t life[NODE_COUNT], losses[NODE_COUNT];
            uint64_t takeovers[NODE_COUNT];
        } up, lost;                /* As of the last flush in a session, also when that is lost. */
        uint64_t doubt[SIM_SINKS]; /* As the last session was lost. */
        bool is_up, resumed;
    } flap;
    struct { /* Of segments of the other node that were not lost, when they were looked at last. */
        uint32_t epoch;
        bool lacking; /* Some sink lacks what was produced and is not held here. */
        bool pending; /* words.c: as this flush begins, of either node's. */
    } was[SEGMENT_MAX];
    uint64_t granted_ns; /* When it last granted a lease, or may have, by its clock. */
    uint8_t session_said, session_aimed;
    uint8_t remembers;   /* enum memory: what its successor has to know of `before`. */
    struct core *before; /* As it was at its last death. */
    bool before_power;   /* With which durability. */
    struct {
        bool up, reachable;
        bool unheard; /* Lost while it was frozen: it reads of it when it thaws. */
        int flight;   /* -1: none. */
        uint32_t losses;
    } sink[SIM_SINKS];
    bool has[SIM_SINKS];
    bool drops_sink; /* At its next start it does not have the last one. */
    struct core_sink_options configured[SIM_SINKS]; /* As it was started last, */
    bool power;                                     /* and with which durability. */
    struct ask ask[ASKS_MAX];
    unsigned asks;
    struct settled settled, met;
    bool meets;
};

struct seen { /* One record of one segment. */
    uint8_t once[SIM_SINKS], marked[SIM_SINKS];
    uint8_t by[SIM_SINKS]; /* Bits of the nodes that it came from. */
    uint8_t kind;
    uint8_t hidden; /* Bits of the sinks: see oracle_answered(). */
    /* Bits of the sinks that may get it from this node again: it was the peer's meanwhile, or its
     * connection could not tell. */
    uint8_t again[NODE_COUNT];
    bool own;                              /* Its origin has journaled it. */
    bool unowed;                           /* To the last sink: an operator took that away. */
    bool handed;                           /* To some sink, once, by somebody. */
    bool copied;                           /* The peer's journal has it, or had no need to. */
    bool intact[SIM_SINKS];                /* Not lost in its place.*/
    uint16_t given[SIM_SINKS][NODE_COUNT]; /* SINK_KEPT: the last connection that took it. */
};

struct seen_segment {
    uint8_t origin;
    uint32_t epoch, last, cap;
    uint64_t opened_ns;
    uint64_t writer[SIM_SINKS], written[SIM_SINKS]; /* SINK_STREAM: the last one, and when. */
    uint64_t view[SIM_SINKS][NODE_COUNT];           /* When that node last asked. */
    bool tail_unknown;                              /* The ring died with it. */
    bool given_up;                                  /* Some of it, by a journal at its limit. */
    bool unasked; /* Some of it was stated as lost while a sink that might have told was gone, or it
                   * was still on its way to one, also as a sink answered. */
    struct seen *record;
};

struct gap {
    uint8_t kind, sink;
    struct core_range range;
};

struct stated { /* A statement as its node made it: what it says, and where it stands. */
    uint8_t origin, kind;
    uint32_t epoch, sequence;
    struct core_range range;
};

struct opened {
    uint8_t origin;
    uint32_t epoch, previous, last;
    bool known;
    uint64_t opened_ns;
};

struct sim_stats {
    uint64_t runs, records, marked, gaps, in_doubt_gaps, faults[FAULTS], steps, ns;
    /* Processes and hosts that died, both links cut, failover commands; after how many of them a
     * node took over. */
    uint64_t outages, failovers;
    uint64_t relapses; /* Outages before the one before was settled. */
    uint64_t settlements, takeovers, lost_in_place;
    uint64_t handovers, handovers_done, moved, kept;
    uint64_t cut_starts; /* Processes that died as they started. */
};

struct world {
    uint64_t seed, now;
    struct rng rng;
    struct rng more;  /* Of operations.c: a seed without operations is the same run as ever. */
    struct rng aim;   /* Of aimed.c, so too. */
    struct rng spoil; /* Of what is aimed at journals, so too. */
    bool trace, plain, unaimed;
    struct event heap[HEAP_MAX];
    size_t heap_count;
    uint64_t order;
    struct node *node[NODE_COUNT];
    struct sim_link link[SIM_LINKS];
    struct flight *flight[CONNS_MAX];
    /* What this seed draws. */
    size_t sink_count;
    uint8_t sink_kind[SIM_SINKS];
    bool sink_dead[SIM_SINKS];
    uint64_t sink_delay[SIM_SINKS];
    struct core_options options;
    bool power, two_groups, ending, gentle;
    uint64_t heartbeat_ns, dead_ns, latency_ns, end_ns;
    uint32_t rate[FAULTS], rate_sum, data_rate;
    uint32_t nonce;
    /* Operations. */
    uint32_t more_rate[FAULTS], more_sum;
    struct rng answering; /* Of its own, too. */
    bool slow_answers;    /* D1: a question may be on its way for long. */
    struct rng unsyncing; /* Of its own, too. */
    bool unsyncs;         /* A disk that is full may be one whose syncs fail instead. */
    struct rng narrowing; /* Of its own, too. */
    bool narrow;          /* A cut of one direction may leave the other link whole. */
    bool operations;      /* This seed has some, */
    bool quiet;           /* and nothing else. */
    bool staggered;       /* A connection is up at node 0 before it is at node 1. */
    bool fencing[NODE_COUNT], fence_lied;
    struct rng editing;  /* Of its own, too. */
    bool edits_limits;   /* Window, hold time and policy may be others at a start, */
    bool edits_power;    /* the durability, */
    bool edits_sinks;    /* and whether a node has the last sink; */
    bool sink_came;      /* that was so. */
    struct rng flipping; /* Of its own, too. */
    bool flips;          /* A taker loses the last sink; one that gets it back meets a power cut. */
    enum sim_story {     /* What every seed has, where a rare coincidence is looked for. */
                     STORY_ANY,
                     STORY_FLIPS,
                     STORY_EDITS,    /* A sink comes and goes, and nobody forgets anything. */
                     STORY_OPENINGS, /* The power goes as an epoch opens. */
                     STORY_FENCED,   /* Both nodes fence, in vain, and the power takes what was not
                                                     synced. */
                     STORY_HARSH, /* What makes a node forget, and what is edited, often together.
                                   */
                     STORIES,
    } story;
    struct rng starting;  /* Of its own, too. */
    uint64_t log_bytes;   /* Of a log of marks, before it is written anew; 0: as ever. */
    uint64_t first_ns;    /* Nothing strikes before: both nodes have an epoch by then. */
    uint32_t start_falls; /* Of 1,000 starts those that an effect ends. */
    bool host_falls;      /* A process that dies in an effect may take its host along. */
    struct rng relapsing; /* Of its own, too. */
    uint32_t relapse;     /* Of 1,000 outages that end: those with a second one at their heels; */
    uint32_t relapses;    /* those that had the choice; */
    bool relapses_first;  /* the first of these has none. */
    struct rng refencing; /* Of its own, too. */
    bool refences; /* A node may start with its fencing command, or without it, unlike before. */
    uint32_t fence_fails, fence_lies; /* Per mille. */
    uint32_t aim_hello, aim_settled, aim_lost, aim_asked, aim_fresh, aim_behind,
        aim_file;      /* Per mille, of which a fault is aimed at. */
    bool steady;       /* Each node keeps to a link of its own. */
    bool late;         /* Files go as the faults end. */
    bool questions_go; /* With the connection that they went on. */
    uint64_t struck;   /* Faults and their ends, so far. */
    unsigned open;     /* Faults that are not mended. */
    bool calm;         /* Nothing was in doubt anywhere when `struck` was calm_struck. */
    uint64_t calm_struck;
    /* The collectors of SINK_STREAM. */
    uint64_t stamps;
    /* The oracle. */
    struct seen_segment segment[SEGMENTS_MAX];
    size_t segment_count;
    struct gap gap[GAPS_MAX];
    size_t gap_count;
    struct stated stated[STATED_MAX];
    size_t stated_count;
    struct opened opened[OPENS_MAX];
    size_t opened_count;
    struct sim_stats stats;
    bool clock_lied;
    /* When a node last lost its journal; marks, with the power or with that journal; and what its
     * disk destroyed.  0: never. */
    uint64_t journal_lost_ns[NODE_COUNT], marks_lost_ns[NODE_COUNT], disk_lied_ns[NODE_COUNT];
    uint64_t came_ns[NODE_COUNT]; /* When it last got the last sink. */
    uint64_t met_ns;              /* When the last session began. */
    bool small_journals;
    struct rng limit_rng;
    uint16_t conn_names;
    /* Failure. */
    jmp_buf failed;
    char why[256];
    char line[TRACE_LINES][TRACE_WIDTH];
    uint64_t lines;
    FILE *out;
};

/* world.c */
void world_event(struct world *w, uint64_t at, enum event_kind kind, uint8_t a, uint8_t b,
                 uint32_t arg);
void world_trace(struct world *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
#define TRACE(w, ...)                                                                              \
    do {                                                                                           \
        if ((w)->trace)                                                                            \
            world_trace(w, __VA_ARGS__);                                                           \
    } while (0)
_Noreturn void world_fail(struct world *w, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
struct world *world_new(void);
void world_free(struct world *w);
/* One seed; true: every property holds, else `why` and the last lines say what does not. */
bool world_run(struct world *w, uint64_t seed, bool trace);
/* Something happened that may put records in doubt. */
void world_struck(struct world *w);

/* node.c */
uint64_t node_clock(const struct world *w, const struct node *n);
const char *statement_name(uint8_t kind); /* Of a protocol record. */
void node_start(struct world *w, struct node *n);
void node_kill(struct world *w, struct node *n, const char *why);
void node_host_died(struct world *w, struct node *n);
void node_tick(struct world *w, struct node *n);
void node_frame(struct world *w, struct node *n, unsigned link, const uint8_t *at, size_t len);
void node_link(struct world *w, struct node *n, unsigned link, bool up);
void node_operator(struct world *w, struct node *n, enum fault what);
void node_fence_result(struct world *w, struct node *n, bool good);
void node_handover(struct world *w, struct node *n, uint8_t sink); /* Or SINK_ALL. */
void node_sink_up(struct world *w, struct node *n, unsigned sink);
void node_sink_lost(struct world *w, struct node *n, unsigned sink, bool none);
void node_confirmed(struct world *w, struct node *n, unsigned sink, const struct core_range *r);
void node_answered(struct world *w, struct node *n, unsigned sink, const struct core_range *r,
                   enum core_answer answer, uint32_t last);

/* ring.c */
void ring_decide(struct world *w, struct node *n, uint32_t count, bool worker_dies);
bool ring_state(struct world *w, struct node *n, uint8_t kind, const struct record_note *note);
void ring_opened(const struct node *n, uint32_t *epoch, uint32_t *previous, uint32_t *last);
void ring_open(struct world *w, struct node *n, uint32_t epoch, uint32_t *previous, uint32_t *last);
size_t ring_read(struct world *w, struct node *n, uint8_t *out, size_t max);
void ring_release(struct node *n);
uint64_t record_proof(const struct world *w, uint8_t origin, uint32_t epoch, uint32_t sequence);

/* links.c */
void links_dial(struct world *w, unsigned link);
void links_send(struct world *w, const struct node *from, unsigned link, const uint8_t *at,
                size_t len);
void links_close(struct world *w, const struct node *by, unsigned link);
void links_break(struct world *w, unsigned link);
void links_deliver(struct world *w, unsigned link, unsigned to);
void links_mend(struct world *w, unsigned link);
void links_redial(struct world *w, unsigned link);
size_t links_backlog(const struct world *w, const struct node *from, unsigned link);

/* collectors.c */
void collector_connect(struct world *w, struct node *n, unsigned sink);
void collector_push(struct world *w, struct node *n, unsigned sink, const struct item *item);
size_t collector_room(const struct world *w, const struct node *n, unsigned sink);
void collector_work(struct world *w, unsigned flight);
/* Something of it is on its way, also by a process that is dead. */
bool collector_is_owed(const struct world *w, const struct core_range *range);
void collector_reset(struct world *w, struct node *n, unsigned sink, bool all_arrive);
void collector_ask(struct world *w, struct node *n, unsigned sink, const struct core_range *r);
void collector_answer(struct world *w, struct node *n, unsigned ask);
void collector_detach(struct world *w, struct node *n, bool host_died);
/* Of a file, what was not synced goes with the power. */
void collector_power_cut(struct world *w, struct node *n);
void collector_retry(struct world *w, struct node *n, unsigned sink);

/* oracle.c */
/* The run that q is in; NULL: it is done. */
const struct span *oracle_span(const struct delivery *d, uint32_t q);
void oracle_reset(struct world *w);
/* T5: `epoch`, or one above what no clock of node n may name again: what was used before both
 * journals went; and, where its clock was set back, what it opened after both last met and before
 * its journal went, which nobody else was told. */
uint32_t oracle_fresh_epoch(const struct world *w, const struct node *n, uint32_t epoch);
/* Node n starts without the last sink. */
void oracle_sink_goes(struct world *w, const struct node *n);
void oracle_tagged(struct world *w, uint8_t origin, uint32_t epoch, uint32_t sequence,
                   uint8_t kind);
void oracle_stated(struct world *w, uint8_t origin, uint32_t epoch, uint32_t sequence, uint8_t kind,
                   const struct record_note *note);
/* D1a: what the present connection of that node was given of it. */
void oracle_given(struct world *w, unsigned sink, uint8_t node, const struct item *i,
                  uint16_t connection);
enum core_answer oracle_written(struct world *w, unsigned sink, uint8_t node,
                                const struct core_range *r, uint16_t connection, uint32_t *last);
/* Node n asked that sink of r, and was told that it has it up to `last`; less: nothing of it. */
void oracle_answered(struct world *w, const struct node *n, unsigned sink,
                     const struct core_range *r, uint32_t last);
bool oracle_has(struct world *w, unsigned sink, const struct item *i);
void oracle_received(struct world *w, unsigned sink, uint8_t by, const struct item *item);
/* A file has lost it again. */
void oracle_lost(struct world *w, unsigned sink, uint8_t by, const struct item *i);
struct seen_segment *oracle_segment(struct world *w, uint8_t origin, uint32_t epoch);
void oracle_handed(struct world *w, const struct core_range *r); /* By whomever. */
void oracle_own(struct world *w, const struct core_range *r);    /* Its origin has journaled it. */
/* The peer has journaled it. */
void oracle_copied(struct world *w, const struct core_range *r);
/* What only this host had may be missing from now on. */
void oracle_ring_died(struct world *w, uint8_t node);
/* What this host had of its peer, too. */
void oracle_copies_lost(struct world *w, uint8_t node);
void oracle_say(struct world *w, unsigned node); /* Its segments, into the trace. */
/* Since that segment was opened: the node lost marks, or its journal; a disk destroyed something.
 */
bool oracle_forgot(const struct world *w, unsigned node, const struct seen_segment *s);
bool oracle_disk_lied(const struct world *w, const struct seen_segment *s);
/* It has not the last sink, or got it since then. */
bool oracle_was_without(const struct world *w, unsigned node, const struct seen_segment *s);
bool oracle_at_rest(struct world *w, bool say);
void oracle_verdict(struct world *w);
uint32_t oracle_highest(struct world *w, unsigned sink, uint8_t origin, uint32_t epoch,
                        uint32_t from, uint32_t to, int by);

/* memory.c */
void memory_died(struct node *n, bool at_once);
void memory_power_cut(struct node *n);
void memory_check(struct world *w, struct node *n);

/* witness.c */
void witness_sent(struct world *w, struct node *n, const uint8_t *frame, size_t len);
void witness_hand(struct world *w, const struct node *n, unsigned sink,
                  const struct core_give *give);
void witness_flushes(struct world *w, struct node *n); /* Before it does. */
void witness_flushed(struct world *w, struct node *n);
void witness_tick(struct world *w, const struct node *n);
void witness_note(struct world *w, const struct node *n, const struct core_note *note);
void witness_epoch(struct world *w, struct node *n);
void witness_handover(struct world *w, struct node *n, uint8_t sink);

/* progress.c: before a flush and after it. */
void progress_flushes(struct world *w, struct node *n);
void progress_flushed(struct world *w, struct node *n);
void progress_pulled(struct world *w, const struct node *n, unsigned sink);

/* words.c: after a frame; before a flush and after it. */
void words_heard(struct world *w, const struct node *n, const uint8_t *frame, size_t len);
void words_flushes(struct node *n);
void words_flushed(struct world *w, const struct node *n);

/* alike.c */
void alike_look(struct world *w, struct node *n);

/* faults.c */
void faults_draw(struct world *w);
void faults_disk_lies(struct world *w, const struct node *n);
void faults_host_died(struct world *w, struct node *n);
void faults_leap(struct world *w, struct node *n, uint64_t by_ns);
void faults_strike(struct world *w);
void faults_apply(struct world *w, enum fault f, unsigned node, unsigned sink);
void faults_mend(struct world *w, enum fault what, unsigned a);
void faults_mend_all(struct world *w);

/* aimed.c */
void aimed_draw(struct world *w);
/* It begins a hello, or its session is up. */
void aimed_session(struct world *w, const struct node *n);
void aimed_settled(struct world *w, const struct node *n);
void aimed_asked(struct world *w, const struct node *n, unsigned sink);
void aimed_fresh(struct world *w, const struct node *n);
void aimed_leap(struct world *w, struct node *n);
void aimed_tick(struct world *w, const struct node *n);
void aimed_killed(struct world *w, struct node *n);
void aimed_mended(struct world *w, enum fault mended);
void aimed_last(struct world *w);

/* operations.c */
void operations_restart(struct world *w, struct node *n);
void operations_draw(struct world *w);
void operations_next(struct world *w);
void operations_strike(struct world *w);
void operations_fence_run(struct world *w, struct node *n);
void operations_fence(struct world *w, const struct event *e);

#endif
