/* Noise_NNpsk0_25519_ChaChaPoly_BLAKE2b (Noise revision 34, section 9 for the pre-shared key), made
 * of libsodium's primitives.  Pure: random bytes are passed in.  Secrets are wiped by noise_wipe().
 */
#ifndef EVREP_NOISE_H
#define EVREP_NOISE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    NOISE_KEY = 32,
    NOISE_HASH = 64,
    NOISE_TAG = 16,
    NOISE_MESSAGE = NOISE_KEY + NOISE_TAG, /* Each handshake message with an empty payload. */
};

struct noise_cipher {
    uint8_t key[NOISE_KEY];
    uint64_t nonce;
    bool has_key;
};

struct noise {
    uint8_t chain[NOISE_HASH], hash[NOISE_HASH], psk[NOISE_KEY];
    uint8_t secret[NOISE_KEY], ephemeral[NOISE_KEY], remote[NOISE_KEY];
    struct noise_cipher cipher;
    bool initiator;
};

void noise_init(struct noise *n, bool initiator, const uint8_t psk[NOISE_KEY],
                const uint8_t *prologue, size_t prologue_len, const uint8_t secret[NOISE_KEY]);
/* Writes len + NOISE_MESSAGE bytes; the first message is the initiator's.  Here the ephemeral key
 * is computed: a responder does no such work before it has read an authentic message. */
void noise_write(struct noise *n, const uint8_t *payload, size_t len, uint8_t *out);
/* Reads a message of len bytes; payload gets len - NOISE_MESSAGE.  0, or -1: not authentic, or our
 * own ephemeral key come back. */
int noise_read(struct noise *n, const uint8_t *at, size_t len, uint8_t *payload);
void noise_split(struct noise *n, struct noise_cipher *send, struct noise_cipher *receive);
void noise_wipe(struct noise *n);

/* Sealed in place is allowed.  out: len + NOISE_TAG. */
void noise_seal(struct noise_cipher *c, const uint8_t *ad, size_t ad_len, const uint8_t *at,
                size_t len, uint8_t *out);
/* out: len - NOISE_TAG.  0 or -1. */
int noise_open(struct noise_cipher *c, const uint8_t *ad, size_t ad_len, const uint8_t *at,
               size_t len, uint8_t *out);
/* Noise section 11.3. */
void noise_rekey(struct noise_cipher *c);

#endif
