/* What a collector's file proves: for each (origin, epoch) which positions are there once, more
 * often, not at all, or covered by a statement.  No I/O: lines come in. */
#ifndef EVREP_AUDIT_H
#define EVREP_AUDIT_H

#include "types.h"

enum { AUDIT_SEQUENCE_MAX = EPOCH_RECORDS_MAX, AUDIT_SEGMENTS_MAX = 4096 };

struct audit_segment {
    uint8_t origin;
    uint32_t epoch, highest, size;
    uint8_t *seen;         /* For each sequence: how often, with and without a mark; covered. */
    bool proven, unproven; /* The next epoch's first record says where it ends; or cannot say. */
    uint32_t last;         /* proven: here. */
    uint64_t once, marked, doubled, missing, covered, beyond; /* After audit_finish(). */
    uint64_t pending; /* Of the covered ones: only by a gap that may still be filled. */
};

struct audit {
    struct audit_segment *segment[AUDIT_SEGMENTS_MAX];
    size_t count;
    uint64_t lines, untagged, malformed, notes; /* notes: statements, each once. */
    uint64_t once, marked, doubled, missing, covered, beyond, pending;
    uint64_t unproven; /* Epochs whose end nothing in the files proves, but a later one came. */
    bool overflow;
};

void audit_init(struct audit *a);
void audit_deinit(struct audit *a);
void audit_line(struct audit *a, const char *line, size_t len);
/* Sums up.  true: every position is there exactly once, marked, or covered. */
bool audit_finish(struct audit *a);

#endif
