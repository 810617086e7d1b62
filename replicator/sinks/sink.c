#include "sink.h"

#include "core.h"
#include "text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { BACKOFF_MIN_MS = 100, BACKOFF_MAX_MS = 5000 };

#define SAY_MORE_NS  (600 * 1000000000ull)
#define SAY_AGAIN_NS (3600 * 1000000000ull)

int sink_open(struct sink **out, uv_loop_t *loop, const struct sink_options *o,
              const struct sink_host *host, char *err, size_t err_size)
{
    static const struct {
        const char *kind;
        sink_open_fn *open;
    } kinds[] = {
        {"tcp", tcp_sink_open},   {"udp", udp_sink_open},   {"tls", tls_sink_open},
        {"relp", relp_sink_open}, {"file", file_sink_open}, {"jetstream", jetstream_sink_open},
    };
    const char *kind = strcmp(o->type, "syslog") == 0 ? o->transport : o->type;

    if (o->source != NULL)
        return floating_sink_open(out, loop, o, host, err, err_size);
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (strcmp(kind, kinds[i].kind) == 0)
            return kinds[i].open(out, loop, o, host, err, err_size);
    }
    snprintf(err, err_size, "sink %s: no sink of this version is a %s", o->name, kind);
    return -1;
}

void sink_wake(struct sink *s)
{
    s->ops->wake(s);
}

void sink_ask(struct sink *s, const struct sink_question *q)
{
    if (s->ops->ask != NULL)
        s->ops->ask(s, q);
    else
        s->host.answer(s->host.ctx, q->origin, q->epoch, q->from, q->to, ANSWER_UNKNOWN, 0);
}

void sink_reopen(struct sink *s)
{
    if (s->ops->reopen != NULL)
        s->ops->reopen(s);
}

void sink_end(struct sink *s)
{
    if (s->ops->end != NULL)
        s->ops->end(s);
}

void sink_state(const struct sink *s, struct sink_state *out)
{
    *out = s->state;
    out->word = s->up ? "up" : s->connecting ? "connecting" : "down";
}

static void forget_said(struct sink *s)
{
    memset(s->said, 0, sizeof(s->said));
}

void sink_is_up(struct sink *s)
{
    s->up = true;
    s->connecting = false;
    if (!s->refuses)
        forget_said(s);
    s->host.up(s->host.ctx, s->refuses);
}

void sink_refuses(struct sink *s)
{
    s->refuses = true;
}

static void remember(struct sink *s, const char *format, va_list ap)
{
    struct sink_state *st = &s->state;
    char text[sizeof(st->last_error)];
    struct timespec t;

    vsnprintf(text, sizeof(text), format, ap);
    text_printable(st->last_error, text, sizeof(st->last_error));
    clock_gettime(CLOCK_REALTIME, &t);
    st->error_time_ns = (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

/* Causes that take turns, as those of two addresses, are said once each.  false: it was, or too
 * much was. */
static bool is_news(struct sink *s)
{
    uint64_t now_ns = sink_clock_ns();
    uint32_t text = sink_key(s->state.last_error); /* A hash. */
    size_t oldest = 0;

    for (size_t i = 0; i < SINK_SAID_MAX; i++) {
        if (s->said[i].ns != 0 && s->said[i].text == text) {
            oldest = i;
            break;
        }
        if (s->said[i].ns < s->said[oldest].ns)
            oldest = i;
    }
    if (s->said[oldest].ns != 0 &&
        now_ns - s->said[oldest].ns < (s->said[oldest].text == text ? SAY_AGAIN_NS : SAY_MORE_NS))
        return false;
    s->said[oldest].text = text;
    s->said[oldest].ns = now_ns;
    return true;
}

void sink_fault(struct sink *s, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    remember(s, format, ap);
    va_end(ap);
    if (s->up) {
        s->state.reconnects++;
        if (!s->refuses)
            forget_said(s);
    }
    s->up = s->connecting = false;
    if (is_news(s))
        s->host.down(s->host.ctx, s->state.last_error);
}

void sink_warn(struct sink *s, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    remember(s, format, ap);
    va_end(ap);
    if (is_news(s))
        s->host.warn(s->host.ctx, s->state.last_error);
}

void sink_confirm(struct sink *s, size_t n)
{
    s->backoff_ms = 0; /* Not before: one that accepts and closes at once is no better than none. */
    s->state.confirmed += n;
    if (s->refuses) {
        s->refuses = false;
        forget_said(s);
        s->host.warn(s->host.ctx, "up, and takes records again");
    }
    s->host.confirmed(s->host.ctx, n);
}

void sink_lost(struct sink *s, bool certain_none)
{
    s->host.lost(s->host.ctx, certain_none);
}

uint64_t sink_clock_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_BOOTTIME, &t);
    return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

uint32_t sink_backoff_ms(struct sink *s)
{
    uint32_t ms = s->backoff_ms != 0 ? s->backoff_ms : BACKOFF_MIN_MS;

    s->backoff_ms = ms * 2 < BACKOFF_MAX_MS ? ms * 2 : BACKOFF_MAX_MS;
    return ms + (uint32_t)(uv_hrtime() % (ms / 2 + 1));
}
