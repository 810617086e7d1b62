/* From the journal to the sinks: the core says what, this renders it, the sink carries it. */
#include "shell.h"

#include <stdlib.h>
#include <string.h>

static struct given *given_at(struct sink_port *p, uint32_t i)
{
    return &p->given[(p->head + i) % GIVEN_MAX];
}

static size_t render_one(struct sink_port *p, const uint8_t *record, bool in_doubt, uint8_t *out,
                         size_t size)
{
    struct record r;

    if (record_decode(&r, record) != 0)
        return 0;
    return render_record(&p->render, feed_names(p->shell, r.origin, r.names_generation), &r,
                         in_doubt, out, size);
}

/* One run of the core as items of the sink. */
static size_t fill(struct sink_port *p, const struct core_give *give, struct sink_item *items,
                   size_t *used)
{
    static uint8_t records[FEED_BATCH * RECORD_SIZE];
    struct shell *s = p->shell;
    size_t want = give->range.to - give->range.from + 1;
    size_t n = journal_read(s->journal, give->range.origin, give->range.epoch, give->range.from,
                            want, records, sizeof(records));

    if (n < want) {
        shell_log("journal: segment %u/%u: records from %u on cannot be read; ending",
                  give->range.origin, give->range.epoch, give->range.from + (unsigned)n);
        exit(EXIT_FAILURE);
    }
    for (size_t i = 0; i < n; i++) {
        uint8_t *at = p->bytes + *used;
        size_t len = render_one(p, records + i * RECORD_SIZE, give->in_doubt, at, RENDER_MAX);

        items[i] = (struct sink_item){
            .origin = give->range.origin,
            .position = position_make(give->range.epoch, give->range.from + (uint32_t)i),
            .in_doubt = give->in_doubt,
            .bytes = at,
            .len = len,
        };
        *given_at(p, p->count++) = (struct given){
            .epoch = give->range.epoch,
            .sequence = give->range.from + (uint32_t)i,
            .origin = give->range.origin,
            .kind = records[i * RECORD_SIZE + 21],
        };
        *used += len;
    }
    return n;
}

static size_t host_pull(void *ctx, struct sink_item *items, size_t max, size_t max_bytes)
{
    struct sink_port *p = ctx;
    size_t count = 0, used = 0;

    if (max_bytes > SINK_RENDER_BYTES)
        max_bytes = SINK_RENDER_BYTES;
    while (count < max && !p->shell->stopping && !p->shell->flushing) {
        size_t room = (max_bytes - used) / RENDER_MAX;
        struct core_give give;

        room = room < max - count ? room : max - count;
        room = room < GIVEN_MAX - p->count ? room : GIVEN_MAX - p->count;
        room = room < FEED_BATCH ? room : FEED_BATCH;
        if (room == 0)
            break;
        p->shell->core->now_ns = shell_now_ns(); /* T6: the lease is looked at now. */
        if (!core_pull(p->shell->core, p->index, (uint32_t)room, &give))
            break;
        count += fill(p, &give, items + count, &used);
    }
    return count;
}

static void count_emitted(struct sink_port *p, uint8_t origin, uint8_t kind)
{
    p->emitted[kind]++;
    if (origin == p->shell->config->node && p->index == 0)
        p->shell->emitted[kind]++;
}

/* One input for each run. */
static void host_confirmed(void *ctx, size_t n)
{
    struct sink_port *p = ctx;
    struct shell *s = p->shell;

    while (n > 0 && p->count > 0) {
        struct given first = *given_at(p, 0);
        struct core_input in = {.kind = CORE_CONFIRMED, .sink = p->index};
        uint32_t run = 0;

        while (run < n && run < p->count) {
            const struct given *g = given_at(p, run);

            if (g->origin != first.origin || g->epoch != first.epoch ||
                g->sequence != first.sequence + run)
                break;
            count_emitted(p, g->origin, g->kind);
            run++;
        }
        in.records = (struct core_range){first.origin, first.epoch, first.sequence,
                                         first.sequence + run - 1};
        shell_input(s, &in);
        p->head = (p->head + run) % GIVEN_MAX;
        p->count -= run;
        n -= run;
    }
    shell_flush(s);
}

/* D1a, D1b: the process before this one, or the other node, had given them to the sink. */
static void host_confirmed_written(void *ctx, uint8_t origin, uint32_t epoch, uint32_t from,
                                   uint32_t last)
{
    static uint8_t records[FEED_BATCH * RECORD_SIZE];
    struct sink_port *p = ctx;
    struct core_input in = {.kind = CORE_CONFIRMED, .sink = p->index};
    size_t got;

    for (uint32_t q = from; q <= last; q += (uint32_t)got) {
        got = journal_read(p->shell->journal, origin, epoch, q, last - q + 1, records,
                           sizeof(records));
        if (got == 0)
            break; /* Settled meanwhile: not counted here. */
        for (size_t i = 0; i < got; i++)
            count_emitted(p, origin, records[i * RECORD_SIZE + 21]);
    }
    in.records = (struct core_range){origin, epoch, from, last};
    shell_input(p->shell, &in);
    shell_flush(p->shell);
}

static void host_lost(void *ctx, bool certain_none)
{
    struct sink_port *p = ctx;
    struct core_input in = {.kind = CORE_SINK_LOST, .sink = p->index};

    (void)certain_none;
    p->head = p->count = 0;
    shell_input(p->shell, &in);
    shell_flush(p->shell);
}

static void host_up(void *ctx)
{
    struct sink_port *p = ctx;
    struct core_input in = {.kind = CORE_SINK_UP, .sink = p->index};

    shell_log("sink %s: up", p->config->name);
    shell_input(p->shell, &in);
    shell_flush(p->shell);
}

static void host_down(void *ctx, const char *why)
{
    struct sink_port *p = ctx;

    shell_log("sink %s: down: %s", p->config->name, why);
}

static void host_answer(void *ctx, uint8_t origin, uint32_t epoch, uint32_t from,
                        enum core_answer kind, uint32_t last)
{
    static const char *const words[] = {
        [ANSWER_HAS] = "has", [ANSWER_WRITTEN] = "was given", [ANSWER_UNKNOWN] = "cannot tell of"};
    struct sink_port *p = ctx;
    struct core_input in = {
        .kind = CORE_ANSWER, .sink = p->index, .answer = (uint8_t)kind, .last = last};

    in.records = (struct core_range){origin, epoch, from, SEQUENCE_MAX};
    shell_log("sink %s: %s %u/%u up to %u", p->config->name, words[kind], origin, epoch, last);
    shell_input(p->shell, &in);
    shell_flush(p->shell);
}

void emit_asks(struct shell *s)
{
    for (size_t i = 0; i < s->out->ask_count; i++) {
        const struct core_range *r = &s->out->ask[i].range;

        sink_ask(s->port[s->out->ask[i].sink].sink, r->origin, r->epoch, r->from, r->to);
    }
}

void emit_wake(struct shell *s)
{
    for (size_t k = 0; k < s->port_count; k++) {
        if (s->port[k].sink != NULL)
            sink_wake(s->port[k].sink);
    }
}

int emit_open(struct shell *s, char *err, size_t err_size)
{
    s->port_count = s->config->sink_count;
    for (size_t k = 0; k < s->port_count; k++) {
        struct sink_port *p = &s->port[k];
        struct sink_host host = {.ctx = p,
                                 .pull = host_pull,
                                 .confirmed = host_confirmed,
                                 .lost = host_lost,
                                 .up = host_up,
                                 .down = host_down,
                                 .answer = host_answer,
                                 .confirmed_written = host_confirmed_written};
        struct sink_options o;

        p->shell = s;
        p->index = (uint8_t)k;
        p->config = &s->config->sink[k];
        p->bytes = malloc(SINK_RENDER_BYTES);
        if (p->bytes == NULL)
            return -1;
        config_render_options(s->config, p->config, &p->render);
        config_sink_options(p->config, &o);
        if (sink_open(&p->sink, &s->loop, &o, &host, err, err_size) != 0)
            return -1;
    }
    return 0;
}
