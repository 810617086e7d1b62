/* Where each decided event is, by kind (A3):
 *     tagged + earlier = emitted + held + pending + gap
 * `emitted` and `held` come from the marks of our own segments, at the slowest sink; `tagged` from
 * the dataplane's counters.  The two meet only if nothing is lost, doubled, or of another kind. */
#ifndef EVREP_TALLY_H
#define EVREP_TALLY_H

#include "evhooks.h"
#include "record.h"

#include <stdbool.h>

struct core_range;
struct shell;

struct tally_segment { /* The kinds of the records that an own segment's journal holds. */
    uint32_t epoch, first, count, room;
    uint8_t *kind; /* 0: not read yet. */
};

struct tally_old; /* An own segment as it was found: what of it was not delivered, by kind. */

struct tally {
    struct tally_segment *segment;
    size_t count, room;
    struct tally_old *old; /* Still to be read from the journal, from `reading` on. */
    size_t old_count, reading;
    uint64_t tagged_at_open[EVHOOKS_KIND_MAX];
    uint64_t unread[256];    /* In the ring when we came. */
    uint64_t inherited[256]; /* In the journal when we came, and not delivered. */
    uint64_t journaled[256]; /* Since. */
    uint64_t shed[256];      /* Given up, since. */
    uint32_t open_epoch, open_last;
    bool unaccounted; /* The ring is older than the journal: what was before is not known. */
};

struct tally_kind {
    uint64_t earlier; /* Of a ring before this one: not in its counters. */
    uint64_t emitted, held, pending, gap;
    uint64_t elsewhere; /* Of emitted: not confirmed by our first sink in this process. */
    bool balanced;
};

/* After recovery, with the ring open.  The journal is read later, so that a long backlog delays no
 * record. */
void tally_open(struct shell *s);
/* Reads on; a few milliseconds. */
void tally_work(struct shell *s);
/* Until then what tally_read() says of the backlog is not complete. */
bool tally_is_complete(const struct shell *s);
/* Own records that were read from the ring and journaled. */
void tally_journaled(struct shell *s, const uint8_t *records, size_t n);
/* Own records that were given up, stated as lost. */
void tally_shed(struct shell *s, const struct core_range *r);
/* Before its records leave the journal.  false: they are still to be read, for longer than may be
 * waited; tally_work() calls retain_settled() then. */
bool tally_drop(struct shell *s, uint32_t epoch);
/* counters: of the ring, read now. */
void tally_read(const struct shell *s, const struct evhooks_counters *c,
                struct tally_kind out[EVHOOKS_KIND_MAX]);

#endif
