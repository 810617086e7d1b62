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
 * stated. */
#ifndef EVREP_STREAM_SOURCE_H
#define EVREP_STREAM_SOURCE_H

#include "stream_frame.h"
#include "stream_set.h"

enum {
    STREAM_RUNS = 4,        /* Lives of helpers that are told apart at a time. */
    STREAM_JUMP = 1 << 26,  /* Within a connection no number is further ahead: torn.  An outage of
                             * half a day at 1,500 frames a second is not. */
    STREAM_SAMPLES = 5,     /* How long a hole has been seen is known to a quarter of hole_ns. */
    STREAM_DRAIN_S = 5,     /* How long a drain may take. */
    STREAM_GONE_HOLES = 10, /* A helper that does not return: its holes wait 10 s. */
    STREAM_QUIET_MS = 20,   /* A helper that can write goes on within a few ms. */
    STREAM_SETTLE_S = 1,    /* So long a connection that only repeats is not acknowledged. */
    STREAM_MEMORY_SIZE = 16384, /* Of struct stream_memory, at most. */
};

enum stream_mark_kind { STREAM_MARK_FRAME = 1, STREAM_MARK_HOLE = 2 };

struct stream_run {
    uint64_t id;         /* Of the helper's life, as the caller tells them apart; 0: unknown. */
    uint32_t generation; /* Numbering that began anew within it. */
    uint32_t key;        /* Names both in a mark; 0: free. */
    uint64_t used;
    struct stream_set set;
    uint64_t heard; /* The newest acknowledgement that the helper has read: what it sent up to there
                     * is out of its buffer. */
};

struct stream_memory {
    uint32_t owner; /* Key of the source's name; 0: free. */
    uint32_t unused;
    uint64_t uses;
    struct stream_run run[STREAM_RUNS];
};
_Static_assert(sizeof(struct stream_memory) <= STREAM_MEMORY_SIZE, "room for one source");

struct stream_counters {
    uint64_t frames, records, repeats, late, malformed, unknown, torn, holes, missing, resyncs,
        drains, runs, doubtful;
};

struct stream_source {
    struct stream_memory *memory;
    struct stream_run *run; /* Of the connection, or the last one. */
    uint64_t hole_ns;
    bool connected, counted; /* counted: a number of this connection was seen. */
    bool drain_wanted, draining;
    uint64_t drained;   /* Up to here a drain was answered: nothing older is in the buffer. */
    uint64_t looked_ns; /* Of the last look for holes. */
    uint64_t drain_ns;  /* How long the drain has taken, and ... */
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
    uint64_t doubts;   /* Repeats that may have been none, not stated yet. */
    uint64_t sample[STREAM_SAMPLES], sample_ns; /* The newest numbers, some time ago. */
    struct stream_counters count;
    struct {
        uint64_t sequence;
        uint32_t hash;
    } recent[STREAM_WINDOW]; /* To know a repeat from a numbering that began anew. */
};

enum stream_result {
    STREAM_NEED,   /* More bytes. */
    STREAM_SKIP,   /* Nothing to state: `used` bytes are done. */
    STREAM_RECORD, /* State it with a mark (FRAME, run key, sequence), then stream_taken(). */
    STREAM_HOLE,   /* State the hole first (stream_given_up()), then look again. */
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
};

void stream_open(struct stream_source *s, struct stream_memory *m, uint32_t owner,
                 uint64_t hole_ns);
/* After stream_open(): of what was stated and may not be recorded. */
void stream_mark(struct stream_source *s, uint8_t what, uint32_t key, uint64_t from, uint64_t to);
void stream_connected(struct stream_source *s, uint64_t id, uint64_t now_ns);
void stream_disconnected(struct stream_source *s, uint64_t now_ns);
/* A frame is taken when a header is behind it that can be one, as a torn one has its own end there
 * (12.2, 18); or, of a line that is quiet, when nothing came for STREAM_QUIET_MS, or it has ended.
 */
enum stream_result stream_next(struct stream_source *s, const uint8_t *at, size_t len, bool quiet,
                               struct stream_item *out, struct stream_gap *gap);
void stream_taken(struct stream_source *s, const struct stream_item *item);
/* A hole that has waited long enough. */
bool stream_gap_due(struct stream_source *s, uint64_t now_ns, struct stream_gap *out);
void stream_given_up(struct stream_source *s, const struct stream_gap *gap);
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
/* How many frames of a life that cannot be told were taken for repeats, and may have been none: to
 * be stated, then stream_doubted(). */
uint64_t stream_doubts(const struct stream_source *s);
void stream_doubted(struct stream_source *s);

#endif
