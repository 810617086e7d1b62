/* A file of name tables as an operator writes it.  Pure. */
#ifndef EVREP_NAMES_FILE_H
#define EVREP_NAMES_FILE_H

#include "names.h"

/* The lines of names.h of it: without comments (`#` at the beginning), blank lines, carriage
 * returns and a byte order mark.  Their length; or -1 with *line, the first that is none, 0: too
 * many. */
long names_file_take(const uint8_t *at, size_t len, uint8_t out[NAMES_BLOB_MAX], unsigned *line);

/* A table as it came, from a ring, from the peer or out of the journal: what a file of it would be
 * taken for.  0, or -1. */
int names_file_parse(struct names *n, const uint8_t *at, size_t len);

#endif
