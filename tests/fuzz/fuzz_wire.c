/* links: replicator_core */
/* Every decoder of the core's frames and metas, and a core that is told what they hold. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core.h"
#include "record.h"
#include "wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len);

static struct core core;
static struct core_output out;

static void frame(const uint8_t *at, size_t len)
{
    struct core_input in = {.kind = CORE_FRAME, .now_ns = core.now_ns, .frame = {0, at, len}};

    core_step(&core, &in);
    core_output_clear(&out);
    core_flush(&core, 1000, &out);
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
    struct core_options o = {
        .has_peer = true, .lease_ns = 300000000, .hello_ns = 500000000, .sink_count = 1};
    struct core_input up = {.kind = CORE_LINK_UP, .now_ns = 1000, .link = {0, 77}};
    struct wire_records r;

    o.sink[0].key = 1;
    wire_get_records(at, len, &r);
    core_init(&core, &o, 1000);
    core_recover_meta(&core, at, len);
    if (len >= RECORD_SIZE)
        core_recover_first(&core, at);
    core_recovered(&core);
    core_step(&core, &up);
    while (len > 2) { /* A length byte, then a frame with the nonce that this session has. */
        uint8_t bytes[300] = {0};
        size_t n = at[0] < len - 1 ? at[0] : len - 1;

        if (n == 0)
            break;
        memcpy(bytes + FRAME_HEADER_SIZE, at + 2 < at + len ? at + 2 : at, n > 1 ? n - 1 : 0);
        wire_put_header(bytes, at[1] % (FRAME_SINKS + 1),
                        at[1] % (FRAME_SINKS + 1) == FRAME_HELLO
                            ? wire_hello_word(2, false, at[1] >> 4)
                            : wire_session(core.version, core.nonce, core.peer_nonce));
        frame(bytes, FRAME_HEADER_SIZE + n - 1);
        at += n + 1;
        len -= n + 1;
    }
    return 0;
}
