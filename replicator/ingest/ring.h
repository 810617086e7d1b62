/* The hooks' ring as a source of records. */
#ifndef EVREP_INGEST_RING_H
#define EVREP_INGEST_RING_H

#include "evhooks.h"
#include "record.h"

struct ingest_ring;

int ingest_ring_open(struct ingest_ring **out, const char *name, uint8_t node, char *err,
                     size_t err_size);
/* T5: may anything be put into the epoch that the ring is in?  Not at first: it may be of a journal
 * that is gone, and what is in it goes too.  Until then nothing is put or stated, and there is no
 * room: what other sources have waits there, and what was suppressed stays to be stated. */
void ingest_ring_may_tag(struct ingest_ring *r, bool may);
/* Up to n records of one epoch as bytes, in position order. */
size_t ingest_ring_read(struct ingest_ring *r, uint8_t *out, size_t n);
/* All that was read is journaled.  What is not released is read again after a crash. */
void ingest_ring_release(struct ingest_ring *r);
/* 0; -EAGAIN: records of too many epochs wait in the ring; -EPROTO: the ring is damaged. */
int ingest_ring_epoch_open(struct ingest_ring *r, uint32_t epoch, uint32_t *previous,
                           uint32_t *last);
/* NULL, or one line: nothing is read from it any more. */
const char *ingest_ring_damage(const struct ingest_ring *r);
/* Free slots that another process had overwritten, since it was opened: set right again. */
uint64_t ingest_ring_repaired(const struct ingest_ring *r);
/* Counters of what was refused that another process had overwritten. */
uint64_t ingest_ring_miscounted(const struct ingest_ring *r);
/* Of the epoch that the ring is in; 0s when it is in none. */
void ingest_ring_epoch_opened(struct ingest_ring *r, uint32_t *epoch, uint32_t *previous,
                              uint32_t *last);
void ingest_ring_produced(struct ingest_ring *r, uint32_t *epoch, uint32_t *last);
/* -EAGAIN: the ring is full, or may not be tagged. */
int ingest_ring_state(struct ingest_ring *r, uint8_t kind, uint64_t time_ns, const uint8_t *event);
/* For other sources: straight to the claim, whose mark is there as long as the record is in the
 * ring.  -EAGAIN: as above. */
int ingest_ring_put(struct ingest_ring *r, uint8_t kind, uint8_t source, uint64_t time_ns,
                    uint32_t names, const uint8_t *event, const struct evhooks_mark *mark);
/* Other sources leave half of the ring to the dataplane. */
bool ingest_ring_room(struct ingest_ring *r);
/* What is put now is journaled once `released` has reached `claimed`. */
uint64_t ingest_ring_claimed(struct ingest_ring *r);
uint64_t ingest_ring_released(const struct ingest_ring *r);
bool ingest_ring_marks(struct ingest_ring *r, uint64_t *cursor, struct evhooks_mark *out);

enum { INGEST_SOURCES = 8, INGEST_MEMORY_SIZE = EVHOOKS_MEMORY_SIZE / 8 };

/* INGEST_MEMORY_SIZE bytes that live as long as the ring; those of a source are found again by its
 * name, whose key is their first 4 bytes, or 0 when they are new.  NULL: there is no more. */
void *ingest_ring_memory(struct ingest_ring *r, const char *source, uint8_t *place, uint32_t *key);

/* REPLACED: why_not is empty when the new one is good. */
enum evhooks_place ingest_ring_place(const struct ingest_ring *r, char *why_not, size_t size);
/* What is remembered of other sources goes to the ring that took its place: all of this one is
 * released.  false: it is not, or there is no good one. */
bool ingest_ring_carry(struct ingest_ring *r);
/* Workers of dataplanes, in any process. */
uint32_t ingest_ring_workers(const struct ingest_ring *r);

void ingest_ring_activate(struct ingest_ring *r, unsigned group, bool active);
/* Every group stays as it is for that long, then none is active. */
void ingest_ring_keep_active(struct ingest_ring *r, uint64_t for_ns);
void ingest_ring_counters(const struct ingest_ring *r, struct evhooks_counters *out);
/* States one SUPPRESSED record when one is due; false: none, or no room. */
bool ingest_ring_suppressed(struct ingest_ring *r, uint64_t now_ns, uint64_t time_ns);
/* The name tables of a generation, as the dataplane left them beside the ring; -1: none. */
long ingest_ring_names(struct ingest_ring *r, uint32_t generation, uint8_t *out, size_t size);

#endif
