#include "shell.h"
#include "bytes.h"
#include "segment.h"

#include <stdlib.h>
#include <string.h>

enum { RANGES_MAX = SINK_COUNT_MAX * SPAN_MAX, FIRST_ROOM = 4096, WORK_RECORDS = 8192 };

struct range {
    uint32_t from, to;
};

static struct tally_segment *segment_of(struct tally *t, uint32_t epoch, uint32_t first)
{
    struct tally_segment *g;

    for (size_t i = t->count; i > 0; i--) {
        if (t->segment[i - 1].epoch == epoch)
            return &t->segment[i - 1];
    }
    if (t->count == t->room) {
        size_t room = t->room != 0 ? 2 * t->room : 16;

        g = realloc(t->segment, room * sizeof(*g));
        if (g == NULL)
            return NULL;
        t->segment = g;
        t->room = room;
    }
    g = &t->segment[t->count++];
    *g = (struct tally_segment){.epoch = epoch, .first = first};
    return g;
}

/* What is delivered everywhere is not asked for any more: a segment may stay open for months. */
static void forget(const struct shell *s, struct tally_segment *g)
{
    uint32_t needed = core_needed(s->core, s->config->node, g->epoch);
    uint32_t old = needed > g->first ? min_u32(needed - g->first, g->count) : 0;

    if (old == 0 || old < g->room / 2)
        return; /* Not worth the move. */
    memmove(g->kind, g->kind + old, g->count - old);
    g->first += old;
    g->count -= old;
}

/* Grows by doubling, so seldom; without memory the counters say less, nothing else happens. */
static void remember(const struct shell *s, struct tally_segment *g, uint32_t sequence,
                     uint8_t kind)
{
    if (g == NULL || sequence != g->first + g->count)
        return;
    if (g->count == g->room)
        forget(s, g);
    if (g->count == g->room) {
        uint32_t room = g->room != 0 ? 2 * g->room : FIRST_ROOM;
        uint8_t *grown = realloc(g->kind, room);

        if (grown == NULL)
            return;
        g->kind = grown;
        g->room = room;
    }
    g->kind[g->count++] = kind;
}

void tally_journaled(struct shell *s, const uint8_t *records, size_t n)
{
    struct tally *t = &s->tally;
    uint32_t epoch = get_le32(records), from = get_le32(records + 4);
    struct tally_segment *g = segment_of(t, epoch, from);

    for (size_t i = 0; i < n; i++) {
        uint8_t kind = records[i * RECORD_SIZE + 21];
        uint32_t q = from + (uint32_t)i;

        remember(s, g, q, kind);
        t->journaled[kind]++;
        if (epoch < t->open_epoch || (epoch == t->open_epoch && q <= t->open_last))
            t->unread[kind]++;
    }
}

void tally_shed(struct shell *s, const struct core_range *r)
{
    struct tally *t = &s->tally;
    const struct tally_segment *g = segment_of(t, r->epoch, r->from);

    for (uint32_t q = r->from; g != NULL && q <= r->to; q++) {
        if (q >= g->first && q - g->first < g->count)
            t->shed[g->kind[q - g->first]]++;
    }
}

/* ---- what is not delivered ---- */

static void add_range(struct range *r, size_t *n, uint32_t from, uint32_t to)
{
    size_t i = (*n)++;

    for (; i > 0 && r[i - 1].from > from; i--)
        r[i] = r[i - 1];
    r[i] = (struct range){from, to};
}

/* At some sink, or at that one, in order; they may overlap. */
static size_t open_ranges(const struct shell *s, const struct segment *g, int sink, struct range *r)
{
    size_t n = 0;

    for (size_t k = 0; k < s->core->o.sink_count; k++) {
        for (uint8_t m = 0; m < g->at[k].count && (sink < 0 || (size_t)sink == k); m++) {
            const struct span *p = &g->at[k].span[m];
            uint32_t from = max_u32(p->emitted + 1, p->from);
            uint32_t to = min_u32(p->to, g->journaled);

            if (from <= to)
                add_range(r, &n, from, to);
        }
    }
    return n;
}

static void count_open(const struct shell *s, const struct segment *g, int sink, uint64_t out[256])
{
    const struct tally *t = &s->tally;
    const struct tally_segment *k = NULL;
    struct range r[RANGES_MAX];
    size_t n = open_ranges(s, g, sink, r);
    uint32_t next = 0;

    for (size_t i = 0; i < t->count; i++) {
        if (t->segment[i].epoch == g->epoch)
            k = &t->segment[i];
    }
    for (size_t i = 0; k != NULL && i < n; i++) {
        uint32_t from = max_u32(max_u32(r[i].from, next), k->first);

        for (uint32_t q = from; q <= r[i].to && q - k->first < k->count; q++)
            out[k->kind[q - k->first]]++;
        next = max_u32(next, r[i].to + 1);
    }
}

static void count_all(const struct shell *s, int sink, uint64_t held[256], uint64_t rest[256])
{
    for (uint16_t i = 0; i < s->core->count; i++) {
        const struct segment *g = &s->core->segment[s->core->order[i]];

        if (g->origin == s->config->node)
            count_open(s, g, sink, g->state == SEGMENT_HELD ? held : rest);
    }
}

/* ---- opening ---- */

struct tally_old {
    uint32_t epoch, next, last; /* next: the first that is not read. */
    bool dropped;               /* Its records may go once they are read. */
    struct range open[RANGES_MAX];
    size_t open_count;
};

bool tally_is_complete(const struct shell *s)
{
    return s->tally.reading == s->tally.old_count;
}

static bool was_open(const struct tally_old *o, uint32_t q)
{
    for (size_t i = 0; i < o->open_count && o->open[i].from <= q; i++) {
        if (q <= o->open[i].to)
            return true;
    }
    return false;
}

static void found(struct shell *s, const struct tally_old *o, struct tally_segment *g, uint32_t q,
                  uint8_t kind)
{
    if (g != NULL && q >= g->first && q - g->first < g->count)
        g->kind[q - g->first] = kind;
    if (was_open(o, q))
        s->tally.inherited[kind]++;
}

/* At most so many records of it; how many it was. */
static uint32_t read_old(struct shell *s, struct tally_old *o, uint32_t most)
{
    static uint8_t records[FEED_BATCH * RECORD_SIZE];
    struct tally_segment *g;
    uint32_t n = 0;
    size_t got = 1;

    if (o->next > o->last) /* Read before it was dropped. */
        return 0;
    g = segment_of(&s->tally, o->epoch, o->next);
    for (; n < most && o->next <= o->last && got > 0; n += (uint32_t)got) {
        got = journal_read(s->journal, s->config->node, o->epoch, o->next, o->last - o->next + 1,
                           records, sizeof(records));
        for (size_t i = 0; i < got; i++)
            found(s, o, g, o->next + (uint32_t)i, records[i * RECORD_SIZE + 21]);
        o->next += (uint32_t)got;
    }
    if (got == 0) /* Not there: there is nothing to count. */
        o->next = o->last + 1;
    return n;
}

static void forget_segment(struct tally *t, uint32_t epoch)
{
    for (size_t i = 0; i < t->count; i++) {
        if (t->segment[i].epoch != epoch)
            continue;
        free(t->segment[i].kind);
        memmove(&t->segment[i], &t->segment[i + 1], (--t->count - i) * sizeof(*t->segment));
        return;
    }
}

void tally_work(struct shell *s)
{
    struct tally *t = &s->tally;
    uint32_t n = 0;

    while (!tally_is_complete(s) && n < WORK_RECORDS) {
        struct tally_old *o = &t->old[t->reading];

        n += read_old(s, o, WORK_RECORDS - n);
        if (o->next <= o->last)
            continue;
        t->reading++;
        if (!o->dropped)
            continue;
        forget_segment(t, o->epoch);
        retain_settled(s, s->config->node, o->epoch);
    }
    if (!tally_is_complete(s))
        return;
    free(t->old);
    t->old = NULL;
    t->old_count = t->reading = 0;
}

/* Places for the kinds, so that what is journaled from now on follows. */
static void make_room(struct shell *s, const struct segment *g)
{
    struct tally_segment *t = segment_of(&s->tally, g->epoch, g->base);
    uint32_t count = g->journaled >= g->base ? g->journaled - g->base + 1 : 0;

    if (t == NULL || count == 0)
        return;
    t->kind = calloc(count, 1);
    if (t->kind != NULL)
        t->count = t->room = count;
}

static void find_old(struct shell *s)
{
    struct tally *t = &s->tally;

    t->old = calloc(SEGMENT_MAX, sizeof(*t->old));
    if (t->old == NULL)
        return;
    for (uint16_t i = 0; i < s->core->count; i++) {
        const struct segment *g = &s->core->segment[s->core->order[i]];
        struct tally_old *o = &t->old[t->old_count];

        if (g->origin != s->config->node)
            continue;
        make_room(s, g);
        *o = (struct tally_old){.epoch = g->epoch, .next = g->base, .last = g->journaled};
        o->open_count = open_ranges(s, g, -1, o->open);
        t->old_count++;
    }
}

void tally_open(struct shell *s)
{
    struct tally *t = &s->tally;
    struct evhooks_counters c;

    find_old(s);
    ingest_ring_counters(s->ring, &c);
    memcpy(t->tagged_at_open, c.tagged, sizeof(t->tagged_at_open));
    ingest_ring_produced(s->ring, &t->open_epoch, &t->open_last);
    for (size_t k = 0; k < EVHOOKS_KIND_MAX; k++)
        t->unaccounted = t->unaccounted || (s->core->fresh && c.tagged[k] > 0);
    tally_work(s); /* A short backlog is complete at once. */
}

bool tally_drop(struct shell *s, uint32_t epoch)
{
    struct tally *t = &s->tally;

    for (size_t i = t->reading; i < t->old_count; i++) {
        if (t->old[i].epoch != epoch || t->old[i].next > t->old[i].last)
            continue;
        t->old[i].dropped = true;
        return false;
    }
    forget_segment(t, epoch);
    return true;
}

/* ---- reading ---- */

static bool ring_is_empty(const struct shell *s)
{
    uint32_t epoch, last;
    const struct segment *g;

    ingest_ring_produced(s->ring, &epoch, &last);
    g = core_segment(s->core, s->config->node, epoch);
    return s->feed_pending == 0 && (epoch == 0 || (g != NULL && g->journaled >= last));
}

static void read_kind(const struct shell *s, size_t k, uint64_t tagged, uint64_t open,
                      uint64_t open_here, struct tally_kind *out)
{
    const struct tally *t = &s->tally;
    uint64_t later = tagged - t->tagged_at_open[k] + t->unread[k]; /* To be read since we came. */
    uint64_t known = t->unread[k] + t->inherited[k];
    uint64_t before = t->tagged_at_open[k] > known ? t->tagged_at_open[k] - known : 0;
    uint64_t ours = t->inherited[k] + t->journaled[k];
    uint64_t in_ring = later > t->journaled[k] ? later - t->journaled[k] : 0;

    out->earlier = known > t->tagged_at_open[k] ? known - t->tagged_at_open[k] : 0;
    out->pending += in_ring;
    out->emitted = before + ours - open - t->shed[k];
    out->gap = t->shed[k];
    out->elsewhere = ours - open_here - s->emitted[k];
    out->balanced = later >= t->journaled[k] && ours >= open && ours - open_here >= s->emitted[k] &&
                    tagged + out->earlier == out->emitted + out->held + out->pending + out->gap;
}

/* A4: a slot whose worker died is tagged, and an ABANDONED record of no kind stands for it. */
static void abandoned(const struct shell *s, struct tally_kind out[EVHOOKS_KIND_MAX],
                      const uint64_t open[256])
{
    uint64_t stated = s->tally.journaled[RECORD_ABANDONED];

    for (size_t k = 0; k < EVHOOKS_KIND_MAX && ring_is_empty(s); k++) {
        uint64_t in_ring = out[k].pending - open[k];

        if (in_ring == 0)
            continue;
        if (in_ring > stated) {
            out[k].balanced = false;
            continue;
        }
        stated -= in_ring;
        out[k].pending -= in_ring;
        out[k].gap += in_ring;
    }
}

void tally_read(const struct shell *s, const struct evhooks_counters *c,
                struct tally_kind out[EVHOOKS_KIND_MAX])
{
    uint64_t held[256] = {0}, rest[256] = {0}, here[256] = {0};

    count_all(s, -1, held, rest);
    count_all(s, 0, here, here);
    memset(out, 0, EVHOOKS_KIND_MAX * sizeof(*out));
    for (size_t k = 0; k < EVHOOKS_KIND_MAX; k++) {
        out[k].held = held[k];
        out[k].pending = rest[k];
        read_kind(s, k, c->tagged[k], held[k] + rest[k], here[k], &out[k]);
    }
    abandoned(s, out, rest);
}
