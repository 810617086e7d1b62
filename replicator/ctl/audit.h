/* What a collector's file proves: for each (origin, epoch) which positions are there once, more
 * often, not at all, or covered by a statement.  No I/O: lines come in. */
#ifndef EVREP_AUDIT_H
#define EVREP_AUDIT_H

#include "types.h"

enum { AUDIT_SEQUENCE_MAX = 1 << 28, AUDIT_SEGMENTS_MAX = 4096 };

struct audit_segment {
    uint8_t origin;
    uint32_t epoch, highest, size;
    uint8_t
        *seen;   /* For each sequence: copies without a mark << 4 | copies with one; each to 15. */
    bool proven; /* The next epoch's first record says where it ends, */
    uint32_t last;                                            /* here. */
    uint64_t once, marked, doubled, missing, covered, beyond; /* After audit_finish(). */
    uint32_t first_missing, first_doubled;
};

struct audit_cover {
    uint8_t origin;
    uint32_t epoch, from, to;
};

struct audit {
    struct audit_segment *segment[AUDIT_SEGMENTS_MAX];
    size_t count;
    struct audit_cover *cover;
    size_t cover_count, cover_size;
    uint64_t lines, untagged, malformed, notes;
    uint64_t once, marked, doubled, missing, covered, beyond;
    bool overflow;
};

void audit_init(struct audit *a);
void audit_deinit(struct audit *a);
void audit_line(struct audit *a, const char *line, size_t len);
/* Sums up.  true: every position is there exactly once, marked, or covered. */
bool audit_finish(struct audit *a);

#endif
