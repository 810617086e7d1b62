/* links: replicator_core */
#include "stream_frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len);

/* A header, then its payload: nothing is read past what is there. */
int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
    struct stream_header h;
    struct stream_session s;

    if (len < STREAM_HEADER_SIZE || stream_header_decode(&h, at) != 0)
        return 0;
    at += STREAM_HEADER_SIZE;
    len -= STREAM_HEADER_SIZE;
    if (h.length < len)
        len = h.length;
    if (h.type >= STREAM_SESSION_OPEN && h.type <= STREAM_SESSION_UPDATE) {
        if (stream_session_decode(&s, h.type, at, len) == 0 && s.family != 2 && s.family != 10)
            __builtin_trap();
    } else if (h.type >= STREAM_POLICY_DENY && h.type <= STREAM_FILTER_LOG) {
        if (stream_event(h.type, at, len) != NULL && len < EVENT_SIZE)
            __builtin_trap();
    }
    stream_type_name(h.type);
    return 0;
}
