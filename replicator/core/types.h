/* The words of the exactly-once protocol as types (PROTOCOL.md section 1).  No I/O, no clock.
 * Thread rules: plain data; whoever holds it owns it. */
#ifndef EVREP_TYPES_H
#define EVREP_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    NODE_COUNT = 2,     /* Node ids are 0 and 1. */
    SINK_COUNT_MAX = 8, /* Sinks of one cluster, the peer's own included. */
    SINK_NAME_MAX = 32, /* With the final zero. */
};

#define SEQUENCE_MAX      UINT32_MAX
#define EPOCH_RECORDS_MAX (1u << 28) /* Sequences of an epoch end below it. */

/* What a sink can say about the records of a stream that may be at it already (D1, D1a, D1b). */
enum core_answer {
    ANSWER_HAS,     /* It has everything up to `last`, confirmed, and nothing above. */
    ANSWER_WRITTEN, /* Up to `last` was written into a connection that still lives, and nothing
                       above; the confirmation will come. */
    ANSWER_UNKNOWN, /* It cannot tell now: D2 applies to what was asked about. */
};

/* epoch << 32 | sequence; ordered as an integer.  Sequence 0 means "none yet". */
typedef uint64_t position_t;

static inline position_t position_make(uint32_t epoch, uint32_t sequence)
{
    return (uint64_t)epoch << 32 | sequence;
}

static inline uint32_t position_epoch(position_t p)
{
    return (uint32_t)(p >> 32);
}

static inline uint32_t position_sequence(position_t p)
{
    return (uint32_t)p;
}

#endif
