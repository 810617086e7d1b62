/* The tag of a record in a line of a collector (interfaces: "The tag in a record"), and whether the
 * line is a statement of evrep's own.  One reader for all: no name that is shown in a record may be
 * taken for its tag, so only the last tag counts, and only in its place.  Pure. */
#ifndef EVREP_LINE_TAG_H
#define EVREP_LINE_TAG_H

#include "types.h"

/* No tag is longer. */
enum { LINE_TAG_MAX = 128 };

struct line_tag {
    uint64_t origin, epoch, sequence; /* As they are there; line_tag_is_plausible(). */
    bool marked;                      /* In doubt: sent again. */
    size_t rest;                      /* Bytes of the line behind it; 0 where evrep wrote it. */
};

/* line: without its end.  false: it has none. */
bool line_tag_read(struct line_tag *t, const char *line, size_t len);
bool line_tag_is_plausible(const struct line_tag *t);

/* What is in digits behind `name` at `at`: where it ends, or NULL. */
const char *line_number_after(const char *at, const char *end, const char *name, uint64_t *out);

/* A record of evrep's own, by its place in the line's header: whether its name (`EVREP_...`) begins
 * with `name`. */
bool line_states(const char *line, size_t len, const char *name);

#endif
