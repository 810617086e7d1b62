#include "sink.h"

#include "core.h"
#include "text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#define SAY_MORE_NS  (600 * 1000000000ull)
#define SAY_AGAIN_NS (3600 * 1000000000ull)
#define SAY_AFTER_UP (60 * 1000000000ull)

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

void sink_is_up(struct sink *s)
{
    bool quiet = s->refuses || s->backoff.flaps || s->says_up;

    backoff_up(&s->backoff, sink_clock_ns());
    s->up = true;
    s->connecting = false;
    if (!quiet) {
        s->says_up = true;
        s->ups++;
    }
    s->host.up(s->host.ctx, quiet);
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
    st->error_ns = sink_clock_ns();
}

static bool is_due(const struct sink *s, size_t i, uint32_t text, uint64_t now_ns)
{
    uint64_t since_ns = now_ns - s->said[i].ns;

    if (s->said[i].ns == 0)
        return true;
    if (s->said[i].text != text)
        return since_ns >= SAY_MORE_NS;
    return since_ns >= (s->said[i].ups != s->ups ? SAY_AFTER_UP : SAY_AGAIN_NS);
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
    if (!is_due(s, oldest, text, now_ns))
        return false;
    s->said[oldest].text = text;
    s->said[oldest].ups = s->ups;
    s->said[oldest].ns = now_ns;
    return true;
}

void sink_fault(struct sink *s, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    remember(s, format, ap);
    va_end(ap);
    s->state.reconnects += s->up;
    if (backoff_down(&s->backoff, sink_clock_ns()) >= SAY_AFTER_UP && !s->refuses)
        memset(s->said, 0, sizeof(s->said));
    s->up = s->connecting = false;
    if (!is_news(s))
        return;
    s->says_up = false;
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
    bool back = backoff_confirmed(&s->backoff, n, sink_clock_ns());

    s->state.confirmed += n;
    if (back || s->refuses) {
        s->refuses = false;
        if (!s->says_up)
            s->host.warn(s->host.ctx, "up, and takes records again");
        s->ups += !s->says_up;
        s->says_up = true;
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
    uint32_t random = 0;

    if (getrandom(&random, sizeof(random), GRND_NONBLOCK) != sizeof(random))
        random = (uint32_t)uv_hrtime(); /* Just after the boot. */
    return backoff_next_ms(&s->backoff, random);
}
