#include "jetstream_flight.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void drop(struct jetstream_sent *s)
{
    natsMsg_Destroy(s->m);
    s->m = NULL;
}

natsStatus flight_add(struct jetstream_flight *f, const struct jetstream_link *k,
                      const struct sink_item *item)
{
    struct jetstream_sent *s = flight_at(f, f->next);
    char reply[96];
    natsStatus status;
    size_t n;

    assert(f->next - f->first < FLIGHT_MAX);
    *s = (struct jetstream_sent){
        .origin = item->origin, .position = item->position, .replay = item->replay != 0};
    n = jetstream_id(s->id, item->origin, item->position, item->statement);
    if (s->replay) /* A known id would be taken for a duplicate. */
        snprintf(s->id + n, sizeof(s->id) - n, "r%" PRIu32, item->replay);
    snprintf(reply, sizeof(reply), "%s.%" PRIu32, k->inbox, f->next);
    status = natsMsg_Create(&s->m, k->place[item->origin].subject, reply, (const char *)item->bytes,
                            (int)item->len);
    if (status == NATS_OK)
        status = natsMsgHeader_Set(s->m, "Nats-Msg-Id", s->id);
    if (status == NATS_OK && item->in_doubt)
        status = natsMsgHeader_Set(s->m, JETSTREAM_IN_DOUBT, "1");
    if (status != NATS_OK) {
        drop(s);
        return status;
    }
    f->next++;
    return NATS_OK;
}

natsStatus flight_send(struct jetstream_flight *f, const struct jetstream_link *k, const char *key,
                       const char *value)
{
    struct jetstream_sent *s = flight_at(f, f->sent);
    natsStatus status;

    if (s->answered) { /* It was refused, perhaps under the other guard. */
        natsMsgHeader_Delete(s->m, JETSTREAM_BEHIND_SEQUENCE);
        natsMsgHeader_Delete(s->m, JETSTREAM_BEHIND_ID);
    }
    status = natsMsgHeader_Set(s->m, key, value);
    if (status == NATS_OK)
        status = natsConnection_PublishMsg(k->nc, s->m);
    if (status != NATS_OK)
        return status;
    s->answered = false;
    f->sent++;
    f->unanswered++;
    return NATS_OK;
}

void flight_answered(struct jetstream_flight *f, uint32_t n, bool stored)
{
    struct jetstream_sent *s = flight_at(f, n);

    f->unanswered -= !s->answered;
    s->answered = true;
    s->stored |= stored;
}

size_t flight_confirm(struct jetstream_flight *f)
{
    size_t n = 0;

    while (f->first != f->sent && flight_at(f, f->first)->stored) {
        drop(flight_at(f, f->first++));
        n++;
    }
    return n;
}

void flight_rewind(struct jetstream_flight *f)
{
    assert(f->unanswered == 0);
    f->sent = f->first;
}

void flight_forget(struct jetstream_flight *f)
{
    while (f->first != f->next)
        drop(flight_at(f, f->first++));
    f->sent = f->first;
    f->unanswered = 0;
}
