/* Framing of a record on a stream (RFC 6587, RFC 5425 section 4.3). */
#ifndef EVREP_SINK_FRAME_H
#define EVREP_SINK_FRAME_H

#include "sink.h"

enum { FRAME_OVERHEAD_MAX = 16 };

/* `out` has room for the item and FRAME_OVERHEAD_MAX.  The bytes written. */
size_t frame_put(const struct sink_options *o, const struct sink_item *item, uint8_t *out);

#endif
