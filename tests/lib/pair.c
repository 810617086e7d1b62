#include "pair.h"

#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void work(struct pair *p, int n);

static void put(struct pair_queue *q, const uint8_t *at, uint32_t len)
{
    assert_true(q->tail + len + 4 <= PAIR_QUEUE_MAX);
    memcpy(q->bytes + q->tail, &len, 4);
    memcpy(q->bytes + q->tail + 4, at, len);
    q->tail += len + 4;
}

void pair_init(struct pair *p, uint32_t window)
{
    memset(p, 0, sizeof(*p));
    p->now_ns = 1000 * SECOND_NS;
    p->options = (struct core_options){
        .has_peer = true,
        .lease_ns = 300 * MS,
        .drift_ppm = 1000,
        .hello_ns = 500 * MS,
        .sink_count = 1,
        .sink[0] = {.key = sink_key("siem"), .window = window, .hold_ns = 30 * SECOND_NS},
    };
}

static void step(struct pair *p, int n, struct core_input *in)
{
    in->now_ns = p->now_ns;
    core_step(&p->node[n].core, in);
}

static void recover(struct pair *p, int n)
{
    struct pair_node *node = &p->node[n];
    struct core_options o = p->options;

    o.node = (uint8_t)n;
    o.wire_version = p->version[n];
    o.boot = p->boot[n];
    o.journal = ++p->random;
    core_init(&node->core, &o, p->now_ns);
    for (size_t at = 0; at < node->disk.meta_len;) {
        uint32_t len;

        memcpy(&len, node->disk.meta + at, 4);
        assert_int_equal(core_recover_meta(&node->core, node->disk.meta + at + 4, len), 0);
        at += len + 4;
    }
    for (size_t i = 0; i < node->disk.held_count; i++) {
        const struct core_range *r = &node->disk.held[i];

        core_recover_segment(&node->core, r->origin, r->epoch, r->from, r->to);
    }
    core_recovered(&node->core);
}

/* As the shell does, before anything else is done. */
static void tell_tagged(struct pair *p, int n)
{
    if (p->node[n].ring_epoch != 0)
        pair_tagged(p, n, p->node[n].ring_next - 1);
}

void pair_start(struct pair *p, int n)
{
    struct pair_node *node = &p->node[n];

    node->alive = true;
    node->in.head = node->in.tail = 0;
    node->unconfirmed_count = node->note_count = node->asked_count = 0;
    recover(p, n);
    tell_tagged(p, n);
    pair_sink_up(p, n);
    work(p, n);
}

void pair_cut(struct pair *p)
{
    if (!p->link)
        return;
    p->link = false;
    for (int n = 0; n < NODE_COUNT; n++) {
        struct core_input in = {.kind = CORE_LINK_DOWN};

        p->node[n].in.head = p->node[n].in.tail = 0;
        if (p->node[n].alive)
            step(p, n, &in);
    }
}

void pair_crash(struct pair *p, int n)
{
    p->node[n].alive = false;
    pair_cut(p);
}

void pair_lose_ring(struct pair *p, int n)
{
    p->node[n].ring_epoch = p->node[n].ring_next = 0;
}

void pair_power_cut(struct pair *p, int n, size_t meta_len)
{
    pair_crash(p, n);
    pair_lose_ring(p, n);
    p->node[n].disk.meta_len = meta_len;
    p->boot[n]++;
}

void pair_lose_journal(struct pair *p, int n)
{
    struct pair_disk *d = &p->node[n].disk;

    assert_false(p->node[n].alive);
    d->meta_len = d->held_count = 0;
}

void pair_connect(struct pair *p)
{
    p->link = true;
    for (int n = 0; n < NODE_COUNT; n++) {
        struct core_input in = {.kind = CORE_LINK_UP, .link = {0, ++p->random}};

        step(p, n, &in);
    }
}

void pair_cluster(struct pair *p, int n, bool peer_dead, bool may_take)
{
    struct core_input in = {.kind = CORE_CLUSTER, .cluster = {peer_dead, may_take}};

    step(p, n, &in);
}

static struct core_range *held(struct pair_disk *d, uint8_t origin, uint32_t epoch)
{
    for (size_t i = 0; i < d->held_count; i++) {
        if (d->held[i].origin == origin && d->held[i].epoch == epoch)
            return &d->held[i];
    }
    assert_true(d->held_count < 64);
    d->held[d->held_count] = (struct core_range){origin, epoch, 0, 0};
    return &d->held[d->held_count++];
}

static void journal(struct pair *p, int n, uint8_t origin, uint32_t epoch, uint32_t from,
                    uint32_t to)
{
    struct core_range *h = held(&p->node[n].disk, origin, epoch);
    struct core_input in = {.kind = CORE_RECORDS, .records = {origin, epoch, from, to}};

    if (h->from == 0 || from > h->to + 1)
        h->from = from;
    h->to = to;
    step(p, n, &in);
}

void pair_produce(struct pair *p, int n, uint32_t count)
{
    struct pair_node *node = &p->node[n];
    uint32_t from = node->ring_next;

    assert_true(node->ring_epoch != 0);
    node->ring_next += count;
    if (node->alive)
        journal(p, n, (uint8_t)n, node->ring_epoch, from, from + count - 1);
}

void pair_tagged(struct pair *p, int n, uint32_t last)
{
    struct core_input in = {.kind = CORE_PRODUCED,
                            .records = {(uint8_t)n, p->node[n].ring_epoch, 1, last}};

    step(p, n, &in);
}

static void open_epoch(struct pair *p, int n, uint32_t epoch)
{
    struct pair_node *node = &p->node[n];
    struct core_input in = {
        .kind = CORE_EPOCH_OPENED,
        .epoch = {epoch, node->ring_epoch, node->ring_next > 0 ? node->ring_next - 1 : 0}};
    uint32_t old = node->ring_epoch, last = node->ring_next - 1;
    struct core_range *h;

    step(p, n, &in);
    if (old != 0) { /* What lies in the ring since the last run. */
        h = held(&node->disk, (uint8_t)n, old);
        if (h->to < last)
            journal(p, n, (uint8_t)n, old, h->to + 1, last);
    }
    node->ring_epoch = epoch;
    node->ring_next = 2;
    journal(p, n, (uint8_t)n, epoch, 1, 1);
}

static void send_records(struct pair *p, int n, const struct core_range *r)
{
    static uint8_t frame[RECORDS_HEADER_SIZE + SEND_BATCH_MAX * 160];
    struct wire_records w = {.origin = r->origin,
                             .epoch = r->epoch,
                             .from = r->from,
                             .count = (uint16_t)(r->to - r->from + 1),
                             .base = core_needed(&p->node[n].core, r->origin, r->epoch)};

    if (w.base > w.from)
        w.base = w.from;
    wire_put_records(frame, &w);
    core_stamp(&p->node[n].core, frame);
    put(&p->node[1 - n].in, frame, (uint32_t)(RECORDS_HEADER_SIZE + w.count * 160u));
}

static void perform(struct pair *p, int n)
{
    struct pair_node *node = &p->node[n];
    struct core_output *out = &node->out;

    for (size_t i = 0; i < out->meta_count; i++) {
        struct pair_disk *d = &node->disk;

        assert_true(d->meta_len + out->meta[i].len + 4 <= PAIR_META_MAX);
        memcpy(d->meta + d->meta_len, &out->meta[i].len, 4);
        memcpy(d->meta + d->meta_len + 4, out->bytes + out->meta[i].at, out->meta[i].len);
        d->meta_len += out->meta[i].len + 4;
    }
    for (size_t i = 0; i < out->drop_count; i++) {
        struct core_range *h = held(&node->disk, out->drop[i].origin, out->drop[i].epoch);

        *h = node->disk.held[--node->disk.held_count];
    }
    for (size_t i = 0; i < out->note_count; i++)
        node->note[node->note_count++] = out->note[i];
    for (size_t i = 0; i < out->ask_count; i++) {
        assert_true(node->asked_count < 16);
        node->asked[node->asked_count++] = out->ask[i].range;
    }
    if (p->link && p->node[1 - n].alive) {
        for (size_t i = 0; i < out->frame_count; i++)
            put(&p->node[1 - n].in, out->bytes + out->frame[i].at, out->frame[i].len);
        for (size_t i = 0; i < out->send_count; i++)
            send_records(p, n, &out->send[i]);
    }
    if (out->drop_links)
        print_message("node %d drops the link: %s\n", n, out->why);
    assert_false(out->drop_links);
    if (out->epoch_open != 0)
        open_epoch(p, n, out->epoch_open);
}

static void flush(struct pair *p, int n)
{
    core_output_clear(&p->node[n].out);
    core_flush(&p->node[n].core, 4096, &p->node[n].out);
    perform(p, n);
}

static void collect(struct pair *p, int n, const struct core_give *g)
{
    for (uint32_t q = g->range.from; q <= g->range.to; q++) {
        assert_true(p->seen_count < PAIR_SEEN_MAX);
        p->seen[p->seen_count++] = (struct pair_seen){
            .by = (uint8_t)n,
            .range = {g->range.origin, g->range.epoch, q, q},
            .in_doubt = g->in_doubt,
        };
    }
}

static void confirm(struct pair *p, int n, uint8_t sink, const struct core_range *r)
{
    struct core_input in = {.kind = CORE_CONFIRMED, .sink = sink, .records = *r};

    step(p, n, &in);
}

static bool drain_sink(struct pair *p, int n)
{
    struct pair_node *node = &p->node[n];
    struct core_give g;
    bool any = false;

    while (!node->sink_off && node->core.sink[0].up && core_pull(&node->core, 0, 100, &g)) {
        any = true;
        collect(p, n, &g);
        if (node->sink_stalls)
            node->unconfirmed[node->unconfirmed_count++] = g;
        else
            confirm(p, n, 0, &g.range);
    }
    for (uint8_t k = 1; k < p->options.sink_count && core_pull(&node->core, k, 100, &g); k = 1) {
        any = true;
        node->second += g.range.to - g.range.from + 1;
        node->second_marked |= g.in_doubt;
        confirm(p, n, k, &g.range);
    }
    return any;
}

void pair_confirm(struct pair *p, int n)
{
    struct pair_node *node = &p->node[n];

    for (size_t i = 0; i < node->unconfirmed_count; i++)
        confirm(p, n, 0, &node->unconfirmed[i].range);
    node->unconfirmed_count = 0;
}

void pair_meet(struct pair *p)
{
    pair_start(p, 0);
    pair_start(p, 1);
    pair_connect(p);
    pair_settle(p);
    pair_elapse_ms(p, 2020); /* T5: a new journal waits two seconds. */
}

struct pair *pair_begin(void (*options)(struct core_sink_options *))
{
    struct pair *p = malloc(sizeof(*p));

    assert_non_null(p);
    pair_init(p, 8);
    options(&p->options.sink[0]);
    pair_meet(p);
    return p;
}

void pair_answer(struct pair *p, int n, enum core_answer kind, uint32_t last)
{
    struct pair_node *node = &p->node[n];
    struct core_input in = {.kind = CORE_ANSWER, .answer = (uint8_t)kind, .last = last};

    assert_true(node->asked_count > 0);
    in.records = node->asked[0];
    node->asked_count--;
    memmove(node->asked, node->asked + 1, node->asked_count * sizeof(node->asked[0]));
    step(p, n, &in);
}

void pair_sink_lost(struct pair *p, int n)
{
    struct core_input in = {.kind = CORE_SINK_LOST, .sink = 0};

    p->node[n].unconfirmed_count = 0;
    step(p, n, &in);
}

void pair_sink_up(struct pair *p, int n)
{
    step(p, n, &(struct core_input){.kind = CORE_SINK_UP});
}

void pair_handover(struct pair *p, int n)
{
    step(p, n, &(struct core_input){.kind = CORE_HANDOVER, .sink = SINK_ALL});
}

void pair_fenced(struct pair *p, int n)
{
    step(p, n, &(struct core_input){.kind = CORE_FENCED});
}

static void deliver(struct pair *p, int n, const uint8_t *at, size_t len)
{
    struct core_input in = {.kind = CORE_FRAME, .frame = {0, at, len}};
    struct core *c = &p->node[n].core;
    struct wire_records w;
    uint32_t nonce;
    uint8_t type;
    bool restart;
    int skip;

    assert_int_equal(wire_get_header(at, len, &type, &nonce), 0);
    if (type != FRAME_RECORDS) {
        step(p, n, &in);
        return;
    }
    assert_int_equal(wire_get_records(at, len, &w), 0);
    if (core_owes_marks(c))
        flush(p, n);
    skip = core_hears(c, at, len)
               ? core_accepts(c, w.origin, w.epoch, w.base, w.from, w.count, &restart)
               : -1;
    if (skip >= 0 && skip < w.count && !p->node[n].disk_full)
        journal(p, n, w.origin, w.epoch, w.from + (uint32_t)skip, w.from + w.count - 1);
}

static bool read_link(struct pair *p, int n)
{
    struct pair_queue *q = &p->node[n].in;
    bool any = false;

    while (q->head < q->tail) {
        uint32_t len;

        memcpy(&len, q->bytes + q->head, 4);
        q->head += len + 4;
        deliver(p, n, q->bytes + q->head - len, len);
        any = true;
    }
    q->head = q->tail = 0;
    return any;
}

uint32_t pair_take(struct pair *p, int n, uint8_t frame[FRAME_SIZE_MAX])
{
    struct pair_queue *q = &p->node[n].in;
    uint32_t len;

    if (q->head == q->tail)
        return 0;
    memcpy(&len, q->bytes + q->head, 4);
    assert_true(len <= FRAME_SIZE_MAX);
    memcpy(frame, q->bytes + q->head + 4, len);
    q->head += len + 4;
    return len;
}

void pair_give(struct pair *p, int n, int link, const uint8_t *frame, size_t len)
{
    struct core_input in = {.kind = CORE_FRAME, .now_ns = p->now_ns, .frame = {link, frame, len}};

    core_step(&p->node[n].core, &in);
}

static void state_notes(struct pair *p, int n)
{
    struct pair_node *node = &p->node[n];

    for (size_t i = 0; i < node->note_count; i++) {
        struct core_input in = {
            .kind = CORE_NOTED, .note = node->note[i].kind, .records = node->note[i].range};

        node->stated = node->note[i];
        assert_true(node->statement_count < 256);
        node->statement[node->statement_count++] = node->note[i];
        pair_produce(p, n, 1);
        step(p, n, &in);
    }
    node->note_count = 0;
}

void pair_read(struct pair *p, int n)
{
    read_link(p, n);
}

bool pair_work_once(struct pair *p, int n)
{
    struct pair_node *node = &p->node[n];
    bool any = read_link(p, n);

    core_output_clear(&node->out);
    core_flush(&node->core, 4096, &node->out);
    any |= node->out.frame_count + node->out.send_count + node->out.note_count > 0;
    any |= node->out.epoch_open != 0;
    perform(p, n);
    state_notes(p, n);
    return drain_sink(p, n) || any;
}

static void work(struct pair *p, int n)
{
    while (pair_work_once(p, n))
        ;
}

void pair_settle(struct pair *p)
{
    bool any = true;

    for (int round = 0; any; round++) {
        any = false;
        assert_true(round < 3000);
        for (int n = 0; n < NODE_COUNT; n++)
            any |= p->node[n].alive && pair_work_once(p, n);
    }
}

void pair_elapse_ms(struct pair *p, uint32_t ms)
{
    while (ms > 0) {
        uint32_t part = ms < 10 ? ms : 10;

        p->now_ns += part * MS;
        ms -= part;
        for (int n = 0; n < NODE_COUNT; n++) {
            struct core_input in = {.kind = CORE_TICK};

            if (p->node[n].alive)
                step(p, n, &in);
        }
        pair_settle(p);
    }
}

unsigned pair_times(const struct pair *p, uint8_t origin, uint32_t epoch, uint32_t sequence,
                    unsigned *marked)
{
    unsigned times = 0;

    *marked = 0;
    for (size_t i = 0; i < p->seen_count; i++) {
        const struct pair_seen *s = &p->seen[i];

        if (s->range.origin != origin || s->range.epoch != epoch || s->range.from != sequence)
            continue;
        times++;
        *marked += s->in_doubt;
    }
    return times;
}

static void expect_once(const struct pair *p, uint8_t origin, uint32_t epoch, uint32_t sequence)
{
    unsigned marked;
    unsigned times = pair_times(p, origin, epoch, sequence, &marked);

    if (times == 0 || times - marked > 1)
        print_message("%u/%u/%u: %u times, %u of them marked\n", origin, epoch, sequence, times,
                      marked);
    assert_true(times >= 1);
    assert_true(times - marked <= 1);
}

static bool is_highest(const struct pair *p, const struct core_range *r)
{
    for (size_t i = 0; i < p->seen_count; i++) {
        const struct core_range *o = &p->seen[i].range;

        if (o->origin == r->origin && o->epoch == r->epoch && o->from > r->from)
            return false;
    }
    return true;
}

void pair_expect_exactly_once(const struct pair *p)
{
    for (size_t i = 0; i < p->seen_count; i++) {
        const struct core_range *r = &p->seen[i].range;

        for (uint32_t q = 1; is_highest(p, r) && q <= r->from; q++)
            expect_once(p, r->origin, r->epoch, q);
    }
}

const struct span *pair_span(const struct pair *p, int n, uint8_t origin, uint32_t epoch,
                             uint32_t sequence)
{
    const struct segment *g = core_segment(&p->node[n].core, origin, epoch);

    for (uint8_t i = 0; g != NULL && i < g->at[0].count; i++) {
        if (sequence >= g->at[0].span[i].from && sequence <= g->at[0].span[i].to)
            return &g->at[0].span[i];
    }
    return NULL;
}

uint32_t pair_live(const struct pair *p, int node)
{
    return p->node[node].core.live_epoch;
}

int pair_up(void **state)
{
    struct pair *p = malloc(sizeof(*p));

    if (p == NULL)
        return -1;
    pair_init(p, 8);
    pair_meet(p);
    *state = p;
    return p->node[0].core.session == SESSION_UP && p->node[1].core.session == SESSION_UP ? 0 : -1;
}

int pair_end(void **state)
{
    free(*state);
    return 0;
}

bool pair_stated_by(const struct pair *p, int n, uint8_t kind, uint8_t origin, uint32_t e,
                    uint32_t q)
{
    for (size_t i = 0; i < p->node[n].statement_count; i++) {
        const struct core_note *s = &p->node[n].statement[i];

        if (s->kind == kind && s->range.origin == origin && s->range.epoch == e &&
            q >= s->range.from && q <= s->range.to)
            return true;
    }
    return false;
}

bool pair_stated(const struct pair *p, uint8_t kind, uint8_t origin, uint32_t e, uint32_t q)
{
    return pair_stated_by(p, 0, kind, origin, e, q) || pair_stated_by(p, 1, kind, origin, e, q);
}
