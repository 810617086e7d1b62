/* What of an event stream is missing, for how long, and what is to be stated of it; between parts
 * of the reader.  Pure. */
#ifndef EVREP_STREAM_HOLES_H
#define EVREP_STREAM_HOLES_H

#include "stream_source.h"

/* Counts what was taken for repeats and may have been another process's, once nothing more can tell
 * the two apart: before a connection begins that forgets it. */
void stream_settle_doubts(struct stream_source *s);
/* When a number of the connection's run came, by the wall clock; 0: unknown. */
uint64_t stream_time_of(const struct stream_source *s, uint64_t sequence);
/* What gap->hole of a run is, and between which frames' times it lies: of the one behind it, or
 * newest_ns, that of the newest. */
void stream_tell_gap(const struct stream_source *s, struct stream_run *r, uint64_t newest_ns,
                     struct stream_gap *gap);

#endif
