/* links: evrep_sinks */
/* A map of any bytes: what passes the check is safe to go on with. */
#include "tcp_map.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct tcp_map m;
    const size_t head = offsetof(struct tcp_map, prior);
    const uint8_t *rest;
    uint64_t written;
    size_t len;

    if (size < head + sizeof(written))
        return 0;
    tcp_map_init(&m);
    memcpy((uint8_t *)&m + 8, data + 8, head - 8); /* The magic stays. */
    memcpy(&written, data + head, sizeof(written));
    data += head + sizeof(written);
    size -= head + sizeof(written);
    memcpy(m.entry, data, size < sizeof(m.entry) ? size : sizeof(m.entry));
    if (tcp_map_check(&m) != 0 || tcp_map_resume(&m, written, &rest, &len) != 0)
        return 0;
    if (rest < m.buffer || rest + len > m.buffer + TCP_MAP_BUFFER)
        abort();
    tcp_map_ask(&m, written, 0, 1, 1, SEQUENCE_MAX);
    tcp_map_begin(&m);
    return tcp_map_check(&m) == 0 ? 0 : -1;
}
