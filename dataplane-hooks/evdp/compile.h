/* Makes the compiled form of rules.  Allocates: it runs when a configuration is read. */
#ifndef EVDP_COMPILE_H
#define EVDP_COMPILE_H

#include "rules.h"

/* An ordered list: rule `number` of each item is what classify() answers. */
struct compile_item {
    const struct match *match;
    uint32_t number;
};

/* NULL: no memory, or more than 512 MiB would be needed.  classifier_free() takes NULL. */
struct classifier *classifier_compile(const struct compile_item *item, size_t count);
void classifier_free(struct classifier *c);

/* Policies by zone pair and terms by place and zone.  0 or -1. */
int rules_compile(struct rules *r);
void rules_discard_compiled(struct rules *r);

#endif
