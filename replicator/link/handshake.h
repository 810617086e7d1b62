/* The handshake of one connection to the peer: bytes in, bytes out (PROTOCOL.md section 9).  Pure.
 *
 * 1. The dialler says its preamble, and the listener answers with its own: 12 bytes in the clear,
 *    little-endian: "EVRL", u16 wire version, u8 node, u8 role (0 dials, 1 listens), u32 cluster
 * id.
 * 2. Noise_NNpsk0, with the two preambles as its prologue: message 1 of the dialler, message 2 of
 *    the listener.
 * 3. The dialler's proof that it holds the key now: the first sealed frame.
 *
 * The dialler offers the newest wire version that it speaks, the listener answers with the one of
 * the connection; both are authentic once the handshake is done.  Nothing is done because of
 * message 1, which can be replayed: the listener counts a connection as up only after the proof.
 * The proof is empty in version 1; from version 2 on u8 flags (1: goes on where the connection
 * before it ends), u8 zero.
 */
#ifndef EVREP_HANDSHAKE_H
#define EVREP_HANDSHAKE_H

#include "noise.h"

enum {
    LINK_VERSION = 3,     /* The wire version that this program speaks, */
    LINK_VERSION_OLD = 1, /* and the oldest one. */
    LINK_KEYS = 2,
    PREAMBLE_SIZE = 12,
    PROOF_SIZE = 2,
    HANDSHAKE_IN_MAX = 64,  /* Bytes that a step may have to wait for. */
    HANDSHAKE_OUT_MAX = 64, /* Bytes that one step says. */
};

struct handshake_options {
    uint8_t node;
    uint32_t cluster_id;
    uint16_t version; /* The newest to speak. */
    size_t key_count;
    uint8_t key[LINK_KEYS][NOISE_KEY]; /* The first is used when dialling; all are accepted. */
};

enum handshake_result {
    HANDSHAKE_MORE,   /* Call again with more bytes. */
    HANDSHAKE_DONE,   /* `send`, `receive`, `version`, `key`, `succeeds` are in force. */
    HANDSHAKE_FAILED, /* `why`, a constant text; what was said may still be written. */
    HANDSHAKE_MET,    /* Of a probe: the peer has the other node id, which is all it asks. */
};

struct handshake {
    const struct handshake_options *o; /* Must outlive it. */
    uint8_t step;
    bool dialler, succeeds, probe;
    uint16_t version;
    size_t key; /* Index of the key that the peer proved. */
    const char *why;
    uint8_t secret[NOISE_KEY], preamble[2][PREAMBLE_SIZE];
    struct noise noise;
    struct noise_cipher send, receive;
};

/* secret: 32 random bytes, of this connection alone.  succeeds: dialler's word for the proof. */
void handshake_init(struct handshake *h, const struct handshake_options *o, bool dialler,
                    bool succeeds, const uint8_t secret[NOISE_KEY]);
/* What is said before anything is heard; 0 for a listener.  offer: the wire version to offer. */
size_t handshake_begin(struct handshake *h, uint16_t offer, uint8_t out[HANDSHAKE_OUT_MAX]);
/* One step: takes *used of the bytes, and says *out_len bytes (also before it is DONE). */
enum handshake_result handshake_take(struct handshake *h, const uint8_t *in, size_t len,
                                     size_t *used, uint8_t out[HANDSHAKE_OUT_MAX], size_t *out_len);
/* It only compares the preambles and ends there: between nodes that have one id, both would dial,
 * or both listen.  After handshake_init(). */
void handshake_probe(struct handshake *h);
/* What it means that the peer closes now; a constant text. */
const char *handshake_closed_why(const struct handshake *h);
/* The wire version in a dialler's preamble, of which no more has been taken yet; 0: else. */
uint16_t handshake_offered(const struct handshake *h);
/* Nothing was heard yet: what a peer does that refuses our preamble. */
bool handshake_is_unheard(const struct handshake *h);
void handshake_wipe(struct handshake *h);

#endif
