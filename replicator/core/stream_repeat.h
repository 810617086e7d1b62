/* Whether a frame of a known number can be a repeat, from what a helper does (contract 3.4, 3.7,
 * 12.2): it repeats only what is in its buffer, and only after it dialled or when it is asked to
 * drain.  Pure. */
#ifndef EVREP_STREAM_REPEAT_H
#define EVREP_STREAM_REPEAT_H

#include "stream_source.h"

/* false: the helper counts anew, or what is read is no frame of it.  hash: of type and payload. */
bool stream_is_repeat(const struct stream_source *s, const struct stream_header *h, uint32_t hash);

#endif
