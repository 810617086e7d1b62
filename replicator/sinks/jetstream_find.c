#include "jetstream_find.h"
#include "jetstream_ack.h"

#include <stdio.h>

enum { SCAN_FIRST = 1 << 12, SCAN_PATIENCE_MS = 1000 };

_Static_assert(JETSTREAM_SCAN <= SCAN_FIRST
                                     << 3 * (JETSTREAM_SPENT / JETSTREAM_LOOKS / JETSTREAM_TRIES -
                                             JETSTREAM_CATCH_UPS - 1),
               "a scan of each depth");

static uint64_t depth(const struct jetstream_link *k)
{
    return k->depth != 0 ? k->depth : JETSTREAM_SCAN;
}

void jetstream_floor(const struct jetstream_link *k, struct jetstream_question *a, uint64_t own)
{
    const struct jetstream_place *p = &k->place[a->q.origin];
    bool all = p->looked_from != 0 && p->looked_from <= own + 1;

    a->floor = own;
    if (place_has_epoch(p, a->q.epoch) || p->looked_from == 0)
        return;
    if (!all && p->last - p->looked_from < depth(k))
        return;
    a->floor = p->last;
    a->blind = !all;
}

static uint32_t later(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

struct found {
    uint8_t origin;
    position_t position;
    uint64_t at;   /* In the stream. */
    bool in_doubt; /* Sent again: it and what follows it in its run may lie further back, too. */
};

static void look_at_for(struct jetstream_question *a, const struct jetstream_ask *k,
                        const struct found *f)
{
    const struct sink_question *q = &a->q;
    uint32_t sequence = position_sequence(f->position);

    if (f->at <= (a->kept ? k->behind : a->floor))
        return;
    if (!f->in_doubt && sequence >= q->run && sequence <= q->to)
        a->sure = true;
    if (sequence < q->from || sequence > q->run_end)
        return;
    a->top = later(a->top, sequence);
    if ((!a->kept && sequence > q->to) || sequence <= a->last)
        return;
    a->last = sequence;
    a->at = f->at;
}

static void look_at(struct jetstream_place *p, struct jetstream_ask *k, natsMsg *m, uint64_t at)
{
    struct found f = {.at = at};
    const char *id = NULL, *mark = NULL;

    if (natsMsgHeader_Get(m, "Nats-Msg-Id", &id) != NATS_OK ||
        !jetstream_id_parse(id, &f.origin, &f.position) || f.origin != k->origin)
        return;
    f.in_doubt = natsMsgHeader_Get(m, JETSTREAM_IN_DOUBT, &mark) == NATS_OK;
    place_add_epoch(p, position_epoch(f.position));
    for (size_t i = 0; i < k->count; i++) {
        if (k->question[i].q.epoch == position_epoch(f.position))
            look_at_for(&k->question[i], k, &f);
    }
}

/* From `start` on all was looked at.  How far back it is to be looked for what is not known; 0: all
 * is known. */
static uint64_t unknown_from(struct jetstream_ask *k, uint64_t start)
{
    uint64_t from = 0;

    for (size_t i = 0; i < k->count; i++) {
        struct jetstream_question *a = &k->question[i];
        uint64_t first = (a->kept ? k->behind : a->floor) + 1;

        a->known = start <= first || (!a->kept && a->sure);
        if (!a->known && (from == 0 || first < from))
            from = first;
    }
    return from;
}

/* No ordered consumer of libnats: 3.4.1 frees its subscription under the reader when it resets one
 * that has heard nothing for a while.  scan() checks for holes itself. */
static natsStatus scan_open(struct jetstream_link *k, const struct jetstream_place *p,
                            uint64_t start, natsSubscription **sub)
{
    jsSubOptions so;
    natsStatus s = jsSubOptions_Init(&so);

    so.Stream = p->stream;
    so.Config.AckPolicy = js_AckNone;
    so.Config.DeliverPolicy = js_DeliverByStartSequence;
    so.Config.OptStartSeq = start;
    so.Config.HeadersOnly = true;
    if (s == NATS_OK)
        s = js_SubscribeSync(sub, k->js, p->subject, NULL, &so, NULL);
    return s == NATS_OK ? natsSubscription_SetPendingLimits(*sub, -1, -1) : s;
}

static natsStatus scan_message(struct jetstream_place *p, struct jetstream_ask *a, natsMsg *m,
                               uint64_t nth, uint64_t *sequence)
{
    jsMsgMetaData *meta = NULL;
    natsStatus s = natsMsg_GetMetaData(&meta, m);

    if (s != NATS_OK)
        return s;
    *sequence = meta->Sequence.Stream;
    if (meta->Sequence.Consumer != nth)
        s = NATS_MISMATCH;
    jsMsgMetaData_Destroy(meta);
    look_at(p, a, m, *sequence);
    return s;
}

/* The messages behind *sequence, up to the first at `until` or behind it, or as far as they come.
 */
static natsStatus scan_on(struct jetstream_link *k, struct jetstream_ask *a, uint64_t *sequence,
                          uint64_t until, int64_t patience_ms)
{
    struct jetstream_place *p = &k->place[a->origin];
    natsSubscription *sub = NULL;
    uint64_t nth = 0;
    natsStatus s = scan_open(k, p, *sequence + 1, &sub);

    while (s == NATS_OK && *sequence < until) {
        natsMsg *m = NULL;

        s = natsSubscription_NextMsg(&m, sub, patience_ms);
        if (s == NATS_OK)
            s = scan_message(p, a, m, ++nth, sequence);
        natsMsg_Destroy(m);
    }
    if (sub != NULL) {
        natsSubscription_Unsubscribe(sub);
        k->spent[k->spent_count++] = sub;
    }
    return s;
}

/* The messages from `start` on, up to the first at `until`, which is not above the subject's last,
 * or behind it.  A server of a cluster picks any of its servers
 * to read for us, and one that came back a while ago may lack the last of them: then another try
 * may have another one. */
static natsStatus scan(struct jetstream_link *k, struct jetstream_ask *a, uint64_t start,
                       uint64_t until)
{
    uint64_t sequence = start > 0 ? start - 1 : 0;
    natsStatus s = NATS_TIMEOUT;

    for (int i = 1; s == NATS_TIMEOUT && i <= JETSTREAM_TRIES; i++)
        s = scan_on(k, a, &sequence, until, (int64_t)i * SCAN_PATIENCE_MS);
    return s;
}

/* Further and further back, until all is known; *start: how far.  Where a stream was purged, its
 * first message is far up. */
static natsStatus look_back(struct jetstream_link *k, struct jetstream_ask *a, uint64_t first,
                            uint64_t *start)
{
    const struct jetstream_place *p = &k->place[a->origin];
    uint64_t from;
    natsStatus s = NATS_OK;

    for (uint64_t back = SCAN_FIRST; (from = unknown_from(a, *start)) != 0 && back <= depth(k);
         back *= 8) {
        uint64_t until = *start; /* From there on it was looked. */

        *start = p->last > back ? p->last - back : 1;
        *start = *start > from ? *start : from;
        s = scan(k, a, *start, until);
        if (s != NATS_OK)
            return s;
        *start = *start > first ? *start : 1;
    }
    return s;
}

static int read_first(struct jetstream_link *k, const struct jetstream_place *p, uint64_t *first,
                      char *err)
{
    jsStreamInfo *info = NULL;
    natsStatus s = js_GetStreamInfo(&info, k->js, p->stream, NULL, NULL);

    if (s != NATS_OK)
        return jetstream_fail_asked(err, "cannot ask where the stream begins", s, k->nc);
    *first = info->State.FirstSeq;
    jsStreamInfo_Destroy(info);
    return 0;
}

/* What was written during the look at so many messages, while it becomes less. */
static int catch_up(struct jetstream_link *k, struct jetstream_ask *a, uint64_t looked, char *err)
{
    struct jetstream_place *p = &k->place[a->origin];
    natsStatus s = NATS_OK;

    for (int i = 0; s == NATS_OK && i < JETSTREAM_CATCH_UPS; i++) {
        uint64_t before = p->last;

        if (jetstream_read_end(k, p, err) != 0)
            return -1;
        if (p->last < before)
            a->shrunk = true;
        if (p->last <= before)
            return 0;
        s = scan(k, a, before + 1, p->last);
        if (p->last - before > looked / 2)
            break;
        looked = p->last - before;
    }
    return s == NATS_OK ? 0 : jetstream_fail_asked(err, "cannot read the last messages", s, k->nc);
}

static void begin(struct jetstream_ask *a)
{
    a->shrunk = false;
    for (size_t i = 0; i < a->count; i++) {
        a->question[i].last = 0;
        a->question[i].sure = false;
        a->question[i].top = a->question[i].kept ? a->question[i].top : 0;
    }
}

/* All of the subject was looked at from `start` on. */
static void conclude(struct jetstream_place *p, struct jetstream_ask *a, uint64_t start)
{
    a->shrunk |= p->last < a->behind;
    if (a->shrunk)
        place_look_anew(p);
    else if (p->looked_from == 0 || start > a->behind + 1 || start < p->looked_from)
        p->looked_from = start != 0 ? start : 1;
    place_check_room(p);
    for (size_t i = 0; i < a->count; i++) {
        struct jetstream_question *q = &a->question[i];

        q->known = q->known && (!q->blind || q->kept || q->sure);
    }
}

/* Looks at the subject's last messages, from *start on: as far back as the questions need.  0 or
 * -1. */
static int look(struct jetstream_link *k, struct jetstream_ask *a, uint64_t *start, char *err)
{
    struct jetstream_place *p = &k->place[a->origin];
    uint64_t first = 0;
    natsMsg *m = NULL;
    natsStatus s;

    begin(a);
    if (jetstream_read_last(k, p, &p->last, &m, err) != 0)
        return -1;
    if (m != NULL)
        look_at(p, a, m, p->last);
    natsMsg_Destroy(m);
    *start = p->last;
    if (unknown_from(a, *start) == 0)
        return 0;
    if (read_first(k, p, &first, err) != 0)
        return -1;
    s = look_back(k, a, first, start);
    if (s != NATS_OK)
        return jetstream_fail_asked(err, "cannot read the last messages", s, k->nc);
    return catch_up(k, a, p->last - *start, err);
}

static bool is_record(natsMsg *m, uint8_t origin, position_t position)
{
    const char *id = NULL;
    position_t its;
    uint8_t by;

    return natsMsgHeader_Get(m, "Nats-Msg-Id", &id) == NATS_OK &&
           jetstream_id_parse(id, &by, &its) && by == origin && its == position;
}

/* 1: the leader has it there, too; 0: it has not; -1: it does not say. */
static int leader_has(struct jetstream_link *k, const struct jetstream_ask *a,
                      const struct jetstream_question *q, char *err)
{
    const struct jetstream_place *p = &k->place[a->origin];
    natsMsg *m = NULL;
    jsErrCode code = 0;
    natsStatus s = js_GetMsg(&m, k->js, p->stream, q->at, NULL, &code);
    int has;

    if (s == NATS_NOT_FOUND && code == JSNoMessageFoundErr)
        return 0;
    if (s != NATS_OK)
        return jetstream_fail_asked(err, "cannot read a message", s, k->nc);
    has = is_record(m, a->origin, position_make(q->q.epoch, q->last));
    natsMsg_Destroy(m);
    return has;
}

static int leader_agrees(struct jetstream_link *k, const struct jetstream_ask *a, char *err)
{
    int has = 1;

    for (size_t i = 0; has == 1 && i < a->count; i++) {
        const struct jetstream_question *q = &a->question[i];

        if (q->last != 0 && !q->kept)
            has = leader_has(k, a, q, err);
    }
    return has;
}

int jetstream_find(struct jetstream_link *k, struct jetstream_ask *a, char err[JETSTREAM_ERROR_MAX])
{
    struct jetstream_place *p = &k->place[a->origin];

    for (int i = 0; i < JETSTREAM_LOOKS; i++) {
        uint64_t start;
        int has;

        if (look(k, a, &start, err) != 0)
            return -1;
        has = leader_agrees(k, a, err);
        if (has == 1)
            conclude(p, a, start);
        if (has != 0)
            return has == 1 ? 0 : -1;
    }
    snprintf(err, JETSTREAM_ERROR_MAX,
             "the servers of stream %.64s differ: one has a record that its leader has not",
             p->stream);
    return -1;
}
