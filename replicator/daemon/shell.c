#include "shell.h"

#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static uint64_t clock_ns(clockid_t id)
{
    struct timespec t;

    clock_gettime(id, &t);
    return (uint64_t)t.tv_sec * SECOND_NS + (uint64_t)t.tv_nsec;
}

uint64_t shell_now_ns(void)
{
    return clock_ns(CLOCK_BOOTTIME);
}

uint64_t shell_time_ns(void)
{
    return clock_ns(CLOCK_REALTIME);
}

static struct log *out_log;

void shell_log_open(void)
{
    out_log = log_open(STDERR_FILENO, "evrepd");
    if (out_log == NULL)
        fputs("evrepd: no thread for the log: a standard error that is slow will slow it\n",
              stderr);
    else
        atexit(shell_log_close);
}

void shell_log_close(void)
{
    if (out_log != NULL)
        log_close(out_log);
    out_log = NULL;
}

uint64_t shell_log_dropped(void)
{
    return out_log != NULL ? log_dropped(out_log) : 0;
}

void shell_log(const char *format, ...)
{
    char text[LOG_TEXT_MAX + 1];
    va_list ap;

    va_start(ap, format);
    vsnprintf(text, sizeof(text), format, ap);
    va_end(ap);
    if (out_log != NULL)
        log_put(out_log, text);
    else
        fprintf(stderr, "evrepd: %s\n", text);
}

uint64_t shell_more(uint64_t count, struct shell_said *said)
{
    uint64_t now_ns = shell_now_ns(), more = count - said->count;

    if (more == 0 || (said->ns != 0 && now_ns - said->ns < SECOND_NS))
        return 0;
    *said = (struct shell_said){count, now_ns};
    return more;
}

void shell_input(struct shell *s, struct core_input *in)
{
    in->now_ns = shell_now_ns();
    core_step(s->core, in);
}

/* The statements of core.h: without the journal nothing of the output may happen. */
static void commit_metas(struct shell *s)
{
    struct core_output *out = s->out;
    int rc;

    for (size_t i = 0; i < out->meta_count; i++)
        journal_meta(s->journal, out->bytes + out->meta[i].at, out->meta[i].len);
    if (out->meta_count == 0)
        return;
    rc = journal_commit(s->journal, out->durable);
    if (rc == 0)
        return;
    shell_log("journal: %s: cannot write the marks; ending so that a restart recovers from what is "
              "written; make room or mend the disk",
              strerror(-rc));
    exit(EXIT_FAILURE);
}

static void drop_segments(struct shell *s)
{
    for (size_t i = 0; i < s->out->drop_count; i++) {
        const struct core_range *r = &s->out->drop[i];

        shell_log("segment %u/%u is settled", r->origin, r->epoch);
        if (r->origin != s->config->node || tally_drop(s, r->epoch))
            retain_settled(s, r->origin, r->epoch);
    }
}

/* T2: by itself, without an operator who would look. */
static void say_given(struct shell *s)
{
    const struct core *c = s->core;
    bool moved = c->handover.moved != s->moved_said && c->handover.state != HANDOVER_RUNNING;

    s->moved_said = c->handover.moved;
    for (size_t k = 0; k < s->port_count; k++) {
        struct sink_port *p = &s->port[k];

        if (c->sink[k].up)
            p->given_said = false;
        if (!moved || p->given_said || c->sink[k].up || !c->peer_up[k] ||
            c->now_ns - c->sink[k].since_ns < c->o.give_ns)
            continue;
        p->given_said = true;
        shell_log("sink %s: down here for %.1f s and up at the peer: what waits for it goes to the "
                  "peer (handover-after-ms)",
                  p->config->name, (double)(c->now_ns - c->sink[k].since_ns) / 1e9);
    }
}

static void report_changes(struct shell *s)
{
    const struct core *c = s->core;

    if (c->session != s->session_said)
        shell_log("session with the peer: %s", c->session == SESSION_UP      ? "up"
                                               : c->session == SESSION_HELLO ? "exchanging facts"
                                                                             : "lost");
    if (c->takeovers != s->takeovers_said)
        shell_log("took over %llu segment(s) of the peer",
                  (unsigned long long)(c->takeovers - s->takeovers_said));
    say_given(s);
    emit_handed_over(s);
    s->session_said = c->session;
    s->takeovers_said = c->takeovers;
}

/* L3 before L1: what was just taken over goes out, or is asked about (D1), before the disk is
 * waited for once more; feed_run() opens the epoch then. */
static void open_epoch(struct shell *s)
{
    if (s->core->takeovers != s->takeovers_said)
        s->epoch_waits = s->out->epoch_open;
    else
        feed_epoch_open(s, s->out->epoch_open);
}

static void perform(struct shell *s)
{
    commit_metas(s);
    if (s->out->epoch_open != 0)
        open_epoch(s);
    peer_perform(s);
    drop_segments(s);
    notes_queue(s);
    emit_asks(s);
}

/* Until the core has nothing more to say about what it was told. */
static void flush_all(struct shell *s)
{
    s->flushing = true;
    do {
        core_output_clear(s->out);
        s->out->note_room = notes_room(s);
        core_flush(s->core, peer_credit(s), s->out);
        perform(s);
    } while (s->out->more || s->out->epoch_open != 0);
    s->flushing = false;
}

void shell_flush(struct shell *s)
{
    bool taken;

    if (s->flushing)
        return;
    flush_all(s);
    taken = s->core->takeovers != s->takeovers_said;
    report_changes(s);
    runs_flushed(s);
    failover_watch(s); /* Before the first record of it goes out. */
    emit_wake(s);
    if (!taken)
        return;
    flush_all(s); /* The pull may have found that a sink has to be asked: at once. */
    emit_wake(s);
}
