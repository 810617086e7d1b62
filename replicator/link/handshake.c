#include "handshake.h"
#include "frames.h"

#include <sodium.h>
#include <string.h>

enum step { STEP_PREAMBLE, STEP_NOISE, STEP_PROOF, STEP_DONE };

static void put_le(uint8_t *out, uint32_t v, int bytes)
{
    for (int i = 0; i < bytes; i++)
        out[i] = (uint8_t)(v >> (8 * i));
}

static void put_preamble(const struct handshake *h, bool dialler, uint16_t version,
                         uint8_t out[PREAMBLE_SIZE])
{
    memcpy(out, "EVRL", 4);
    put_le(out + 4, version, 2);
    out[6] = h->o->node;
    out[7] = dialler ? 0 : 1;
    put_le(out + 8, h->o->cluster_id, 4);
}

void handshake_init(struct handshake *h, const struct handshake_options *o, bool dialler,
                    bool succeeds, const uint8_t secret[NOISE_KEY])
{
    memset(h, 0, sizeof(*h));
    h->o = o;
    h->dialler = dialler;
    h->succeeds = succeeds;
    memcpy(h->secret, secret, NOISE_KEY);
}

size_t handshake_begin(struct handshake *h, uint16_t offer, uint8_t out[HANDSHAKE_OUT_MAX])
{
    if (!h->dialler)
        return 0;
    h->version = offer;
    put_preamble(h, true, offer, h->preamble[0]);
    memcpy(out, h->preamble[0], PREAMBLE_SIZE);
    return PREAMBLE_SIZE;
}

void handshake_probe(struct handshake *h)
{
    h->probe = true;
}

const char *handshake_closed_why(const struct handshake *h)
{
    if (!h->dialler)
        return "the handshake was broken off";
    if (h->step == STEP_PREAMBLE)
        return "the peer closed at our first bytes: its log says why";
    return "the peer closed when it saw our key: it has another key, or its log says why";
}

uint16_t handshake_offered(const struct handshake *h)
{
    return !h->dialler && h->step == STEP_NOISE
               ? (uint16_t)(h->preamble[0][4] | h->preamble[0][5] << 8)
               : 0;
}

bool handshake_is_unheard(const struct handshake *h)
{
    return h->step == STEP_PREAMBLE;
}

static enum handshake_result fail(struct handshake *h, const char *why)
{
    h->why = why;
    return HANDSHAKE_FAILED;
}

static const char *preamble_fault(const struct handshake *h, const uint8_t at[PREAMBLE_SIZE])
{
    uint8_t want[PREAMBLE_SIZE];
    unsigned version = at[4] | (unsigned)at[5] << 8;

    put_preamble(h, !h->dialler, 0, want);
    if (memcmp(at, "EVRL", 4) != 0)
        return "not an evrep peer";
    if (version < LINK_VERSION_OLD || (h->dialler && version > h->version))
        return "another wire version";
    if (memcmp(at + 8, want + 8, 4) != 0)
        return "wrong cluster id";
    if (at[6] == h->o->node)
        return at[6] == 0 ? "the same node id on both sides: the peer says that it is node 0 too"
                          : "the same node id on both sides: the peer says that it is node 1 too";
    if (at[6] > 1 || at[7] != want[7])
        return at[6] > 1 ? "an impossible node id" : "both sides have the same role";
    return NULL;
}

static void start_noise(struct handshake *h, size_t key)
{
    h->key = key;
    noise_init(&h->noise, h->dialler, h->o->key[key], h->preamble[0], sizeof(h->preamble),
               h->secret);
}

static enum handshake_result take_preamble(struct handshake *h, const uint8_t *in, uint8_t *out,
                                           size_t *out_len)
{
    const char *fault = preamble_fault(h, in);
    uint16_t version = (uint16_t)(in[4] | in[5] << 8);

    if (fault != NULL && !h->dialler && memcmp(in, "EVRL", 4) == 0 && version >= LINK_VERSION_OLD) {
        put_preamble(h, false, version < h->o->version ? version : h->o->version, out);
        *out_len = PREAMBLE_SIZE; /* So that its log says what is wrong, too. */
    }
    if (fault != NULL)
        return fail(h, fault);
    if (h->probe)
        return HANDSHAKE_MET;
    memcpy(h->preamble[h->dialler ? 1 : 0], in, PREAMBLE_SIZE);
    h->step = STEP_NOISE;
    if (h->dialler) {
        h->version = version;
        start_noise(h, 0);
        noise_write(&h->noise, NULL, 0, out);
        *out_len = NOISE_MESSAGE;
        return HANDSHAKE_MORE;
    }
    h->version = version < h->o->version ? version : h->o->version;
    put_preamble(h, false, h->version, h->preamble[1]);
    memcpy(out, h->preamble[1], PREAMBLE_SIZE);
    *out_len = PREAMBLE_SIZE;
    return HANDSHAKE_MORE;
}

static size_t put_proof(struct handshake *h, uint8_t *out)
{
    uint8_t proof[PROOF_SIZE] = {h->succeeds, 0};

    return frame_seal(&h->send, proof, h->version >= 2 ? PROOF_SIZE : 0, out);
}

/* Any of the keys may be the peer's while they are changed. */
static int read_with_any_key(struct handshake *h, const uint8_t *in)
{
    uint8_t none[1];

    for (size_t k = 0; k < (h->dialler ? 1 : h->o->key_count); k++) {
        if (!h->dialler)
            start_noise(h, k);
        if (noise_read(&h->noise, in, NOISE_MESSAGE, none) == 0)
            return 0;
    }
    return -1;
}

static enum handshake_result take_noise(struct handshake *h, const uint8_t *in, uint8_t *out,
                                        size_t *out_len)
{
    if (read_with_any_key(h, in) != 0)
        return fail(h, "wrong key");
    if (!h->dialler) {
        noise_write(&h->noise, NULL, 0, out);
        *out_len = NOISE_MESSAGE;
    }
    noise_split(&h->noise, &h->send, &h->receive);
    noise_wipe(&h->noise);
    sodium_memzero(h->secret, sizeof(h->secret));
    h->step = STEP_PROOF;
    if (!h->dialler)
        return HANDSHAKE_MORE;
    *out_len = put_proof(h, out);
    h->step = STEP_DONE;
    return HANDSHAKE_DONE;
}

static enum handshake_result take_proof(struct handshake *h, const uint8_t *in)
{
    size_t size = h->version >= 2 ? PROOF_SIZE : 0;
    uint8_t proof[PROOF_SIZE + NOISE_TAG] = {0};
    const uint8_t *at;
    size_t len, used;

    memcpy(proof, in + FRAME_LENGTH_SIZE, size + NOISE_TAG);
    if (frame_open(&h->receive, in, proof, size + NOISE_TAG, &used, &at, &len) != FRAME_OPENED)
        return fail(h, "a proof that is not authentic");
    if (size > 0 && (proof[0] > 1 || proof[1] != 0))
        return fail(h, "a malformed proof");
    h->succeeds = size > 0 && proof[0] == 1; /* Else it is the tag that is there. */
    h->step = STEP_DONE;
    return HANDSHAKE_DONE;
}

static size_t size_of_step(const struct handshake *h)
{
    switch (h->step) {
    case STEP_PREAMBLE:
        return PREAMBLE_SIZE;
    case STEP_NOISE:
        return NOISE_MESSAGE;
    default:
        return FRAME_OVERHEAD + (h->version >= 2 ? PROOF_SIZE : 0);
    }
}

enum handshake_result handshake_take(struct handshake *h, const uint8_t *in, size_t len,
                                     size_t *used, uint8_t out[HANDSHAKE_OUT_MAX], size_t *out_len)
{
    size_t size = size_of_step(h);

    *used = *out_len = 0;
    if (len < size)
        return HANDSHAKE_MORE;
    *used = size;
    if (h->step == STEP_PREAMBLE)
        return take_preamble(h, in, out, out_len);
    if (h->step == STEP_NOISE)
        return take_noise(h, in, out, out_len);
    return take_proof(h, in);
}

void handshake_wipe(struct handshake *h)
{
    sodium_memzero(h, sizeof(*h));
}
