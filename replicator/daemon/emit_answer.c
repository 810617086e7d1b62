/* What a sink answers of records that may be there. */
#include "shell.h"

#include <inttypes.h>

/* What is asked changes with each record that came since; up to where it is there does not. */
static bool is_same(const struct core_range *a, const struct core_range *b, enum core_answer kind)
{
    return a->origin == b->origin && a->epoch == b->epoch &&
           (kind != ANSWER_UNKNOWN || (a->from == b->from && a->to == b->to));
}

static bool is_news(struct answers_said *a, const struct core_range *r, enum core_answer kind,
                    uint32_t last)
{
    uint32_t n = a->count < ANSWERS_SAID_MAX ? a->count : ANSWERS_SAID_MAX;

    for (uint32_t i = 0; i < n; i++) {
        if (a->said[i].kind == kind && a->said[i].last == last &&
            is_same(&a->said[i].range, r, kind))
            return false;
    }
    n = a->count++ % ANSWERS_SAID_MAX;
    a->said[n].range = *r;
    a->said[n].kind = (uint8_t)kind;
    a->said[n].last = last;
    return true;
}

static void say(const struct sink_port *p, const struct core_range *r, enum core_answer kind,
                uint32_t last)
{
    const char *name = p->config->name;

    if (kind == ANSWER_UNKNOWN)
        shell_log("sink %s: cannot tell of %u/%" PRIu32 " from %" PRIu32 " to %" PRIu32
                  ": what of it may be there goes out marked",
                  name, r->origin, r->epoch, r->from, r->to);
    else if (last == 0)
        shell_log("sink %s: has nothing of %u/%" PRIu32 " from %" PRIu32 " on", name, r->origin,
                  r->epoch, r->from);
    else
        shell_log("sink %s: %s %u/%" PRIu32 " up to %" PRIu32, name,
                  kind == ANSWER_HAS ? "has" : "was given", r->origin, r->epoch, last);
}

void emit_answer(void *ctx, uint8_t origin, uint32_t epoch, uint32_t from, uint32_t to,
                 enum core_answer kind, uint32_t last)
{
    struct sink_port *p = ctx;
    struct core_input in = {.kind = CORE_ANSWER,
                            .sink = p->index,
                            .answer = (uint8_t)kind,
                            .last = last,
                            .records = {origin, epoch, from, to}};

    if (is_news(&p->answers, &in.records, kind, last))
        say(p, &in.records, kind, last);
    shell_input(p->shell, &in);
    shell_flush(p->shell);
}
