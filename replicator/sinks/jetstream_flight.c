#include "jetstream_flight.h"

#include "text.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BYTES_MIN = 1 << 16 };

/* ---- the bytes of those that wait or are on their way, in the order in which they come and go
 * ---- */

/* No two begin at one place, also if one is empty. */
static size_t taken(const struct jetstream_sent *s)
{
    return s->len > 0 ? (size_t)s->len : 1;
}

static bool grow(struct jetstream_flight *f, size_t len)
{
    size_t size = f->size != 0 ? 2 * f->size : BYTES_MIN, used = 0;
    char *bytes;

    while (size / 4 < len)
        size *= 2;
    bytes = malloc(size);
    if (bytes == NULL)
        return false;
    for (uint32_t n = f->first; n != f->next; n++) {
        struct jetstream_sent *s = flight_at(f, n);

        memcpy(bytes + used, f->bytes + s->at, (size_t)s->len);
        s->at = used;
        used += taken(s);
    }
    free(f->bytes);
    f->bytes = bytes;
    f->size = size;
    return true;
}

/* Where len bytes in one piece are free behind the last; f->size: nowhere. */
static size_t free_behind_last(struct jetstream_flight *f, size_t len)
{
    const struct jetstream_sent *last = flight_at(f, f->next - 1);
    size_t begin, end;

    if (f->first == f->next)
        return len <= f->size ? 0 : f->size;
    begin = flight_at(f, f->first)->at;
    end = last->at + taken(last);
    if (last->at < begin)
        return len <= begin - end ? end : f->size;
    if (len <= f->size - end)
        return end;
    return len <= begin ? 0 : f->size;
}

static bool keep(struct jetstream_flight *f, struct jetstream_sent *s, const uint8_t *at)
{
    s->at = free_behind_last(f, taken(s));
    if (s->at == f->size) {
        if (!grow(f, taken(s)))
            return false;
        s->at = free_behind_last(f, taken(s));
    }
    memcpy(f->bytes + s->at, at, (size_t)s->len);
    return true;
}

/* ---- */

natsStatus flight_add(struct jetstream_flight *f, const struct sink_item *item)
{
    struct jetstream_sent *s = flight_at(f, f->next);
    size_t n;

    assert(f->next - f->first < FLIGHT_MAX);
    *s = (struct jetstream_sent){.len = (int)item->len,
                                 .origin = item->origin,
                                 .position = item->position,
                                 .in_doubt = item->in_doubt,
                                 .replay = item->replay != 0};
    if (!keep(f, s, item->bytes))
        return NATS_NO_MEMORY;
    n = jetstream_id(s->id, item->origin, item->position, item->statement);
    if (s->replay) /* A known id would be taken for a duplicate. */
        snprintf(s->id + n, sizeof(s->id) - n, "r%" PRIu32, item->replay);
    f->next++;
    return NATS_OK;
}

/* A message of libnats is a dozen pieces of memory.  Made just before it goes and freed behind it,
 * they are the same dozen each time; kept until the answer, to find them took a quarter of this
 * thread's time. */
natsStatus flight_send(struct jetstream_flight *f, const struct jetstream_link *k, const char *key,
                       const char *value)
{
    struct jetstream_sent *s = flight_at(f, f->sent);
    natsMsg *m = NULL;
    uint8_t reply[96];
    struct text t = {.at = reply, .end = reply + sizeof(reply)};
    natsStatus status;

    text_str(&t, k->inbox);
    text_literal(&t, ".");
    text_u64(&t, f->sent);
    text_literal(&t, "\0");
    status =
        natsMsg_Create(&m, k->place[s->origin].subject, (char *)reply, f->bytes + s->at, s->len);
    if (status == NATS_OK)
        status = natsMsgHeader_Set(m, "Nats-Msg-Id", s->id);
    if (status == NATS_OK)
        status = natsMsgHeader_Set(m, key, value);
    if (status == NATS_OK && s->in_doubt)
        status = natsMsgHeader_Set(m, JETSTREAM_IN_DOUBT, "1");
    if (status == NATS_OK)
        status = natsConnection_PublishMsg(k->nc, m);
    natsMsg_Destroy(m);
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
        f->first++;
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
    f->first = f->sent = f->next;
    f->unanswered = 0;
}
