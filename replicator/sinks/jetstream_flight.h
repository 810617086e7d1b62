/* Records on their way to a JetStream server: first .. next - 1, modulo 2^32.  Up to sent - 1 they
 * are at the server, whose answers name them; the rest waits.  Each is kept until it is confirmed,
 * so that one that was refused can be sent again, in its order. */
#ifndef EVREP_JETSTREAM_FLIGHT_H
#define EVREP_JETSTREAM_FLIGHT_H

#include "jetstream_ack.h"
#include "jetstream_link.h"
#include "sink.h"

enum { FLIGHT_MAX = 8192 /* A power of two. */ };

struct jetstream_flight {
    uint32_t first, sent, next;
    uint32_t unanswered; /* Of first .. sent - 1. */
    char *bytes;         /* Of first .. next - 1, each in one piece. */
    size_t size;
    struct jetstream_sent {
        size_t at; /* In bytes. */
        int len;
        char id[JETSTREAM_ID_MAX];
        position_t position;
        uint8_t origin;
        bool in_doubt, replay, answered, stored;
    } slot[FLIGHT_MAX];
};

static inline struct jetstream_sent *flight_at(struct jetstream_flight *f, uint32_t n)
{
    return &f->slot[n % FLIGHT_MAX];
}

/* Behind the last, which must be less than FLIGHT_MAX from the first. */
natsStatus flight_add(struct jetstream_flight *f, const struct sink_item *item);
/* Sends the one at `sent` under that guard. */
natsStatus flight_send(struct jetstream_flight *f, const struct jetstream_link *k, const char *key,
                       const char *value);
/* The answer to the n-th came: it is stored, or refused. */
void flight_answered(struct jetstream_flight *f, uint32_t n, bool stored);
/* How many of the first are stored: they are forgotten. */
size_t flight_confirm(struct jetstream_flight *f);
/* All are answered: what is not stored is to be sent again. */
void flight_rewind(struct jetstream_flight *f);
void flight_forget(struct jetstream_flight *f);

#endif
