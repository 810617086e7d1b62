#include "cookie.h"
#include "octets.h"

#include <sodium.h>
#include <string.h>

_Static_assert(COOKIE_KEY_BYTES == crypto_shorthash_KEYBYTES, "SipHash's key");

static const uint16_t steps[8] = {216, 536, 1024, 1220, 1300, 1380, 1440, 1460};

static uint32_t slot_of(uint64_t now_ns)
{
    return (uint32_t)(now_ns / (COOKIE_LIFE_NS / 2)) & 31;
}

static uint32_t hash(const uint8_t *key, const struct flow *f, uint32_t client_isn, uint32_t top)
{
    uint8_t in[sizeof(*f) + 8], out[crypto_shorthash_BYTES];

    memcpy(in, f, sizeof(*f));
    put_be32(in + sizeof(*f), client_isn);
    put_be32(in + sizeof(*f) + 4, top);
    crypto_shorthash(out, in, sizeof(in), key);
    return be32(out) & 0xffffff;
}

uint32_t cookie_make(const uint8_t key[COOKIE_KEY_BYTES], const struct flow *f, uint32_t client_isn,
                     uint16_t mss, uint64_t now_ns)
{
    uint32_t index = 7, top;

    while (index > 0 && steps[index] > mss)
        index--;
    top = slot_of(now_ns) << 27 | index << 24;
    return top | hash(key, f, client_isn, top);
}

bool cookie_check(const uint8_t key[COOKIE_KEY_BYTES], const struct flow *f, uint32_t client_isn,
                  uint32_t cookie, uint64_t now_ns, uint16_t *mss)
{
    uint32_t top = cookie & 0xff000000u, age = (slot_of(now_ns) - (cookie >> 27)) & 31;

    if (age > 1 || (top | hash(key, f, client_isn, top)) != cookie)
        return false;
    *mss = steps[cookie >> 24 & 7];
    return true;
}
