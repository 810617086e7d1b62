#include "histogram.h"

const uint64_t histogram_bounds_us[HISTOGRAM_BOUNDS] = {
    10,    25,    50,     100,    250,    500,     1000,    2500,     5000,
    10000, 25000, 100000, 250000, 500000, 1000000, 2500000, 10000000, 60000000};

void histogram_add(struct histogram *h, uint64_t ns, uint64_t times)
{
    size_t i = 0;

    while (i < HISTOGRAM_BOUNDS && ns > histogram_bounds_us[i] * 1000)
        i++;
    h->bucket[i] += times;
    h->count += times;
    h->sum_ns += ns * times;
}
