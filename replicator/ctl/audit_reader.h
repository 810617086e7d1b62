/* The bytes of a file, or of a capture of a TCP connection, as the lines that audit.h takes: one
 * ends with a newline, or has its length before it (octet counting, RFC 6587 section 3.4.1); a file
 * may have both.  A frame that is torn, where a connection ended, is no record: its record came
 * again.  (One that lacks its last byte or two may look whole, and is then no record of ours: a
 * violation too many.)  No I/O: bytes come in. */
#ifndef EVREP_AUDIT_READER_H
#define EVREP_AUDIT_READER_H

#include "audit.h"

enum { AUDIT_PIECE_MAX = 64 << 10 }; /* Longer than any line; what is longer is cut. */

struct audit_reader {
    struct audit *audit;
    uint64_t torn;
    size_t used;
    char buffer[2 * AUDIT_PIECE_MAX];
};

void audit_reader_init(struct audit_reader *r, struct audit *a);
void audit_read(struct audit_reader *r, const char *at, size_t len);
/* No more comes of this file. */
void audit_read_end(struct audit_reader *r);

#endif
