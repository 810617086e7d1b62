/* The exactly-once protocol as a function (PROTOCOL.md).
 *
 * A shell feeds inputs to core_step(), then calls core_flush() once for the batch.  What has to
 * happen leaves in struct core_output, and the shell does it in this order:
 *     1. metas: append them to the journal and commit.  If that fails the process must end: nothing
 *        else of the output may happen, and a restart recovers from the journal.
 *     2. the rest, in any order: frames, records to send, notes to state, questions to sinks.
 * Records are journaled before the core hears of them (CORE_RECORDS): what the core knows is
 * durable.
 *
 * No I/O, no clock, no randomness, no allocation: times and random bytes come in.
 * Thread rules: one core, one thread.  Times are ns of CLOCK_BOOTTIME.
 */
#ifndef EVREP_CORE_H
#define EVREP_CORE_H

#include "types.h"

enum {
    SEGMENT_MAX = 256, /* Segments that a node keeps of both origins until they are settled. */
    EPOCH_PLACES = 64, /* Epochs of a node that lie in its ring at a time (evhooks.h), by number. */
    DROPPED_MAX = 256,
    GONE_MAX = 16,
    SPAN_MAX = 8, /* Runs of positions of one segment at one sink. */
    META_SIZE_MAX = 512,
    FRAME_SIZE_MAX = 4096,        /* Of the core's own frames; records travel beside it. */
    SEND_BATCH_MAX = 256,         /* Records in one send. */
    SEND_WINDOW = 8192,           /* Records on the link without an acknowledgement. */
    INTENT_WINDOW_DEFAULT = 1024, /* W */
    SINK_ALL = 0xff,              /* For CORE_HANDOVER. */
};

#define SECOND_NS 1000000000ull

enum in_doubt_policy { IN_DOUBT_RESEND, IN_DOUBT_HOLD, IN_DOUBT_SKIP }; /* D2 */

struct core_sink_options {
    uint32_t key;     /* sink_key() of its name: equal on both nodes. */
    uint32_t window;  /* W; 0: INTENT_WINDOW_DEFAULT. */
    uint64_t hold_ns; /* T4: how long to hold before D2; 0: for ever. */
    enum in_doubt_policy policy;
    bool answers;  /* D1: it can be asked for its last position. */
    bool local;    /* Its answer covers only what this node wrote (a file, or a connection, of this
                      host): what the other node may have emitted stays in doubt. */
    bool may_fail; /* It may have to say ANSWER_UNKNOWN (D1a, D1b: the connection was reset), so
                      only what D2 would mark anyway is asked about. */
};

struct core_options {
    uint8_t node;
    bool has_peer;
    bool power;           /* durability = power: what is committed survives the power. */
    uint64_t journal;     /* Random; names this journal from its first mark on. */
    uint64_t boot;        /* Names this boot of the host; 0: unknown. */
    bool fencing;         /* T4a: this node fences before a takeover; what follows from it for what
                             is held only where the peer says the same (its hello). */
    uint64_t drain_ns;    /* T1: how long a hand-over waits for confirmations; 0: a second. */
    uint64_t give_ns;     /* T2: a sink that is down here for so long and up at the peer has its
                             records handed to the peer; 0: only by CORE_HANDOVER. */
    uint8_t wire_version; /* The highest to speak; 0: WIRE_VERSION. */
    uint64_t lease_ns;    /* L */
    uint32_t drift_ppm;   /* Bound on the relative drift of the two clocks. */
    uint64_t hello_ns;    /* How long a hello may take before the link is dropped. */
    uint32_t epoch_records; /* After so many a new epoch is opened; 0: when the numbers run out. */
    uint32_t clock_epoch;   /* Quarters of a second since 2020-01-01, for T5; ends in 2054. */
    size_t sink_count;
    struct core_sink_options sink[SINK_COUNT_MAX];
};

/* FNV-1a of the name; configuration refuses two names with one key. */
uint32_t sink_key(const char *name);

/* A run of positions of one segment at one sink that has one owner.  E, H, I, G and D are
 * sequences, inclusive; from - 1 means none yet. from - 1 <= emitted <= handed <= intent,  granted
 * <= intent,  intent <= to */
struct span {
    uint32_t from, to; /* to: SEQUENCE_MAX while the segment is open. */
    uint32_t term;     /* Raised by each change of owner; the higher term is right. */
    uint8_t owner;
    uint8_t asked; /* D1: enum ask_state. */
    bool resumed;  /* T4: the operator or the hold time let its owner go on without the peer. */
    bool foreign;  /* D: the other node may have emitted it, so that only a common sink can tell. */
    bool guarded;  /* D1: what this connection's guard stands on is an answer about it. */
    bool came;     /* E grew here, and the peer owns it. */
    bool report;   /* E grew since the peer was told. */
    uint8_t handing; /* T1: enum hand_state, at its owner. */
    bool offer_told; /* On this link. */
    bool apart; /* Cut off for an offer that was declined: the peer may have it as one with the span
                   below. */
    uint64_t marks_ns; /* When its E was told last. */
    uint64_t drain_end_ns;
    uint32_t emitted;   /* E: the sink has confirmed it. */
    uint32_t told;      /* E in the facts that the peer settles by. */
    uint32_t handed;    /* H: given to the sink by this process. */
    uint32_t intent;    /* I: journaled here, asked of the peer. */
    uint32_t requested; /* The intent of the last request. */
    uint32_t granted;   /* G: the intent that the peer has made durable too. */
    uint32_t doubt;     /* D: up to here a record may be at the sink already. */
    uint32_t begun;     /* I as the process or the session began (N6), or an answer left it (D1). */
};

struct delivery { /* One segment at one sink; spans in order, what is not in any is done. */
    struct span span[SPAN_MAX];
    uint8_t count;
    bool dirty;
    bool marked;     /* In recovery: there are marks of it. */
    bool unheard;    /* What the peer gave to the sink before is unknown, as this node has not
                        had the sink all the time. */
    bool blind;      /* Of ours: so it is with the peer, as its fact says. */
    bool was_shared; /* So it was before those of this hello; of the peer's, as its fact says. */
    bool shared; /* Of ours: the peer had the sink as our facts went to it last, and may take over
                    there. */
};

enum segment_state {
    SEGMENT_FREE,
    SEGMENT_LIVE,
    SEGMENT_DRAINING,
    SEGMENT_HELD,
    SEGMENT_TAKEN,
    SEGMENT_HANDED_OVER,
    SEGMENT_SETTLED,
};

enum gap_state { GAP_NONE, GAP_PENDING, GAP_LOST, GAP_FILLED };

/* Marks of a segment.  While a session is up: E <= I <= R <= S <= J <= P (section 2). */
struct segment {
    uint32_t epoch;
    uint8_t origin;
    uint8_t state;     /* enum segment_state; only segment_move() writes it. */
    bool closed;       /* No more is produced: `last` is its last sequence. */
    bool begun_before; /* By an earlier process of its origin: its file may lack what was sent. */
    bool hollow_kept;  /* Our journal says so, too. */
    bool hollow;       /* Its origin has stand-ins for what its replica may hold. */
    bool ended;        /* No more is produced, and its end went with the ring (at its origin). */
    bool done, peer_done; /* Nothing left to hand over, as this node and as the peer say. */
    bool told_done;
    bool fact_seen;   /* The peer's hello spoke of it, */
    bool fact_told;   /* ours did. */
    bool fact_undone; /* Ours of this session: so the peer keeps it until it has our word. */
    bool ack;         /* A replica owes the origin an acknowledgement. */
    bool dirty;
    bool lost;        /* The origin's journal is gone: nothing above R will come. */
    bool peer_keeps;  /* Of ours, at a sink that we lack, as the facts of this session say. */
    bool peer_unsure; /* As its hello says. */
    bool has_marks;   /* In recovery: of some sink. */
    bool unsure;      /* Marks of this node may be older than what it did: the power took them. */
    bool unsure_kept; /* So in the journal. */
    uint32_t last;
    uint32_t produced;   /* P; at the replica, as the origin told. */
    uint32_t journaled;  /* Origin: J.  Replica: R. */
    uint32_t told;       /* J as our facts told it last, by which the peer settles (T3). */
    uint32_t base;       /* First sequence that this node's journal holds (J 0 below: none). */
    uint32_t sent;       /* S, at the origin. */
    uint32_t peer_sent;  /* S, at the replica, as the origin's hello says. */
    uint32_t cursor;     /* Sent to the peer on the present link; at or below S. */
    uint32_t sent_bound; /* Durable, at or above S; at the replica, as the origin's hello says. */
    uint32_t replicated; /* R as acknowledged, at the origin. */
    uint32_t gap_from, gap_to;
    uint8_t gap;   /* enum gap_state */
    bool gap_told; /* Stated in a record of ours that the journal holds. */
    bool gap_asked;
    struct delivery at[SINK_COUNT_MAX];
    struct { /* check.c: the marks when they were looked at last. */
        uint64_t settlement;
        uint32_t produced, journaled, sent, replicated;
        uint32_t done[SINK_COUNT_MAX], intended[SINK_COUNT_MAX]; /* Records, at each sink. */
    } seen;
};

/* T1, T2: what became of the last CORE_HANDOVER. */
enum handover_state {
    HANDOVER_NONE,
    HANDOVER_RUNNING,
    HANDOVER_DONE,    /* All of it is the peer's, durable on both sides, nothing of it in doubt, but
                         `stayed` records that were not confirmed in time: those are still ours. */
    HANDOVER_REFUSED, /* `why`.  What the peer already has stays with it; the rest is still ours. */
};

struct core_range {
    uint8_t origin;
    uint32_t epoch, from, to;
};

enum session_state { SESSION_DOWN, SESSION_HELLO, SESSION_UP };

struct core {
    struct core_options o;
    uint64_t now_ns;
    struct segment segment[SEGMENT_MAX];
    uint16_t order[SEGMENT_MAX]; /* Indexes of the segments in use, by (epoch, origin). */
    uint16_t count;
    uint32_t highest_epoch, highest_saved;
    uint32_t first_epoch, own_epoch;   /* That this node minted in the life of its journal. */
    uint32_t known_epoch, minted_from; /* own_epoch as this process found it, and its own first. */
    uint32_t unknown_epoch, unknown_last; /* T5: of an old copy, until the ring is past it. */
    uint32_t peer_first_epoch;            /* As the peer's hello says; 0: none. */
    struct core_dropped { /* The last settled segments: a power loss may bring their files back, or
                             a peer that has lost its marks may ask about them.  The oldest is
                             replaced. */
        uint8_t origin;
        bool left;
        uint32_t epoch;
        bool at_least; /* L4: settled with its origin's word: it ended at `to`, or where its origin
                          knows more, above. */
        uint32_t to;   /* Else no more of it was settled: alone, or without its origin's journal
                          (T5); SEQUENCE_MAX: all of it was. */
    } dropped[DROPPED_MAX];
    uint32_t dropped_next;
    bool dropped_left;                    /* Of some. */
    uint64_t journal;                     /* The identity of our journal, */
    uint64_t peer_journal, hello_journal; /* of the one we settled with, and as the hello says. */
    uint64_t boot_seen;                   /* Of the journal's last writer. */
    bool power_seen;                      /* It synced its marks. */
    uint64_t peer_journal_kept;           /* As our journal has it. */
    bool settled_due;                     /* What the settlement made is not in our journal yet. */
    bool node_dirty;
    bool kept_known; /* The journal says which sinks it was last run with: */
    uint8_t kept_count;
    uint32_t kept[SINK_COUNT_MAX];
    bool fresh; /* T5: this journal has never opened an epoch. */
    struct {
        uint32_t epoch, last;
    } forgotten; /* T5: that the ring was in as it began, and what it had tagged in that. */
    enum earlier_journal {
        EARLIER_UNHEARD, /* That there was one of this node before ours; */
        EARLIER_HEARD,   /* what it opened alone is not passed yet; */
        EARLIER_PASSED,
    } earlier;             /* T5 */
    bool stale, durable;   /* stale: the journal's marks are not all there. */
    uint32_t live_epoch;   /* Ours that is open; 0: none. */
    uint32_t placed_epoch; /* That the ring is in; 0: none. */
    bool epoch_wanted, epoch_asked;
    uint64_t epoch_opened_ns;
    uint64_t started_ns;

    enum session_state session;
    int link;                    /* That carries the core's frames; -1: none. */
    uint8_t links_up;            /* Bits. */
    uint32_t nonce, peer_nonce;  /* Name this session's two ends. */
    uint16_t turn, peer_turn;    /* Moves to another link, ours and the newest of the peer's. */
    int hello_link;              /* That brought the peer's hello, and brings its facts; -1. */
    bool peer_heard;             /* The peer has said something that only follows its hello, */
    bool ends_heard;             /* and something that follows the ends which that begins with. */
    bool hello_told;             /* Our hello is out, */
    bool hello_sent, hello_done; /* with all facts; the peer's is complete. */
    bool facts_out;              /* It was so once, on any link, to any hello of the peer. */
    bool forgot;                 /* Ours is another one than the peer settled with. */
    bool peer_fresh; /* Its journal is another one than we settled with: what it did is unknown. */
    uint64_t hello_ns;
    uint64_t lost_ns;      /* When the session was lost; 0: never had one. */
    uint64_t parted_ns;    /* So, one that was up here: a peer that only begins them is away. */
    uint64_t lease_end_ns; /* N4, as owner. */
    uint64_t grant_end_ns; /* N4, as the peer of an owner: its lease is over for certain. */
    uint64_t renew_ns;
    uint64_t again_ns; /* When what nobody has acknowledged was sent again. */
    bool renew;
    uint64_t heard_ns;   /* What was told before then has been heard. */
    uint64_t grant_time; /* Of the request that is to be acknowledged, by the owner's clock. */
    bool grant_owed;
    bool peer_dead, may_take, fenced;
    bool had_session; /* Since the start of this process. */
    uint64_t takeovers, settlements;
    uint64_t filled[NODE_COUNT]; /* Records that were pending and came, or were done, by origin. */
    uint64_t taken_ns;
    uint32_t peer_sinks[SINK_COUNT_MAX];
    bool peer_has[SINK_COUNT_MAX]; /* By our sink. */
    uint8_t version;               /* Of the session: the lower of the two. */
    bool peer_fences;              /* T4a: as its hello says; */
    bool must_fence;               /* The peer may go on by that, also after a restart of ours. */
    bool both_fence;               /* we both at the last settlement, and it in each hello since. */
    bool peer_up[SINK_COUNT_MAX];  /* T2: as the peer says, by our sink. */
    bool sinks_due;                /* Ours are to be told. */
    struct {
        bool up;
        bool give;         /* T1, T2: to be handed to the peer, */
        uint64_t give_ns;  /* since then. */
        uint64_t since_ns; /* Up or down since then. */
    } sink[SINK_COUNT_MAX];
    struct {
        uint8_t state; /* enum handover_state */
        const char *why;
        uint64_t started_ns;
        uint64_t moved;  /* Runs of records that the peer took, T2 included; since start. */
        uint64_t stayed; /* Records of the last one. */
    } handover;
    uint8_t hand_acks[FRAME_SIZE_MAX]; /* Entries that are to be acknowledged. */
    uint16_t hand_acks_len;
    uint32_t ring_epoch; /* Records of older epochs than this will not come any more. */
    bool marks_due;
    uint64_t
        in_doubt[SINK_COUNT_MAX]; /* Records resent, or stated instead, under D2, since start. */
    uint16_t next_send;
    uint8_t grants[FRAME_SIZE_MAX]; /* Entries of the intent that is to be acknowledged. */
    uint16_t grants_len;
    struct {
        uint8_t origin;
        uint32_t epoch;
    } gone[GONE_MAX]; /* The peer still asks about these. */
    uint8_t gone_count;
    struct { /* What a full journal gives up. */
        struct core_range range;
        bool wanted, asked; /* asked: its statement is on the way to the journal. */
        uint64_t count;     /* Given up and noted, since start. */
    } shed;
    bool ending;                        /* core_end() */
    uint64_t touched[SEGMENT_MAX / 64]; /* Bits: found since check.c looked. */
    bool broken;                        /* The peer broke the protocol: why, in `broken_why`. */
    const char *broken_why;
    uint64_t lies; /* Section 9: frames of the peer that cannot be true. */
};

/* ---- inputs ---- */

enum core_input_kind {
    CORE_TICK,         /* Time went on; at least every 10 ms. */
    CORE_RECORDS,      /* Journaled: `records`. */
    CORE_EPOCH_OPENED, /* The ring is in the epoch that epoch_open asked for: `epoch`. */
    CORE_PRODUCED,  /* P of the live segment: records.epoch, records.to; drained: all that the ring
                       had of it and of older ones is journaled. */
    CORE_LINK_UP,   /* An authenticated connection: link, random. */
    CORE_LINK_DOWN, /* link */
    CORE_LINK_PREFER, /* link: up, and better than the one that carries our frames. */
    CORE_FRAME,       /* From the peer, opened and checked by the link: link, frame. */
    CORE_CONFIRMED,   /* A sink has confirmed: sink, records. */
    CORE_SINK_UP,     /* sink */
    CORE_SINK_LOST, /* All that was handed over and not confirmed may or may not be there: sink. */
    CORE_ANSWER,   /* D1: sink, records as asked, answer, last (0: none).  One that comes late, when
                      more is in doubt than was asked about, is asked for again.  After
                      ANSWER_WRITTEN what is in (E, last] counts as handed over by this process: it is
                      not handed over again, CORE_CONFIRMED may come for it although it was never
                      pulled (records.from: at or below the asked one), and CORE_SINK_LOST puts it
                      in doubt again, to be asked about anew.  All answers of a sink that knows all
                      are as of the latest: where somebody else has written since an earlier one, it
                      reports CORE_SINK_LOST instead. */
    CORE_HANDOVER, /* T1, T2: sink (SINK_ALL: of all) whose undelivered records, of every segment
                      that this node owns, are to be the peer's: what is still being produced too.
                      They are drained, cut at an exact E and moved, each sink by itself;
                      core.handover tells how it goes, after each flush.  It is refused at once,
                      with the reason, when there is no session, the peer speaks wire version 1, or
                      it cannot reach the sink.  The way back is a CORE_HANDOVER at the peer. */
    CORE_CLUSTER,  /* cluster: what the cluster's rules say (T1). */
    CORE_FENCED,   /* The operator, or the fencing command's success: the peer is dead and stays so
                      until it is started anew.  Ignored while there is a session. */
    CORE_SHED,     /* The journal is full: records, as core_oldest() named them or less, are to be
                      given up.  A note asks for the statement; they count as done once it is
                      noted, and core_oldest() names the next. */
    CORE_NOTED,    /* The journal holds the note of that kind about that range: records, note. */
};

struct core_input {
    enum core_input_kind kind;
    uint64_t now_ns;
    union {
        struct core_range records;
        struct {
            uint32_t epoch, previous, last;
        } epoch;
        struct {
            int link;
            uint32_t random;
        } link;
        struct {
            int link;
            const uint8_t *at;
            size_t len;
        } frame;
        struct {
            bool peer_dead, may_take;
        } cluster;
    };
    uint8_t sink;
    bool drained;   /* CORE_PRODUCED */
    uint8_t note;   /* enum record_kind */
    uint8_t reason; /* CORE_NOTED: as the note gives it. */
    bool lost;      /* CORE_RECORDS: they stand for what the journal had and lost. */
    bool none;      /* CORE_SINK_LOST: none of it is there, nor will be: it had not left this host.
                       Not of a sink that answers. */
    uint8_t answer; /* enum core_answer */
    uint32_t last;
};

/* ---- outputs ---- */

enum {
    OUT_META_MAX = 5120,
    OUT_FRAME_MAX = 1024,
    OUT_SEND_MAX = 64,
    OUT_NOTE_MAX = 256,
    OUT_ASK_MAX = 64,
    OUT_BYTES_MAX = 3 << 20,
    OUT_FRAME_BYTES_MAX = 1 << 20, /* The rest is room for metas: they always fit. */
};

struct core_bytes {
    uint32_t at, len;
}; /* In `bytes`. */

struct core_note { /* To be stated as a record of our own stream. */
    uint8_t kind, reason;
    struct core_range range;
};

struct core_output {
    size_t note_room; /* For so many statements the shell has room; OUT_NOTE_MAX where it is
                         cleared. */
    size_t meta_count, frame_count, send_count, note_count, ask_count, bytes_len, frame_bytes;
    struct core_bytes meta[OUT_META_MAX];
    struct core_bytes frame[OUT_FRAME_MAX]; /* To `link`, in order, before `send`. */
    struct core_range send[OUT_SEND_MAX];   /* Records to the peer, each in one frame. */
    struct core_note note[OUT_NOTE_MAX];
    struct {
        uint8_t sink;
        struct core_range range;
        uint32_t run, run_end; /* Its span: what of it is below the range is at the sink. */
    } ask[OUT_ASK_MAX];
    struct core_range drop[2 * SEGMENT_MAX]; /* Settled: forget these segments' records. */
    size_t drop_count;
    bool durable; /* The metas shall survive the power, whatever the journal's options say. */
    uint32_t epoch_open; /* Not 0: open this epoch in the ring. */
    int link;            /* For frame and send. */
    bool drop_links;     /* Close every link: `why`. */
    const char *why;
    bool more; /* There was no room: flush again. */
    uint8_t bytes[OUT_BYTES_MAX];
};

/* ---- calls ---- */

void core_init(struct core *c, const struct core_options *o, uint64_t now_ns);

/* Recovery, in this order, before the first step: every meta of the journal, oldest first; then
 * every segment with what of it the journal holds; then the first records of our own; then
 * core_recovered().  0, or -1: not a meta of ours. */
int core_recover_meta(struct core *c, const uint8_t *at, size_t len);
void core_recover_segment(struct core *c, uint8_t origin, uint32_t epoch, uint32_t first,
                          uint32_t last);
/* L1: the first record of a segment of ours (any other says nothing), once the journal has named
 * all of them.  It tells where the one before it ended, which the marks of then may not: the power
 * can go between the two. */
void core_recover_first(struct core *c, const uint8_t record[160]);
/* Some of the journal's marks are gone (damage). */
void core_recover_stale(struct core *c);
void core_recovered(struct core *c);

void core_step(struct core *c, const struct core_input *in);
/* credit: records that the link can take now. */
void core_flush(struct core *c, uint32_t credit, struct core_output *out);
/* Empties it, without touching the bytes. */
void core_output_clear(struct core_output *out);

/* All metas that describe the present state, for a new generation of the meta log.  Call with
 * *cursor 0, until it returns 0: the length of one meta in `out`. */
size_t core_snapshot(const struct core *c, uint32_t *cursor, uint8_t out[META_SIZE_MAX]);

/* What may be handed to a sink now (N3, L2): fills `give` with one run of at most `max` records
 * that share an in-doubt mark, and counts it as handed over.  Only between a performed flush and
 * the next step.  false: nothing now. */
struct core_give {
    struct core_range range;
    bool in_doubt;
};
bool core_pull(struct core *c, uint8_t sink, uint32_t max, struct core_give *give);

/* The process is about to end: no intent is raised any more (N3), so that all that is intended can
 * be handed over and confirmed first, and nothing of it is in doubt for whoever goes on. */
void core_end(struct core *c);
/* Records of a sink that this node may still hand over, or has, and that are intended and not
 * confirmed. */
uint64_t core_intended(const struct core *c, uint8_t sink);

/* The oldest run of records that some sink lacks and that this node may give up; false: there is
 * none, or what was given up before is not stated yet.  Where less than `least` records would be
 * freed, with the runs above it, only at a segment's end, as that frees nothing else. */
bool core_oldest(const struct core *c, uint32_t least, struct core_range *r);

/* After recovery, where the ring has lived on: the epoch that it is in (0: none), the one before it
 * (0: none) and its last sequence.  true: the first record of `epoch` is still to be journaled, and
 * CORE_EPOCH_OPENED to be said. */
bool core_recover_ring(struct core *c, uint32_t epoch, uint32_t previous, uint32_t last);

/* T5: the journal that had this epoch of ours is gone.  What the ring still has of it goes with it,
 * as nobody can tell what of it was done before: it is not journaled, no event is tagged in it any
 * more, and the next epoch says that the end before it is unknown (previous 0), as where the ring
 * is gone, too. */
bool core_forgot(const struct core *c, uint32_t epoch);

/* Up to where our records of that epoch are in the journal, or were settled not long ago: what the
 * ring gives of them is known; 0: none. */
uint32_t core_known_to(const struct core *c, uint32_t epoch);

/* The ring gives our records of that epoch from `from` on: the first sequence that the journal had
 * and does not have any more; `from`: none.  The shell journals a stand-in for each. */
uint32_t core_hole(const struct core *c, uint32_t epoch, uint32_t from);

/* T3: that hole may be the peer's to hand over, whose word is waited for, as long as two hellos may
 * take: the ring is not read on meanwhile.  Then until the marks say that there are stand-ins. */
bool core_hole_waits(struct core *c, uint32_t epoch, uint32_t from);

/* D2 skip: is this record, which is to be skipped, itself a statement?  Then it is made again. */
bool core_restate(const uint8_t record[160], struct core_note *note);

/* What was made again already, for one sink, is there for the others too. */
enum { RESTATED_MAX = 16 };
struct core_restated { /* Zeroes: nothing yet. */
    struct core_range range[RESTATED_MAX];
    uint32_t next;
};
/* The first record of the range that has to be looked at; above range->to: none. */
uint32_t core_restate_from(const struct core_restated *r, const struct core_range *range);
void core_restated_to(struct core_restated *r, const struct core_range *range);

/* Is this frame of the peer (not a HELLO) of this session, and not overtaken on its link?  For
 * those that the shell takes itself: records. */
bool core_hears(struct core *c, const uint8_t *frame, size_t len);
/* Makes a frame of ours (not a HELLO), whose type its header has already, one of this session. */
void core_stamp(const struct core *c, uint8_t *frame);

/* Are marks of the settlement still to be written?  Flush before records of the peer are journaled:
 * whoever finds them must know what of them may be at a sink (N6). */
bool core_owes_marks(const struct core *c);

/* May these records of the peer be journaled now?  The number of leading ones to skip (already
 * here), or -1: not acceptable, and where they cannot be true (section 9) the session ends in the
 * next flush.  *restart: what the journal holds of that segment is to be dropped first. */
int core_accepts(struct core *c, uint8_t origin, uint32_t epoch, uint32_t base, uint32_t from,
                 uint32_t count, bool *restart);

/* The first sequence of a segment that some sink still needs: `base` of a RECORDS frame. */
uint32_t core_needed(const struct core *c, uint8_t origin, uint32_t epoch);

const struct segment *core_segment(const struct core *c, uint8_t origin, uint32_t epoch);
bool core_lease_valid(const struct core *c);
/* Asserts the invariants of section 2 over the whole state.  Every call that moves a mark does it
 * for what that call has touched, in release builds too. */
void core_check(struct core *c);

#endif
