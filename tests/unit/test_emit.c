/* links: evrep_config evrep_journal evrep_sinks evrep_ingest evrep_control */
/* What the shell tells the core of a sink: the rest of the shell is stood in for. */
#include "emit.c"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

/* ---- the rest of the shell ---- */

void shell_input(struct shell *s, struct core_input *in)
{
    in->now_ns = shell_now_ns();
    core_step(s->core, in);
}

uint64_t shell_now_ns(void)
{
    return 1000000000;
}

void shell_flush(struct shell *s)
{
    (void)s;
}

void shell_log(const char *format, ...)
{
    (void)format;
}

void filter_forget(struct sink_port *p)
{
    (void)p;
}

bool filter_look_back(struct sink_port *p, const struct core_range *r)
{
    (void)p;
    (void)r;
    return true;
}

bool filter_follow(struct sink_port *p, const struct record *r)
{
    (void)p;
    (void)r;
    return true;
}

void filter_stated(struct sink_port *p)
{
    (void)p;
}

void replay_lost(struct sink_port *p)
{
    (void)p;
}

void replay_fill(struct sink_port *p, size_t n)
{
    (void)p;
    (void)n;
}

void replay_confirmed(struct sink_port *p, uint32_t epoch, uint32_t sequence)
{
    (void)p;
    (void)epoch;
    (void)sequence;
}

void failover_confirmed(struct shell *s)
{
    (void)s;
}

void failover_given(struct shell *s)
{
    (void)s;
}

void tail_confirmed(struct sink_port *p, const struct core_range *run)
{
    (void)p;
    (void)run;
}

void histogram_add(struct histogram *h, uint64_t ns, uint64_t n)
{
    (void)h;
    (void)ns;
    (void)n;
}

const struct names *feed_names(struct shell *s, uint8_t origin, uint32_t generation)
{
    (void)s;
    (void)origin;
    (void)generation;
    return NULL;
}

struct run_book *runs_book(struct shell *s)
{
    (void)s;
    return NULL;
}

uint32_t status_mark(const struct segment *g, size_t sink, bool emitted)
{
    (void)g;
    (void)sink;
    (void)emitted;
    return 0;
}

/* ---- tests ---- */

/* T2: only a sink that is down has its records handed to the peer. */
static void what_comes_back_does_not_mean_down(void **state)
{
    static struct core core;
    static struct config config;
    static struct shell shell;
    static struct sink_port port;
    struct sink sink = {.up = true};

    (void)state;
    core_init(&core, &(struct core_options){.sink_count = 1, .sink[0] = {.key = 1}}, 1);
    shell.core = &core;
    shell.config = &config;
    port.shell = &shell;
    port.sink = &sink;
    port.config = &config.sink[0];
    host_up(&port, false);
    assert_true(core.sink[0].up);
    for (int i = 0; i < 2; i++) {
        host_lost(&port, false); /* JetStream, after a refused guard: the connection stays. */
        assert_true(core.sink[0].up);
    }
    sink.up = false;
    host_lost(&port, false);
    assert_false(core.sink[0].up);
    host_up(&port, true);
    assert_true(core.sink[0].up);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_comes_back_does_not_mean_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
