#include "tail.h"
#include "control.h"
#include "shell.h"

#include <stdlib.h>
#include <string.h>

struct run {
    uint8_t sink;
    struct core_range range;
};

struct tail {
    struct shell *shell;
    struct control_client *client;
    int origin; /* -1: both */
    bool writing;
    struct run run[TAIL_RUNS];
    uint32_t head, count;
    uint64_t lost;
};

static void drop_oldest(struct tail *t)
{
    const struct core_range *r = &t->run[t->head].range;

    t->lost += r->to - r->from + 1;
    t->head = (t->head + 1) % TAIL_RUNS;
    t->count--;
}

/* ---- writing ---- */

static json_t *record_json(struct tail *t, const struct run *run, uint32_t q, const uint8_t *bytes)
{
    static uint8_t text[RENDER_MAX];
    struct render_options o = t->shell->port[run->sink].render;
    struct record r;
    size_t len;

    if (record_decode(&r, bytes) != 0)
        return NULL;
    o.format = FORMAT_RFC5424;
    o.replaced = NULL;
    len = render_record(&o, feed_names(t->shell, r.origin, r.names_generation), &r, false, text,
                        sizeof(text));
    return json_pack("{s:s,s:i,s:I,s:I,s:s%}", "sink", t->shell->port[run->sink].config->name,
                     "origin", r.origin, "epoch", (json_int_t)r.epoch, "sequence", (json_int_t)q,
                     "text", text, len);
}

static void put_line(FILE *f, json_t *o)
{
    if (o == NULL)
        return;
    json_dumpf(o, f, JSON_COMPACT);
    fputc('\n', f);
    json_decref(o);
}

/* The first records of the first run; what the journal has dropped since counts as lost. */
static void put_some(struct tail *t, FILE *f)
{
    static uint8_t records[TAIL_BATCH * RECORD_SIZE];
    struct run *run = &t->run[t->head];
    struct core_range *r = &run->range;
    uint32_t want = r->to - r->from + 1 < TAIL_BATCH ? r->to - r->from + 1 : TAIL_BATCH;
    size_t got = journal_read(t->shell->journal, r->origin, r->epoch, r->from, want, records,
                              sizeof(records));

    if (got == 0) {
        drop_oldest(t);
        return;
    }
    for (size_t i = 0; i < got; i++)
        put_line(f, record_json(t, run, r->from + (uint32_t)i, records + i * RECORD_SIZE));
    r->from += (uint32_t)got;
    if (r->from > r->to) {
        t->head = (t->head + 1) % TAIL_RUNS;
        t->count--;
    }
}

static void write_some(struct tail *t)
{
    char *text = NULL;
    size_t len = 0;
    FILE *f;

    if (t->writing || (t->count == 0 && t->lost == 0))
        return;
    f = open_memstream(&text, &len);
    if (f == NULL)
        return;
    if (t->lost > 0)
        put_line(f, json_pack("{s:I}", "lost", (json_int_t)t->lost));
    t->lost = 0;
    if (t->count > 0)
        put_some(t, f);
    fclose(f);
    if (len == 0) {
        free(text);
        return;
    }
    t->writing = true;
    control_write(t->client, text, len);
}

/* ---- what happens to it ---- */

static void on_ready(void *ctx)
{
    struct tail *t = ctx;

    t->writing = false;
    write_some(t);
}

static void on_ended(void *ctx)
{
    struct tail *t = ctx;

    for (size_t i = 0; i < TAILS_MAX; i++) {
        if (t->shell->tail[i] == t)
            t->shell->tail[i] = NULL;
    }
    free(t);
}

void tail_confirmed(struct sink_port *p, const struct core_range *run)
{
    for (size_t i = 0; i < TAILS_MAX; i++) {
        struct tail *t = p->shell->tail[i];

        if (t == NULL || (t->origin >= 0 && t->origin != run->origin))
            continue;
        if (t->count == TAIL_RUNS)
            drop_oldest(t);
        t->run[(t->head + t->count++) % TAIL_RUNS] = (struct run){p->index, *run};
        write_some(t);
    }
}

static size_t free_place(const struct shell *s)
{
    size_t i = 0;

    while (i < TAILS_MAX && s->tail[i] != NULL)
        i++;
    return i;
}

/* tail [--origin N] */
json_t *tail_open(struct shell *s, struct control_client *c, const struct control_request *r)
{
    size_t i = free_place(s);
    unsigned origin = 0;
    struct tail *t;

    if (r->argc != 0 && (r->argc != 2 || strcmp(r->argv[0], "--origin") != 0 ||
                         !control_number(r->argv[1], 1, &origin)))
        return control_error("tail [--origin N], N 0 or 1");
    if (i == TAILS_MAX)
        return control_error("%d others are reading already", TAILS_MAX);
    t = calloc(1, sizeof(*t));
    if (t == NULL)
        return control_error("no memory");
    *t = (struct tail){.shell = s,
                       .client = c,
                       .origin = r->argc == 2 ? (int)origin : -1,
                       .writing = true}; /* Our answer comes first. */
    s->tail[i] = t;
    control_stream(c, &(struct control_stream){.ctx = t, .ready = on_ready, .ended = on_ended});
    return control_done();
}
