/* links: evdp_core */
#include "decide.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
    static struct rules rules = {.zone_count = 2,
                                 .zone = {{.name = "a", .screens = ~0u}, {.name = "b"}}};
    static struct sessions sessions;
    static const struct where where = {.zone_in = 1, .zone_out = 2, .ifindex = 3};
    struct decision d;

    decide(&rules, &sessions, &where, at, len, 1000, &d);
    return 0;
}
