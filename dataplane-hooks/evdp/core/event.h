/* The 136-byte event of the reference contract, section 4, as evdp fills it: like the userspace
 * producer, mended where section 12 of the contract shows a defect.  Pure. */
#ifndef EVDP_EVENT_H
#define EVDP_EVENT_H

#include "event_packet.h"
#include "session.h"

void event_open(uint8_t *e, const struct session *s, uint64_t now_ns);
void event_close(uint8_t *e, const struct session *s, uint8_t reason, uint64_t now_ns);

#endif
