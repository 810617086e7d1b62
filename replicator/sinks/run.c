#include "run.h"
#include "bytes.h"

#include <arpa/inet.h>
#include <string.h>

enum { MSS_MIN = 64, SCALE_MAX = 14, OPTIONS_ALL = RUN_TIMESTAMPS | RUN_SACK | RUN_SCALE };

bool run_ip_equal(const struct run_ip *a, const struct run_ip *b)
{
    return a->family == b->family && memcmp(a->at, b->at, a->family == 4 ? 4 : 16) == 0;
}

int run_ip_parse(struct run_ip *out, const char *text)
{
    *out = (struct run_ip){0};
    if (inet_pton(AF_INET, text, out->at) == 1)
        out->family = 4;
    else if (inet_pton(AF_INET6, text, out->at) == 1)
        out->family = 6;
    return out->family != 0 ? 0 : -1;
}

/* ---- bytes ---- */

static void put_tcp(uint8_t *p, const struct run_tcp *t)
{
    const uint32_t words[] = {t->send,       t->receive,        t->wl1,     t->send_window,
                              t->max_window, t->receive_window, t->rcv_wup, t->stamp};

    put_le16(p, t->local_port);
    put_le16(p + 2, t->remote_port);
    put_le16(p + 4, t->mss);
    p[6] = t->send_scale;
    p[7] = t->receive_scale;
    memcpy(p + 8, t->local.at, 16);
    memcpy(p + 24, t->remote.at, 16);
    for (size_t i = 0; i < 8; i++)
        put_le32(p + 40 + 4 * i, words[i]);
    put_le32(p + 72, 0);
}

static void put_run(uint8_t *p, const struct run *r)
{
    put_le32(p, r->key);
    put_le32(p + 4, r->id);
    p[8] = r->origin;
    p[9] = r->state;
    p[10] = r->tcp.local.family;
    p[11] = r->tcp.options;
    put_le32(p + 12, r->epoch);
    put_le32(p + 16, r->low);
    put_le32(p + 20, r->first);
    put_le64(p + 24, r->offset);
    put_le32(p + 32, r->place);
    put_le32(p + 36, r->end);
    put_tcp(p + 40, &r->tcp);
    put_le32(p + 116, 0);
}

size_t run_table_put(uint8_t out[RUN_TABLE_SIZE_MAX], const struct run_table *t)
{
    uint8_t *p = out + RUN_HEAD_SIZE;

    put_le64(out, t->instance);
    put_le32(out + 8, t->generation);
    out[12] = t->count;
    out[13] = t->held_count;
    put_le16(out + 14, 0);
    for (uint8_t i = 0; i < t->count; i++, p += RUN_SIZE)
        put_run(p, &t->run[i]);
    for (uint8_t i = 0; i < t->held_count; i++, p += RUN_HELD_SIZE) {
        put_le32(p, t->held[i].family);
        memcpy(p + 4, t->held[i].at, 16);
    }
    return (size_t)(p - out);
}

static bool family_is_good(uint8_t family)
{
    return family == 4 || family == 6;
}

static int get_tcp(struct run_tcp *t, const uint8_t *p)
{
    uint32_t *const words[] = {&t->send,       &t->receive,        &t->wl1,     &t->send_window,
                               &t->max_window, &t->receive_window, &t->rcv_wup, &t->stamp};

    t->local_port = get_le16(p);
    t->remote_port = get_le16(p + 2);
    t->mss = get_le16(p + 4);
    t->send_scale = p[6];
    t->receive_scale = p[7];
    memcpy(t->local.at, p + 8, 16);
    memcpy(t->remote.at, p + 24, 16);
    for (size_t i = 0; i < 8; i++)
        *words[i] = get_le32(p + 40 + 4 * i);
    return t->local_port == 0 || t->remote_port == 0 || t->mss < MSS_MIN ||
                   t->send_scale > SCALE_MAX || t->receive_scale > SCALE_MAX
               ? -1
               : 0;
}

static int get_run(struct run *r, const uint8_t *p)
{
    r->key = get_le32(p);
    r->id = get_le32(p + 4);
    r->origin = p[8];
    r->state = p[9];
    r->tcp.local.family = r->tcp.remote.family = p[10];
    r->tcp.options = p[11];
    r->epoch = get_le32(p + 12);
    r->low = get_le32(p + 16);
    r->first = get_le32(p + 20);
    r->offset = get_le64(p + 24);
    r->place = get_le32(p + 32);
    r->end = get_le32(p + 36);
    if (r->origin >= NODE_COUNT || p[9] > RUN_TAKEN || !family_is_good(p[10]) ||
        (p[11] & ~OPTIONS_ALL) != 0 || r->epoch == 0 || r->low == 0 || r->first < r->low ||
        (r->end != 0 && r->end < r->first) ||
        r->first - r->low > r->offset) /* A record has a byte at least. */
        return -1;
    return get_tcp(&r->tcp, p + 40);
}

int run_table_get(struct run_table *t, const uint8_t *at, size_t len)
{
    const uint8_t *p = at + RUN_HEAD_SIZE;

    *t = (struct run_table){0};
    if (len < RUN_HEAD_SIZE || at[12] > RUN_MAX || at[13] > RUN_HELD_MAX ||
        len != RUN_HEAD_SIZE + (size_t)at[12] * RUN_SIZE + (size_t)at[13] * RUN_HELD_SIZE)
        return -1;
    t->instance = get_le64(at);
    t->generation = get_le32(at + 8);
    for (; t->count < at[12]; t->count++, p += RUN_SIZE) {
        if (get_run(&t->run[t->count], p) != 0)
            return -1;
    }
    for (; t->held_count < at[13]; t->held_count++, p += RUN_HELD_SIZE) {
        t->held[t->held_count].family = p[0];
        memcpy(t->held[t->held_count].at, p + 4, 16);
        if (!family_is_good(p[0]))
            return -1;
    }
    return 0;
}

/* ---- a table ---- */

struct run *run_find(struct run_table *t, uint32_t key, uint32_t id)
{
    for (uint8_t i = 0; i < t->count; i++) {
        if (t->run[i].key == key && t->run[i].id == id)
            return &t->run[i];
    }
    return NULL;
}

void run_remove(struct run_table *t, uint32_t key, uint32_t id)
{
    struct run *r = run_find(t, key, id);

    if (r == NULL)
        return;
    memmove(r, r + 1, (size_t)(&t->run[t->count] - (r + 1)) * sizeof(*r));
    t->count--;
}

int run_put(struct run_table *t, const struct run *r, unsigned most)
{
    struct run *there = run_find(t, r->key, r->id), *oldest = NULL;
    unsigned n = 0;

    if (there != NULL) {
        *there = *r;
        return 0;
    }
    for (uint8_t i = 0; i < t->count; i++) {
        if (t->run[i].key != r->key)
            continue;
        n++;
        if (t->run[i].state == RUN_CLOSED && oldest == NULL)
            oldest = &t->run[i];
    }
    if (n >= most && oldest != NULL)
        run_remove(t, oldest->key, oldest->id);
    else if (n >= most)
        return -1;
    if (t->count == RUN_MAX)
        return -1;
    t->run[t->count++] = *r;
    return 0;
}

void run_bound(struct run_table *t, struct run *r)
{
    for (uint8_t i = 0; i < t->count; i++) {
        struct run *o = &t->run[i];

        if (o->key != r->key || o->origin != r->origin || o->epoch != r->epoch ||
            o->state == RUN_CLOSED || o->id == r->id)
            continue;
        if (o->low < r->low && o->first <= r->low && (o->end == 0 || o->end > r->low))
            o->end = r->low;
        if (o->low > r->low && (r->end == 0 || r->end > o->low))
            r->end = o->low;
    }
}

/* ---- what it says ---- */

struct question {
    uint32_t key, epoch, to;
    uint8_t origin;
};

static bool is_of(const struct run *r, const struct question *q)
{
    return r->key == q->key && r->origin == q->origin && r->epoch == q->epoch;
}

/* The collector has everything up to `done`; up to where does this table know more? */
static uint32_t confirmed_by(const struct run_table *t, const struct question *q, uint32_t done)
{
    for (uint8_t i = 0; t != NULL && i < t->count; i++) {
        const struct run *r = &t->run[i];

        if (is_of(r, q) && r->low - 1 <= done && r->first - 1 > done)
            done = r->first - 1;
    }
    return done;
}

/* It is over: the teller says so, or the other node, which had taken it up. */
static bool is_over(const struct run *r, const struct run_table *other)
{
    for (uint8_t i = 0; r->state != RUN_CLOSED && other != NULL && i < other->count; i++) {
        const struct run *o = &other->run[i];

        if (o->key == r->key && o->id == r->id && o->state == RUN_CLOSED &&
            o->origin == r->origin && o->epoch == r->epoch)
            return true;
    }
    return r->state == RUN_CLOSED;
}

/* Those that may hold some of from .. q->to. */
static unsigned open_runs(const struct run_table *t, const struct run_table *other,
                          const struct question *q, uint32_t from, const struct run **run)
{
    unsigned n = 0;

    for (uint8_t i = 0; t != NULL && i < t->count; i++) {
        const struct run *r = &t->run[i];

        if (!is_of(r, q) || is_over(r, other) || r->low > q->to || (r->end != 0 && r->end <= from))
            continue;
        *run = r;
        n += r->state == RUN_TAKEN ? 2 : 1; /* The other node is at it. */
    }
    return n;
}

/* The one that may hold some of from .. q->to; in one of two, nobody can tell in which. */
static const struct run *the_one(const struct run_table *ours, const struct run_table *theirs,
                                 const struct question *q, uint32_t from)
{
    const struct run *r = NULL;
    unsigned n = open_runs(ours, theirs, q, from, &r) + open_runs(theirs, ours, q, from, &r);

    return n == 1 ? r : NULL;
}

static bool is_in(const struct run_table *t, const struct run *r)
{
    return t != NULL && r >= t->run && r < t->run + RUN_MAX;
}

/* Up to where `r` of one teller tells: the other one began a run only with what was in no doubt,
 * and so never went into `r`.  That it is over, perhaps as it failed, makes `r` no better a
 * witness. */
static uint32_t told_to(const struct run *r, const struct run_table *its,
                        const struct run_table *other, const struct question *q)
{
    uint32_t to = q->to;

    for (uint8_t i = 0; other != NULL && i < other->count; i++) {
        const struct run *o = &other->run[i];

        if (is_of(o, q) && o->id != r->id && is_over(o, its) && o->low >= r->low && o->low <= to)
            to = o->low - 1;
    }
    return to;
}

/* Of what lies above a->confirmed the first part that went into one connection. */
static void find_one(const struct run_table *ours, const struct run_table *theirs,
                     struct question q, struct run_answer *a)
{
    uint32_t from = a->confirmed + 1, most = q.to;

    q.to = from;
    a->run = the_one(ours, theirs, &q, from);
    if (a->run == NULL)
        return;
    q.to = a->run->end != 0 && a->run->end <= most ? a->run->end - 1 : most;
    q.to =
        is_in(ours, a->run) ? told_to(a->run, ours, theirs, &q) : told_to(a->run, theirs, ours, &q);
    a->to = q.to;
    if (q.to >= from && the_one(ours, theirs, &q, from) != NULL)
        a->word = RUN_TO_ASK;
    else
        a->run = NULL;
}

struct run_answer run_ask(const struct run_table *ours, const struct run_table *theirs,
                          uint32_t key, uint8_t origin, uint32_t epoch, uint32_t from, uint32_t to)
{
    struct question q = {key, epoch, to, origin};
    struct run_answer a = {.word = RUN_UNKNOWN, .confirmed = from - 1};
    uint32_t before;

    do {
        before = a.confirmed;
        a.confirmed = confirmed_by(ours, &q, a.confirmed);
        a.confirmed = confirmed_by(theirs, &q, a.confirmed);
    } while (a.confirmed != before);
    if (a.confirmed >= to) {
        a.confirmed = to;
        a.word = RUN_CONFIRMED;
        return a;
    }
    find_one(ours, theirs, q, &a);
    return a;
}
