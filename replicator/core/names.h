/* Name tables in force at a decision: text lines `z ID NAME` (zones), `p` (policies), `i`
 * (interfaces, by ifindex), `a` (applications), `f` (filters).  Contract section 9.  Pure. */
#ifndef EVREP_NAMES_H
#define EVREP_NAMES_H

#include "types.h"

enum { NAMES_BLOB_MAX = 65536, NAMES_MAX = 4096, NAME_SHOWN_MAX = 255 };

struct names_entry_ref {
    uint32_t id, at;
    uint16_t len;
    char table;
};

struct names {
    size_t count;
    struct names_entry_ref entry[NAMES_MAX]; /* By (table, id). */
    uint8_t text[NAMES_BLOB_MAX];
};

/* FNV-1a of the bytes, 1 instead of 0. */
uint32_t names_generation(const uint8_t *at, size_t len);
/* 0, or -1: a line that is none of these, too many, or too long. */
int names_parse(struct names *n, const uint8_t *at, size_t len);
/* NULL when there is none or it is empty; *len bytes, not terminated.  n may be NULL. */
const char *names_find(const struct names *n, char table, uint32_t id, size_t *len);

#endif
