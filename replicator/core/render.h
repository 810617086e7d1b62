/* A record as the bytes of a collector: a pure function of the record and of the name tables that
 * were in force, so both nodes render the same.  Times are UTC. */
#ifndef EVREP_RENDER_H
#define EVREP_RENDER_H

#include "names.h"
#include "record.h"

enum { RENDER_MAX = 4096 };

enum render_format { FORMAT_RFC5424, FORMAT_STRUCTURED, FORMAT_STANDARD };
enum render_tag { TAG_INLINE, TAG_ELEMENT, TAG_NONE };

struct render_options {
    enum render_format format;
    enum render_tag tag;
    uint8_t facility; /* Syslog code; of rfc5424's own PRI only when facility_set. */
    bool facility_set;
    char hostname[64];
};

/* The length written into out[RENDER_MAX at least]; never more than size. */
size_t render_record(const struct render_options *o, const struct names *n, const struct record *r,
                     bool in_doubt, uint8_t *out, size_t size);

#endif
