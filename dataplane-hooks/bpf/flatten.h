/* evdp's compiled rules as the words that the eBPF program reads (layout.h).  Allocates. */
#ifndef EVBPF_FLATTEN_H
#define EVBPF_FLATTEN_H

#include "layout.h"

#include <stddef.h>

struct flat {
    uint64_t *word;
    size_t count, room;
    uint32_t policies, terms; /* Places of the rules. */
};

/* 0, or -1 with one line in err: more rules between two zones, or at a place, than the program can
 * search.  flat_free() takes what is half made. */
int flat_rules(struct flat *f, const struct rules *r, char *err, size_t err_size);
void flat_free(struct flat *f);

#endif
