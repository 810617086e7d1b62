/* The reader of an event stream (contract sections 2, 3, 12.2 and 13.3): bytes in; records to
 * state, holes to state, and what to answer, out.  No I/O, no clock; times are ns of one monotonic
 * clock.
 *
 * A frame's identity is (run, sequence), the run being one life of a helper.  What has come is kept
 * in memory that its owner keeps across its own death; what it stated and had not recorded there it
 * tells by stream_mark() when it starts again.  So no frame becomes a record twice.
 *
 * A known number is a repeat only if it can be one (stream_is_repeat()); else the helper counts
 * anew (12.2, 20), and its frames are of a run of their own.  What was taken for repeats before
 * that was seen, it is asked for again; where nothing tells the two apart, the doubt is to be
 * stated.
 *
 * A late frame and a new count look alike: a number below the prefix.  A worker takes its number
 * first and enqueues after, so one frame may come at any time after its number was given up as a
 * hole; it is a record while the hole is remembered.  A helper that counts anew begins at 1 (3.1),
 * or tells by a FULL_RESYNC that what it began with does not come.  So of the first STREAM_FIRST
 * numbers it is always known which came: one that comes again though it cannot be in the helper's
 * buffer any more is of a new count, one that never came is late.  Above, no number begins a count
 * unless its bytes differ from what came under it: it is counted as a repeat, dropped and
 * acknowledged, and if it was of a hole that is forgotten (stream_set.h), its loss is stated.  A
 * process that cannot be told from another may begin there, when it dials: what of it is taken for
 * repeats is stated as doubtful.
 *
 * What is given up is counted in the memory, by cause, and stated at most once a second each
 * (stream_untold()): its acknowledgement does not wait for that, as the count outlives us.  Its
 * times are those of frames below and above it: of arrival, as these frames carry none.
 *
 * A helper that is met in the middle of its count may have been heard by another daemon (3.4): of
 * the numbers below the first that comes, or that its buffer still has, it is not known whether
 * they are missing, so they are stated as doubtful, not as a hole.  Not so when it began while we
 * listened (stream_connected()), or when it counts anew before our eyes, or when its run is known,
 * as after our own death: then all from 1 on is ours. */
#ifndef EVREP_STREAM_SOURCE_H
#define EVREP_STREAM_SOURCE_H

#include "stream_frame.h"
#include "stream_set.h"

enum {
    STREAM_RUNS = 4,        /* Lives of helpers that are told apart at a time. */
    STREAM_JUMP = 1 << 26,  /* Within a connection no number is further ahead of the newest: torn.
                             * One that is not makes a hole, of whatever size at once. */
    STREAM_SAMPLES = 5,     /* How long a hole has been seen is known to a quarter of hole_ns. */
    STREAM_DRAIN_S = 5,     /* How long a drain may stand still. */
    STREAM_GONE_HOLES = 10, /* A helper that does not return: its holes wait 10 s. */
    STREAM_QUIET_MS = 20,   /* A helper that can write goes on within a few ms. */
    STREAM_SETTLE_S = 1,    /* So long a connection that only repeats is not acknowledged. */
    STREAM_TELL_S = 1,      /* Statements of one cause are so far apart. */
    STREAM_MEMORY_SIZE = 16384, /* Of struct stream_memory, at most. */
    STREAM_LAYOUT = 2,          /* Of struct stream_memory: another one is forgotten. */
};

/* The first number of a connection may be any up to here, as after an outage of any length: what 10
 * million frames a second come to in 325 days. */
#define STREAM_NUMBER_MAX (1ull << 48)

enum stream_mark_kind { STREAM_MARK_FRAME = 1, STREAM_MARK_TOLD = 2 };
enum stream_cause { STREAM_LOST, STREAM_DOUBTFUL, STREAM_CAUSES };

struct stream_run {
    uint64_t id;         /* Of the helper's life, as the caller tells them apart; 0: unknown. */
    uint32_t generation; /* Numbering that began anew within it. */
    uint32_t key;        /* Names both in a mark; 0: free. */
    uint64_t used;
    struct stream_set set;
    uint64_t heard; /* The newest acknowledgement that the helper has read: what it sent up to there
                     * is out of its buffer. */
    uint64_t before;               /* Up to here it was before us; UINT64_MAX: nothing was. */
    uint64_t prefix_ns, newest_ns; /* When the frames of set.prefix and set.newest, or the nearest
                                    * below that are known, came. */
};

/* Counts that only grow, and the times (wall clock, 0: unknown) of what is not told. */
struct stream_untold {
    uint64_t given, told, first_ns, last_ns;
};

struct stream_giving { /* What is being given up: a death in the midst leaves it to be finished. */
    uint32_t key, cause;
    struct stream_hole hole; /* to = 0: nothing. */
    struct stream_untold after;
};

struct stream_memory {
    uint32_t owner; /* Key of the source's name; 0: free. */
    uint32_t layout;
    uint64_t uses;
    struct stream_untold untold[STREAM_CAUSES];
    struct stream_giving giving;
    struct stream_run run[STREAM_RUNS];
};
_Static_assert(sizeof(struct stream_memory) <= STREAM_MEMORY_SIZE, "room for one source");

struct stream_counters {
    uint64_t frames, records, repeats, late, malformed, unknown, torn, holes, missing, resyncs,
        drains, runs, doubtful; /* missing, doubtful: as many as are, or will be, stated. */
};

struct stream_source {
    struct stream_memory *memory;
    struct stream_run *run; /* Of the connection, or the last one. */
    uint64_t hole_ns;
    bool connected, counted; /* counted: a number of this connection was seen. */
    bool drain_wanted, draining;
    uint64_t drained;   /* Up to here a drain was answered: nothing older is in the buffer. */
    uint64_t looked_ns; /* Of the last look for holes. */
    uint64_t drain_ns;  /* How long the drain has brought nothing, and ... */
    uint64_t away_ns;   /* ... the helper is away: while we could see it. */
    uint64_t settle_ns; /* ... it may count on or anew. */
    /* Of the connection: whether it is known to count on, ... */
    bool settled, drain_open; /* ... (what a drain sends may still come) */
    uint64_t known, heard;    /* ... run->set.newest and run->heard when it began, ... */
    uint64_t skipped;         /* ... and how many frames were taken for repeats. */
    uint64_t last; /* The number of the last frame that was new; 0: the last one was a repeat. */
    uint64_t
        suspect; /* The same, when the stream was torn behind it: part of it may be of others. */
    uint32_t last_hash, suspect_hash, unproven_hash;
    uint64_t unproven; /* The frame that was not taken for what was behind it. */
    bool odd;          /* Its frames may be others than the reference's. */
    uint64_t doubts;   /* Repeats that may have been none, ... */
    uint64_t doubt_first_ns, doubt_last_ns;     /* ... and when they came. */
    uint64_t arrived_ns;                        /* What is read now. */
    uint64_t told_ns[STREAM_CAUSES];            /* When it was stated last; 0: not by us. */
    uint64_t sample[STREAM_SAMPLES], sample_ns; /* The newest numbers, some time ago. */
    struct stream_counters count;
    struct {
        uint64_t sequence, time_ns;
        uint32_t hash;
    } recent[STREAM_WINDOW]; /* To know a repeat from a numbering that began anew. */
};

enum stream_result {
    STREAM_NEED,   /* More bytes. */
    STREAM_SKIP,   /* Nothing to state: `used` bytes are done. */
    STREAM_RECORD, /* State it with a mark (FRAME, run key, sequence), then stream_taken(). */
    STREAM_HOLE,   /* Give the hole up first (stream_given_up()), then look again. */
    STREAM_TORN,   /* No frame begins here: drop the connection (12.2, 18). */
};

struct stream_item {
    size_t used;
    uint8_t kind;
    uint64_t sequence;
    bool replaces;   /* What came under this number was torn: state it all the same. */
    const char *why; /* TORN */
    uint8_t event[EVENT_SIZE];
};

struct stream_gap {
    struct stream_run *run;
    struct stream_hole hole;
    enum stream_cause cause;    /* DOUBTFUL: it was before us. */
    uint64_t first_ns, last_ns; /* Of frames on either side; 0: unknown. */
};

struct stream_note {
    enum stream_cause cause;
    uint64_t count, first_ns, last_ns;
    uint64_t from, to; /* Of its mark (TOLD, cause + 1). */
};

void stream_open(struct stream_source *s, struct stream_memory *m, uint32_t owner,
                 uint64_t hole_ns);
/* After stream_open(): of what was stated and may not be recorded.  key: of a frame's run. */
void stream_mark(struct stream_source *s, uint8_t what, uint32_t key, uint64_t from, uint64_t to);
/* whole: this life of a helper began while we listened, so nobody else heard of it. */
void stream_connected(struct stream_source *s, uint64_t id, bool whole, uint64_t now_ns);
void stream_disconnected(struct stream_source *s, uint64_t now_ns);
/* The wall clock's time of what stream_next() is given from now on. */
void stream_arrived(struct stream_source *s, uint64_t time_ns);
/* A frame is taken when a header is behind it that can be one, as a torn one has its own end there
 * (12.2, 18); or, of a line that is quiet, when nothing came for STREAM_QUIET_MS, or it has ended.
 */
enum stream_result stream_next(struct stream_source *s, const uint8_t *at, size_t len, bool quiet,
                               struct stream_item *out, struct stream_gap *gap);
void stream_taken(struct stream_source *s, const struct stream_item *item);
/* A hole that has waited long enough. */
bool stream_gap_due(struct stream_source *s, uint64_t now_ns, struct stream_gap *out);
void stream_given_up(struct stream_source *s, const struct stream_gap *gap);
/* What is to be stated now; then stream_told(). */
bool stream_untold(struct stream_source *s, uint64_t now_ns, struct stream_note *out);
void stream_told(struct stream_source *s, const struct stream_note *note, uint64_t now_ns);
/* How many that waits for. */
uint64_t stream_untold_count(const struct stream_source *s);
/* Reading was stopped for want of room: that time does not count against any hole. */
void stream_held_up(struct stream_source *s);
/* The helper has frames that it will not send by itself (12.2, 16): ask it once. */
bool stream_drain_wanted(struct stream_source *s, uint64_t now_ns);
/* All up to here may be acknowledged once it is safe, */
uint64_t stream_prefix(const struct stream_source *s);
/* if this is so: else it could delete what a helper that counts anew has in its buffer. */
bool stream_may_acknowledge(const struct stream_source *s);
/* The helper of this connection has read the acknowledgement of that. */
void stream_heard(struct stream_source *s, uint64_t acknowledged);

#endif
