#include "noise.h"

#include <sodium.h>
#include <string.h>

static const char protocol_name[] = "Noise_NNpsk0_25519_ChaChaPoly_BLAKE2b";

static void hmac(const uint8_t *key, size_t key_len, const uint8_t *a, size_t a_len,
                 const uint8_t *b, size_t b_len, uint8_t out[NOISE_HASH])
{
    crypto_generichash_blake2b_state st;
    uint8_t pad[128] = {0}, inner[NOISE_HASH];

    memcpy(pad, key, key_len);
    for (size_t i = 0; i < sizeof(pad); i++)
        pad[i] ^= 0x36;
    crypto_generichash_blake2b_init(&st, NULL, 0, NOISE_HASH);
    crypto_generichash_blake2b_update(&st, pad, sizeof(pad));
    crypto_generichash_blake2b_update(&st, a, a_len);
    crypto_generichash_blake2b_update(&st, b, b_len);
    crypto_generichash_blake2b_final(&st, inner, NOISE_HASH);
    for (size_t i = 0; i < sizeof(pad); i++)
        pad[i] ^= 0x36 ^ 0x5c;
    crypto_generichash_blake2b_init(&st, NULL, 0, NOISE_HASH);
    crypto_generichash_blake2b_update(&st, pad, sizeof(pad));
    crypto_generichash_blake2b_update(&st, inner, sizeof(inner));
    crypto_generichash_blake2b_final(&st, out, NOISE_HASH);
    sodium_memzero(pad, sizeof(pad));
    sodium_memzero(inner, sizeof(inner));
}

/* HKDF of Noise section 4.3: n outputs of 64 bytes. */
static void hkdf(const uint8_t chain[NOISE_HASH], const uint8_t *in, size_t len, int n,
                 uint8_t out[3][NOISE_HASH])
{
    uint8_t temp[NOISE_HASH], count = 1;

    hmac(chain, NOISE_HASH, in, len, NULL, 0, temp);
    hmac(temp, NOISE_HASH, &count, 1, NULL, 0, out[0]);
    for (int i = 1; i < n; i++) {
        count++;
        hmac(temp, NOISE_HASH, out[i - 1], NOISE_HASH, &count, 1, out[i]);
    }
    sodium_memzero(temp, sizeof(temp));
}

static void mix_hash(struct noise *n, const uint8_t *at, size_t len)
{
    crypto_generichash_blake2b_state st;

    crypto_generichash_blake2b_init(&st, NULL, 0, NOISE_HASH);
    crypto_generichash_blake2b_update(&st, n->hash, NOISE_HASH);
    crypto_generichash_blake2b_update(&st, at, len);
    crypto_generichash_blake2b_final(&st, n->hash, NOISE_HASH);
}

static void set_key(struct noise_cipher *c, const uint8_t *key)
{
    memcpy(c->key, key, NOISE_KEY);
    c->nonce = 0;
    c->has_key = true;
}

static void mix_key(struct noise *n, const uint8_t *at, size_t len)
{
    uint8_t out[3][NOISE_HASH];

    hkdf(n->chain, at, len, 2, out);
    memcpy(n->chain, out[0], NOISE_HASH);
    set_key(&n->cipher, out[1]);
    sodium_memzero(out, sizeof(out));
}

static void mix_psk(struct noise *n)
{
    uint8_t out[3][NOISE_HASH];

    hkdf(n->chain, n->psk, NOISE_KEY, 3, out);
    memcpy(n->chain, out[0], NOISE_HASH);
    mix_hash(n, out[1], NOISE_HASH);
    set_key(&n->cipher, out[2]);
    sodium_memzero(out, sizeof(out));
}

void noise_init(struct noise *n, bool initiator, const uint8_t psk[NOISE_KEY],
                const uint8_t *prologue, size_t prologue_len, const uint8_t secret[NOISE_KEY])
{
    memset(n, 0, sizeof(*n));
    n->initiator = initiator;
    memcpy(n->psk, psk, NOISE_KEY);
    memcpy(n->secret, secret, NOISE_KEY);
    memcpy(n->hash, protocol_name, sizeof(protocol_name) - 1); /* Shorter than a hash: padded. */
    memcpy(n->chain, n->hash, NOISE_HASH);
    mix_hash(n, prologue, prologue_len);
}

static void put_nonce(uint8_t out[12], uint64_t nonce)
{
    memset(out, 0, 4);
    for (int i = 0; i < 8; i++)
        out[4 + i] = (uint8_t)(nonce >> (8 * i));
}

void noise_seal(struct noise_cipher *c, const uint8_t *ad, size_t ad_len, const uint8_t *at,
                size_t len, uint8_t *out)
{
    uint8_t nonce[12];

    put_nonce(nonce, c->nonce++);
    crypto_aead_chacha20poly1305_ietf_encrypt(out, NULL, at, len, ad, ad_len, NULL, nonce, c->key);
}

int noise_open(struct noise_cipher *c, const uint8_t *ad, size_t ad_len, const uint8_t *at,
               size_t len, uint8_t *out)
{
    uint8_t nonce[12];

    put_nonce(nonce, c->nonce);
    if (len < NOISE_TAG || crypto_aead_chacha20poly1305_ietf_decrypt(out, NULL, NULL, at, len, ad,
                                                                     ad_len, nonce, c->key) != 0)
        return -1;
    c->nonce++;
    return 0;
}

void noise_rekey(struct noise_cipher *c)
{
    uint8_t zero[NOISE_KEY] = {0}, out[NOISE_KEY + NOISE_TAG], nonce[12];

    put_nonce(nonce, UINT64_MAX);
    crypto_aead_chacha20poly1305_ietf_encrypt(out, NULL, zero, sizeof(zero), NULL, 0, NULL, nonce,
                                              c->key);
    memcpy(c->key, out, NOISE_KEY);
    sodium_memzero(out, sizeof(out));
}

void noise_write(struct noise *n, const uint8_t *payload, size_t len, uint8_t *out)
{
    uint8_t shared[NOISE_KEY];

    crypto_scalarmult_curve25519_base(n->ephemeral, n->secret);
    if (n->initiator)
        mix_psk(n);
    memcpy(out, n->ephemeral, NOISE_KEY);
    mix_hash(n, n->ephemeral, NOISE_KEY);
    mix_key(n, n->ephemeral, NOISE_KEY);
    if (!n->initiator) {
        if (crypto_scalarmult_curve25519(shared, n->secret, n->remote) != 0)
            memset(shared, 0, sizeof(shared));
        mix_key(n, shared, NOISE_KEY);
        sodium_memzero(shared, sizeof(shared));
    }
    noise_seal(&n->cipher, n->hash, NOISE_HASH, payload, len, out + NOISE_KEY);
    mix_hash(n, out + NOISE_KEY, len + NOISE_TAG);
}

int noise_read(struct noise *n, const uint8_t *at, size_t len, uint8_t *payload)
{
    uint8_t shared[NOISE_KEY];

    if (len < NOISE_MESSAGE || (n->initiator && memcmp(at, n->ephemeral, NOISE_KEY) == 0))
        return -1;
    if (!n->initiator)
        mix_psk(n);
    memcpy(n->remote, at, NOISE_KEY);
    mix_hash(n, n->remote, NOISE_KEY);
    mix_key(n, n->remote, NOISE_KEY);
    if (n->initiator) {
        if (crypto_scalarmult_curve25519(shared, n->secret, n->remote) != 0)
            return -1; /* A key of small order. */
        mix_key(n, shared, NOISE_KEY);
        sodium_memzero(shared, sizeof(shared));
    }
    if (noise_open(&n->cipher, n->hash, NOISE_HASH, at + NOISE_KEY, len - NOISE_KEY, payload) != 0)
        return -1;
    mix_hash(n, at + NOISE_KEY, len - NOISE_KEY);
    return 0;
}

void noise_split(struct noise *n, struct noise_cipher *send, struct noise_cipher *receive)
{
    uint8_t out[3][NOISE_HASH];

    hkdf(n->chain, NULL, 0, 2, out);
    set_key(send, out[n->initiator ? 0 : 1]);
    set_key(receive, out[n->initiator ? 1 : 0]);
    sodium_memzero(out, sizeof(out));
}

void noise_wipe(struct noise *n)
{
    sodium_memzero(n, sizeof(*n));
}
