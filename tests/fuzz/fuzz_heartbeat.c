/* links: cluster_core */
#include "cluster.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
    struct cluster_options o = {.has_peer = true,
                                .heartbeat_ns = 100,
                                .dead_ns = 500,
                                .link_count = 1,
                                .group_count = 1,
                                .group[0] = {.id = 1, .priority = 100}};
    struct cluster_input in = {.kind = CLUSTER_HEARTBEAT, .now_ns = 1000, .at = at, .len = len};
    static struct cluster c;
    static struct cluster_output out;

    cluster_init(&c, &o, 900);
    memset(&out, 0, sizeof(out));
    cluster_step(&c, &in, &out);
    return 0;
}
