/* The worker's side. */
#include "claim.h"

#include <string.h>

enum evhooks_result evhooks_emit(struct evhooks_worker *w, unsigned group, uint64_t now_ns,
                                 uint64_t time_ns, uint32_t names_generation,
                                 const uint8_t event[EVHOOKS_EVENT_SIZE])
{
    uint8_t kind = event[52] < EVHOOKS_KIND_MAX - 1 ? event[52] : 0;
    uint16_t zone = ring_zone((uint16_t)(event[48] | event[49] << 8));
    enum evhooks_result result = EVHOOKS_OK;
    struct ring_slot *slot = NULL;
    uint64_t index;

    if (!admit_is_active(w->h, group, now_ns))
        result = EVHOOKS_NOT_OWNER;
    else if (w->limits.interval_ns != 0 && ring_is_telemetry(kind) &&
             !admit_limiter(w, kind, zone, now_ns))
        result = EVHOOKS_RATE_LIMITED;
    else
        slot = claim_slot(w, kind, (uint32_t)kind << 16 | zone, &index, &result);
    if (slot == NULL) {
        admit_count_refused(w, result, kind, zone, time_ns);
        return result;
    }
    slot->time_ns = time_ns;
    slot->names_generation = names_generation;
    slot->kind = kind;
    slot->source = slot->mark_source = slot->mark_what = 0;
    memcpy(slot->event, event, EVHOOKS_EVENT_SIZE);
    claim_commit(slot, index);
    claim_done(w, kind, zone);
    return EVHOOKS_OK;
}
