/* links: evrep_link */
/* Both ends of a handshake and the frames after it, with what the fuzzer does to the bytes between:
 * nothing that was changed is accepted, and nothing is read beyond what came. */
#include <assert.h>
#include <sodium.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "frames.h"
#include "handshake.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len);

enum { ROUNDS = 6 };

static struct handshake_options options[2];

struct side {
    struct handshake h;
    enum handshake_result result;
    uint8_t in[2 * HANDSHAKE_OUT_MAX];
    size_t in_len;
};

static uint8_t next(const uint8_t **at, size_t *len)
{
    uint8_t v = *len > 0 ? **at : 0;

    *at += *len > 0;
    *len -= *len > 0;
    return v;
}

/* As it is, cut short, with a byte changed, or replaced.  true: it was touched. */
static bool spoil(const uint8_t **at, size_t *len, uint8_t *bytes, size_t *n)
{
    uint8_t how = next(at, len) % 8, where = next(at, len), what = next(at, len);

    if (how < 5 || *n == 0)
        return false;
    if (how == 5) {
        *n = where % *n;
        return true;
    }
    if (how == 6) {
        bytes[where % *n] ^= what;
        return what != 0;
    }
    for (size_t i = 0; i < *n; i++)
        bytes[i] = next(at, len);
    return true;
}

static void take(struct side *to, struct side *from, const uint8_t **at, size_t *len, bool *touched)
{
    uint8_t out[HANDSHAKE_OUT_MAX];
    size_t used, out_len;

    while (to->result == HANDSHAKE_MORE) {
        uint8_t *exact = malloc(to->in_len + 1); /* So that a read beyond it is seen. */

        memcpy(exact, to->in, to->in_len);
        to->result = handshake_take(&to->h, exact, to->in_len, &used, out, &out_len);
        free(exact);
        to->in_len -= used;
        memmove(to->in, to->in + used, to->in_len);
        *touched |= spoil(at, len, out, &out_len);
        if (from->in_len + out_len <= sizeof(from->in)) {
            memcpy(from->in + from->in_len, out, out_len);
            from->in_len += out_len;
        }
        if (used == 0)
            return;
    }
}

static void frames(struct side *from, struct side *to, const uint8_t *at, size_t len)
{
    while (len > 0) {
        uint8_t plain[64] = {1, 2, 3}, sealed[64 + FRAME_OVERHEAD];
        size_t n = frame_seal(&from->h.send, plain, next(&at, &len) % 64, sealed), used, got;
        bool touched = spoil(&at, &len, sealed, &n);
        uint8_t *exact = malloc(n + 1);
        const uint8_t *body;
        enum frame_result r = FRAME_MORE;

        memcpy(exact, sealed, n);
        if (n >= FRAME_LENGTH_SIZE)
            r = frame_open(&to->h.receive, exact, exact + FRAME_LENGTH_SIZE, n - FRAME_LENGTH_SIZE,
                           &used, &body, &got);
        free(exact);
        assert(!(touched && r == FRAME_OPENED));
        assert(touched || r == FRAME_OPENED);
        if (r != FRAME_OPENED)
            return;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
    static struct side s[2];
    uint8_t secret[NOISE_KEY];
    bool touched = false, probe[2], succeeds = false;

    for (int i = 0; i < 2; i++) {
        uint8_t flags = next(&at, &len);

        probe[i] = flags % 16 == 15;
        succeeds = i == 0 ? flags & 1 : succeeds;
        memset(&s[i], 0, sizeof(s[i]));
        options[i] = (struct handshake_options){
            .node = (uint8_t)i, .cluster_id = 7, .version = LINK_VERSION, .key_count = 2};
        memset(options[i].key[0], 1, NOISE_KEY);
        memset(options[i].key[1], 2, NOISE_KEY);
        memset(secret, 10 + i, sizeof(secret));
        handshake_init(&s[i].h, &options[i], i == 0, flags & 1, secret);
        if (probe[i])
            handshake_probe(&s[i].h);
    }
    s[1].in_len = handshake_begin(&s[0].h, 1 + next(&at, &len) % LINK_VERSION, s[1].in);
    touched = spoil(&at, &len, s[1].in, &s[1].in_len);
    for (int i = 0; i < ROUNDS; i++) {
        take(&s[1], &s[0], &at, &len, &touched);
        take(&s[0], &s[1], &at, &len, &touched);
    }
    assert(!(touched && s[1].result == HANDSHAKE_DONE));
    for (int i = 0; i < 2; i++)
        assert(!(probe[i] && s[i].result == HANDSHAKE_DONE)); /* It asks, and gives no link. */
    if (probe[0] || probe[1])
        assert(touched || s[probe[1] ? 1 : 0].result == HANDSHAKE_MET);
    else
        assert(touched || (s[0].result == HANDSHAKE_DONE && s[1].result == HANDSHAKE_DONE));
    if (s[1].result == HANDSHAKE_DONE) {
        assert(s[0].h.version == s[1].h.version);
        assert(s[1].h.succeeds == (succeeds && s[1].h.version >= 2));
        frames(&s[len & 1], &s[1 - (len & 1)], at, len);
    }
    return 0;
}
