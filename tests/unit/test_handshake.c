/* links: evrep_link */
/* The handshake, both ends in one place (PROTOCOL.md section 9): what the proof says is what the
 * dialler said, in each wire version. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <sodium.h>
#include <string.h>

#include "frames.h"
#include "handshake.h"

enum { CONNECTIONS = 2000 }; /* A sealed byte has each value in one of 256 of them. */

static void secret_of(unsigned n, unsigned node, uint8_t out[NOISE_KEY])
{
    uint8_t seed[randombytes_SEEDBYTES] = {(uint8_t)n, (uint8_t)(n >> 8), (uint8_t)node};

    randombytes_buf_deterministic(out, NOISE_KEY, seed);
}

/* Gives `h` what was said, and returns what it says. */
static size_t hear(struct handshake *h, const uint8_t *in, size_t len, uint8_t *out,
                   enum handshake_result *result)
{
    size_t used, out_len;

    *result = handshake_take(h, in, len, &used, out, &out_len);
    assert_int_equal(used, len);
    return out_len;
}

static void meet(struct handshake h[2], uint16_t version)
{
    uint8_t said[2][HANDSHAKE_OUT_MAX];
    enum handshake_result result = HANDSHAKE_MORE;
    size_t len = handshake_begin(&h[0], version, said[0]);

    for (unsigned to = 1; result != HANDSHAKE_DONE || to != 0; to = 1 - to) {
        len = hear(&h[to], said[1 - to], len, said[to], &result);
        assert_int_not_equal(result, HANDSHAKE_FAILED);
    }
}

static void what_the_proof_says_is_what_was_said(uint16_t version, bool succeeds, bool heard)
{
    struct handshake_options o[2] = {
        {.node = 0, .cluster_id = 7, .version = version, .key_count = 1},
        {.node = 1, .cluster_id = 7, .version = LINK_VERSION, .key_count = 1}};

    for (unsigned n = 0; n < CONNECTIONS; n++) {
        struct handshake h[2];

        for (unsigned i = 0; i < 2; i++) {
            uint8_t secret[NOISE_KEY];

            secret_of(n, i, secret);
            handshake_init(&h[i], &o[i], i == 0, i == 0 && succeeds, secret);
        }
        meet(h, version);
        assert_int_equal(h[1].version, version);
        assert_int_equal(h[1].succeeds, heard);
    }
}

static void a_connection_says_whether_it_succeeds_another(void **state)
{
    (void)state;
    what_the_proof_says_is_what_was_said(LINK_VERSION, false, false);
    what_the_proof_says_is_what_was_said(LINK_VERSION, true, true);
}

/* Version 1 has no word for it: its connections always begin anew. */
static void a_connection_of_version_1_succeeds_none(void **state)
{
    (void)state;
    what_the_proof_says_is_what_was_said(LINK_VERSION_OLD, false, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_connection_says_whether_it_succeeds_another),
        cmocka_unit_test(a_connection_of_version_1_succeeds_none),
    };

    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
