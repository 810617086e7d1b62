/* links: replicator_core */
#include "names.h"
#include "render.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len);

/* Whatever the tables and the event hold: one line, within its bound. */
int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
    static struct names names;
    static uint8_t out[RENDER_MAX];
    struct render_options o = {.format = FORMAT_RFC5424, .hostname = "fw1"};
    struct record r = {.epoch = 12, .sequence = 1, .kind = RECORD_POLICY_DENY};
    bool good = names_parse(&names, at, len) == 0;

    for (size_t i = 0; i < len && i < EVENT_SIZE; i++)
        r.event[i] = at[i];
    for (r.kind = 1; r.kind < 140; r.kind++) {
        size_t n = render_record(&o, good ? &names : NULL, &r, true, out, sizeof(out));

        for (size_t i = 0; i < n; i++) {
            if (out[i] == '\n')
                __builtin_trap();
        }
    }
    return 0;
}
