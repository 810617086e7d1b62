/* A record as the bytes of a collector: a pure function of the record and of the name tables that
 * were in force at its decision, so both nodes render the same.  Times are UTC, and the decision's.
 * What each format holds, and where they differ: evrep-formats(7). */
#ifndef EVREP_RENDER_H
#define EVREP_RENDER_H

#include "names.h"
#include "record.h"

/* Whatever the record and the names hold, no rendering is longer. */
enum { RENDER_MAX = 4096, RENDER_HOSTNAME_MAX = 64 };

enum render_format { FORMAT_RFC5424, FORMAT_STRUCTURED, FORMAT_STANDARD, FORMAT_BINARY };
enum render_tag { TAG_INLINE, TAG_ELEMENT, TAG_NONE };

struct render_options {
    enum render_format format;
    enum render_tag tag;
    uint8_t facility; /* Syslog code, 0 to 23; used when facility_set, else the format's own. */
    bool facility_set;
    bool bare;                          /* structured and standard without the outer header. */
    char hostname[RENDER_HOSTNAME_MAX]; /* Printable, no blank; with the final zero. */
    uint64_t session_id;                /* 0: made of the record's position. */
    bool verbatim;      /* structured and standard: names byte for byte as the reference, which lets
                         * them break out of their fields. */
    uint64_t *replaced; /* structured and standard: counts names of which bytes were replaced; or
                         * NULL. */
};

/* The length written into out, of RENDER_MAX at least.  in_doubt: protocol section 5 sends it
 * again. n may be NULL: ids stand for the names. */
size_t render_record(const struct render_options *o, const struct names *n, const struct record *r,
                     bool in_doubt, uint8_t *out, size_t size);

/* A run of positions of one segment that a filter hides. */
struct render_hidden {
    uint8_t origin;
    uint32_t epoch, from, to;
};

/* EVREP_FILTERED, to go before `next`, the record that passes, whose tag it carries. */
size_t render_filtered(const struct render_options *o, const struct render_hidden *hidden,
                       const struct record *next, bool in_doubt, uint8_t *out, size_t size);

/* As the contract's filters see a record; the protocol's own are info, and of every category. */
uint8_t render_severity(const struct record *r);
uint8_t render_category(const struct record *r); /* enum contract_category */

struct render_filter {
    uint8_t severity;   /* The highest number that passes; 0: all. */
    uint8_t categories; /* Set of enum contract_category; 0: all. */
};

/* The protocol's own records always pass. */
bool render_passes(const struct render_filter *f, const struct record *r);

#endif
