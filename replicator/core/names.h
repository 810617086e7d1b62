/* Name tables in force at a decision: text lines `z ID NAME` (zones), `p` (policies), `i`
 * (interfaces, by ifindex), `a` (applications), `f` (filters).  Contract section 9.  Pure. */
#ifndef EVREP_NAMES_H
#define EVREP_NAMES_H

#include "text.h"

enum {
    NAMES_BLOB_MAX = 65536,
    NAMES_MAX = 8192,
    NAMES_SLOTS = 4 * NAMES_MAX, /* A power of two; sparse, so that a find is mostly one look. */
    NAME_MAX_BYTES = 400,        /* Of a name; what is longer is cut, at a whole character. */
};

struct name {
    uint32_t id, at; /* at: offset in the text. */
    uint16_t len;
    char table;
    bool plain;     /* Shown as it is: nothing to escape, and not too long. */
    bool contained; /* Ends nothing where it cannot be escaped. */
};

struct names {
    size_t count, used; /* Names, and bytes of the text. */
    struct name name[NAMES_MAX];
    uint16_t slot[NAMES_SLOTS]; /* 1 + index of a name, found by hash; 0: free. */
    uint8_t text[NAMES_BLOB_MAX + TEXT_PADDING];
};

/* FNV-1a of the bytes, 1 instead of 0. */
uint32_t names_generation(const uint8_t *at, size_t len);
void names_clear(struct names *n);
/* The later of two of the same id counts.  Any bytes.  0, or -1: too many, too long in sum, or no
 * such table. */
int names_add(struct names *n, char table, uint32_t id, const uint8_t *at, size_t len);
/* Control characters in a name become `?`.  0, or -1: a line that is none of these, too many, or
 * too long. */
int names_parse(struct names *n, const uint8_t *at, size_t len);

/* The slot of this name, or the free one where it belongs; there are more slots than names. */
static inline size_t names_index(const struct names *n, char table, uint32_t id)
{
    uint32_t h = (id ^ (uint32_t)table << 24) * 2654435761u;
    size_t at = h / (UINT32_MAX / NAMES_SLOTS + 1);

    for (; n->slot[at] != 0; at = (at + 1) % NAMES_SLOTS) {
        const struct name *e = &n->name[n->slot[at] - 1];

        if (e->id == id && e->table == table)
            break;
    }
    return at;
}

/* NULL when there is none, it is empty, or the id is 0 where 0 means none (applications and
 * interfaces): the contract calls all these missing.  n may be NULL. */
static inline const struct name *names_get(const struct names *n, char table, uint32_t id)
{
    size_t slot;

    if (n == NULL || (id == 0 && (table == 'a' || table == 'i')))
        return NULL;
    slot = names_index(n, table, id);
    if (n->slot[slot] == 0 || n->name[n->slot[slot] - 1].len == 0)
        return NULL;
    return &n->name[n->slot[slot] - 1];
}

/* Its bytes, not terminated, good for text_padded(). */
static inline const uint8_t *name_bytes(const struct names *n, const struct name *e)
{
    return n->text + e->at;
}

#endif
