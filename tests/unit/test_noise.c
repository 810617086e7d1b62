/* links: evrep_link */
/* Noise_NNpsk0: both sides agree, and nothing else gets in (PROTOCOL.md section 9). */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "noise.h"

/* The vector of the cacophony set for this pattern, as kept in mcginty/snow (MIT or Apache 2.0):
 * prologue, keys and messages, in hex, in the data file. */
static void unhex(uint8_t *out, const char *hex)
{
    size_t len;

    assert_int_equal(sodium_hex2bin(out, 512, hex, strlen(hex), NULL, &len, NULL), 0);
}

struct vector {
    char prologue[512], psk[128], initiator[128], responder[128];
    char payload[6][512], message[6][512];
    int count;
};

static void load(struct vector *v)
{
    FILE *f = fopen(EVREP_TEST_DATA "/noise-nnpsk0.txt", "r");
    char key[32], value[512];

    assert_non_null(f);
    memset(v, 0, sizeof(*v));
    while (fscanf(f, "%31s %511s", key, value) == 2) {
        if (strcmp(key, "prologue") == 0)
            strcpy(v->prologue, value);
        else if (strcmp(key, "psk") == 0)
            strcpy(v->psk, value);
        else if (strcmp(key, "initiator") == 0)
            strcpy(v->initiator, value);
        else if (strcmp(key, "responder") == 0)
            strcpy(v->responder, value);
        else if (strcmp(key, "payload") == 0)
            strcpy(v->payload[v->count], value);
        else if (strcmp(key, "message") == 0)
            strcpy(v->message[v->count++], value);
    }
    fclose(f);
}

static void start(struct noise *n, const struct vector *v, bool initiator)
{
    uint8_t psk[512], prologue[512], secret[512];

    unhex(psk, v->psk);
    unhex(prologue, v->prologue);
    unhex(secret, initiator ? v->initiator : v->responder);
    noise_init(n, initiator, psk, prologue, strlen(v->prologue) / 2, secret);
}

static void published_vector(void **state)
{
    struct noise_cipher send[2], receive[2];
    struct noise n[2];
    struct vector v;

    (void)state;
    load(&v);
    assert_true(v.count >= 4);
    start(&n[0], &v, true);
    start(&n[1], &v, false);
    for (int i = 0; i < v.count; i++) {
        uint8_t payload[512], want[512], got[600], back[512];
        size_t len = strlen(v.payload[i]) / 2, size = strlen(v.message[i]) / 2;
        int from = i % 2;

        unhex(payload, v.payload[i]);
        unhex(want, v.message[i]);
        if (i < 2) {
            noise_write(&n[from], payload, len, got);
            assert_int_equal(noise_read(&n[1 - from], got, size, back), 0);
        } else {
            noise_seal(&send[from], NULL, 0, payload, len, got);
            assert_int_equal(noise_open(&receive[1 - from], NULL, 0, got, size, back), 0);
        }
        assert_memory_equal(got, want, size);
        assert_memory_equal(back, payload, len);
        for (int k = 0; i == 1 && k < 2; k++)
            noise_split(&n[k], &send[k], &receive[k]);
    }
}

static void pair(struct noise n[2], const char *a, const char *b, uint8_t key)
{
    uint8_t psk[2][32], secret[32];

    memset(psk[0], 7, 32);
    memset(psk[1], key, 32);
    for (int i = 0; i < 2; i++) {
        memset(secret, 40 + i, 32);
        noise_init(&n[i], i == 0, psk[i], (const uint8_t *)(i == 0 ? a : b), strlen(i == 0 ? a : b),
                   secret);
    }
}

/* Section 9: authenticated; d44. */
static void wrong_key_or_prologue_is_refused(void **state)
{
    uint8_t m[NOISE_MESSAGE], none[1];
    struct noise n[2];

    (void)state;
    pair(n, "cluster 7", "cluster 7", 7);
    noise_write(&n[0], NULL, 0, m);
    assert_int_equal(noise_read(&n[1], m, sizeof(m), none), 0);
    pair(n, "cluster 7", "cluster 7", 8);
    noise_write(&n[0], NULL, 0, m);
    assert_int_equal(noise_read(&n[1], m, sizeof(m), none), -1);
    pair(n, "cluster 7", "cluster 8", 7);
    noise_write(&n[0], NULL, 0, m);
    assert_int_equal(noise_read(&n[1], m, sizeof(m), none), -1);
}

static void own_message_come_back_is_refused(void **state)
{
    uint8_t m[NOISE_MESSAGE], none[1];
    struct noise n[2];

    (void)state;
    pair(n, "x", "x", 7);
    noise_write(&n[0], NULL, 0, m);
    assert_int_equal(noise_read(&n[0], m, sizeof(m), none), -1);
}

static void every_flipped_bit_is_refused(void **state)
{
    uint8_t m[NOISE_MESSAGE], none[1];
    struct noise n[2];

    (void)state;
    for (size_t bit = 0; bit < 8 * sizeof(m); bit++) {
        if (bit == 8 * 32 - 1)
            continue; /* X25519 ignores the top bit; the hash does not, but Noise leaves that to it.
                       */
        pair(n, "x", "x", 7);
        noise_write(&n[0], NULL, 0, m);
        m[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(noise_read(&n[1], m, sizeof(m), none), -1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_vector),
        cmocka_unit_test(wrong_key_or_prologue_is_refused),
        cmocka_unit_test(own_message_come_back_is_refused),
        cmocka_unit_test(every_flipped_bit_is_refused),
    };

    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
