/* A histogram of seconds, as Prometheus counts: each bucket holds what is at or below its bound. */
#ifndef EVREP_HISTOGRAM_H
#define EVREP_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>

enum { HISTOGRAM_BOUNDS = 18 };

struct histogram {
    uint64_t bucket[HISTOGRAM_BOUNDS + 1]; /* Not cumulative; the last: above all bounds. */
    uint64_t count, sum_ns;
};

extern const uint64_t histogram_bounds_us[HISTOGRAM_BOUNDS];

void histogram_add(struct histogram *h, uint64_t ns, uint64_t times);

#endif
