/* Records that an operator sends to a sink again. */
#ifndef EVREP_REPLAY_H
#define EVREP_REPLAY_H

#include "core.h"

enum { REPLAY_RANGES = 512, REPLAY_BATCH = 64, REPLAY_FLIGHT = 1024, RETAINED_MAX = 128 };

struct replay { /* Of one sink. */
    uint8_t origin;
    bool any;
    uint32_t number; /* Of this replay: a part of message ids. */
    struct core_range range[REPLAY_RANGES];
    size_t count, at;          /* Ranges, by epoch; the one to hand over. */
    uint32_t next;             /* In it; 0: its first. */
    uint32_t done_epoch, done; /* Confirmed. */
    uint32_t in_flight;
    uint64_t handed;
};

struct retained { /* Settled, and still in the journal; oldest first. */
    struct {
        uint8_t origin;
        uint32_t epoch;
    } segment[RETAINED_MAX];
    size_t count;
};

#endif
