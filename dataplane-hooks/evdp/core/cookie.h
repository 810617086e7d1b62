/* SYN cookies: a SYN is answered without a session; the number in the answer proves, when the
 * client repeats it, that the client is there.  SipHash-2-4 under a key of this process.
 *
 *     31..27  time, in slots of 64 s, modulo 32
 *     26..24  the client's MSS, as an index
 *     23..0   hash of addresses, ports, the client's number, time and MSS
 *
 * Pure. */
#ifndef EVDP_COOKIE_H
#define EVDP_COOKIE_H

#include "flow.h"

enum { COOKIE_KEY_BYTES = 16 };
#define COOKIE_LIFE_NS (128ull * 1000000000ull) /* An answer is good for 64 to 128 s. */

uint32_t cookie_make(const uint8_t key[COOKIE_KEY_BYTES], const struct flow *f, uint32_t client_isn,
                     uint16_t mss, uint64_t now_ns);
/* Whether this process made it for that flow not long ago, and the MSS that it stands for. */
bool cookie_check(const uint8_t key[COOKIE_KEY_BYTES], const struct flow *f, uint32_t client_isn,
                  uint32_t cookie, uint64_t now_ns, uint16_t *mss);

#endif
