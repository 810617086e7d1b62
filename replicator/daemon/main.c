/* evrepd: start, recover, run, end. */
#include "shell.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <linux/close_range.h>
#include <sys/resource.h>
#include <time.h>

enum {
    TICK_MS = 5,
    QUIET_TICKS = 4, /* So long the peer's news of it have to go out. */
    HELLO_MS_MIN = 1000 /* Both disks may be slow. */,
    NICE = -10,
    EXIT_USAGE = 2,
    SECONDS_TO_2020 = 1577836800
};
#define CLOCK_EPOCH_MAX (UINT32_MAX - (1u << 27)) /* A year before the numbers end. */
#define DRAIN_NS        (2 * SECOND_NS)           /* For what is under way at the end. */
enum { SHORT_MS = 300 };          /* A timer below which a read or write may take too long. */
enum { EPOCH_RECORDS = 4 << 20 }; /* About 700 MiB of journal. */

static void usage(FILE *to)
{
    fputs("usage: evrepd -c FILE [--check]\n"
          "  -c, --config FILE  configuration, see evrepd.conf(5)\n"
          "      --check        read the configuration, say what is wrong with it, and end\n"
          "  -V, --version\n",
          to);
}

/* ---- recovery ---- */

static void on_meta(void *ctx, const uint8_t *at, size_t len)
{
    struct shell *s = ctx;

    if (core_recover_meta(s->core, at, len) != 0 && !hidden_recover(s, at, len))
        shell_log("journal: a mark of %zu bytes is not one of ours; it is left out", len);
}

static void on_segment(void *ctx, uint8_t origin, uint32_t epoch, uint32_t first, uint32_t last)
{
    struct shell *s = ctx;

    shell_log("journal: segment %u/%u holds %u to %u", origin, epoch, first, last);
    core_recover_segment(s->core, origin, epoch, first, last);
    s->had_segments = true;
    if (origin == s->config->node && epoch > s->newest_epoch)
        s->newest_epoch = epoch;
}

static void on_marks_lost(void *ctx)
{
    struct shell *s = ctx;

    shell_log(
        "journal: damaged: marks are gone; what may be at a collector already is treated as in "
        "doubt");
    core_recover_stale(s->core);
}

static void on_header(void *ctx, const char *name)
{
    (void)ctx;
    shell_log("journal: %s: its header is damaged; its records are checked one by one, and kept",
              name);
}

static void on_damage(void *ctx, uint8_t origin, uint32_t epoch, uint32_t from, uint32_t to)
{
    (void)ctx;
    shell_log("journal: segment %u/%u: among records %u to %u some are damaged; a gap record takes "
              "the place of each",
              origin, epoch, from, to);
}

static void on_hole(void *ctx, const struct journal_hole *h)
{
    (void)ctx;
    shell_log(
        "journal: segment %u/%u: records %u to %u are in no file; what is behind them (files: "
        "%u) is kept as aside-%u-%08x-* and not used: what the peer has of it is taken from "
        "there; see evrepd(8), FILES, before you remove it",
        h->origin, h->epoch, h->from, h->to, h->files, h->origin, h->epoch);
}

/* A power loss between two runs shows as another boot; 0: this system does not tell. */
static uint64_t boot_id(void)
{
    char text[64] = "";
    FILE *f = fopen("/proc/sys/kernel/random/boot_id", "r");
    bool told = f != NULL && fgets(text, sizeof(text), f) != NULL;

    if (f != NULL)
        fclose(f);
    return told ? (uint64_t)sink_key(text) << 32 | strtoul(text, NULL, 16) : 0;
}

/* T5; a clock outside of 2020 to 2053 was never set, and says nothing. */
static uint32_t clock_epoch(uint64_t time_ns)
{
    uint64_t quarters = time_ns / (SECOND_NS / 4), from = 4ull * SECONDS_TO_2020;

    return quarters < from || quarters - from > CLOCK_EPOCH_MAX ? 0 : (uint32_t)(quarters - from);
}

static void core_options(const struct shell *s, struct core_options *o)
{
    const struct config *c = s->config;

    *o = (struct core_options){
        .node = c->node,
        .has_peer = c->has_peer,
        .power = c->durability_power,
        .boot = boot_id(),
        .journal = (uint64_t)randombytes_random() << 32 | (randombytes_random() | 1),
        .wire_version = (uint8_t)c->wire_version,
        .epoch_records = EPOCH_RECORDS,
        .lease_ns = c->lease_ms * 1000000ull,
        .drift_ppm = 1000,
        .fencing = c->fence_command[0] != '\0',
        .give_ns = c->handover_after_ms * 1000000ull,
        .hello_ns =
            (c->dead_after_ms > HELLO_MS_MIN ? c->dead_after_ms : HELLO_MS_MIN) * 1000000ull,
        .clock_epoch = clock_epoch(shell_time_ns()),
        .sink_count = c->sink_count,
    };
    for (size_t k = 0; k < c->sink_count; k++)
        o->sink[k] = (struct core_sink_options){
            .key = sink_key(c->sink[k].name),
            .window = c->sink[k].window,
            .hold_ns = c->sink[k].hold_ms * 1000000ull,
            .policy = config_sink_policy(&c->sink[k]),
            .answers = config_sink_answers(&c->sink[k]),
            .local = config_sink_local(&c->sink[k]),
            .may_fail = config_sink_may_fail(&c->sink[k]),
        };
}

static void emit_snapshot(void *ctx, struct journal *j)
{
    struct shell *s = ctx;
    uint8_t meta[META_SIZE_MAX];
    uint32_t cursor = 0;
    size_t len;

    while ((len = core_snapshot(s->core, &cursor, meta)) > 0)
        journal_meta(j, meta, len);
    hidden_snapshot(s, j);
}

static void recover_firsts(struct shell *s)
{
    uint8_t first[RECORD_SIZE];

    for (uint16_t i = 0; i < s->core->count; i++) {
        const struct segment *g = &s->core->segment[s->core->order[i]];

        if (g->origin == s->config->node &&
            journal_read(s->journal, g->origin, g->epoch, 1, 1, first, sizeof(first)) == 1)
            core_recover_first(s->core, first);
    }
}

static int recover(struct shell *s, char *err, size_t err_size)
{
    char dir[512];
    struct core_options o;
    struct journal_options jo = {
        .disk = &s->disk,
        .sync = s->config->durability_power,
        .node = s->config->node,
    };
    struct journal_visitor v = {.ctx = s,
                                .on_meta = on_meta,
                                .on_segment = on_segment,
                                .on_marks_lost = on_marks_lost,
                                .on_damage = on_damage,
                                .on_header = on_header,
                                .on_hole = on_hole,
                                .snapshot = emit_snapshot};

    snprintf(dir, sizeof(dir), "%s/journal", s->config->state_dir);
    core_options(s, &o);
    core_init(s->core, &o, shell_now_ns());
    if (disk_posix_open(&s->disk, dir, err, err_size) != 0)
        return -1;
    if (journal_open(&s->journal, &jo, &v, err, err_size) != 0)
        return -1;
    recover_firsts(s);
    core_recovered(s->core);
    if (s->core->fresh)
        shell_log("journal: %s: the clock says which epochs cannot have been used (T5)",
                  s->had_segments ? "does not say which epochs were opened" : "empty");
    return 0;
}

/* ---- the loop ---- */

static void run_feed(struct shell *s)
{
    bool any = false;

    for (int i = 0; i < 16 && feed_run(s); i++)
        any = true;
    if (s->note_count > 0)
        notes_feed(s);
    if (any)
        shell_flush(s);
}

/* true: an epoch is open, so that what is decided from now on has a tag. */
static bool tell_produced(struct shell *s)
{
    struct core_input in = {
        .kind = CORE_PRODUCED,
        .records = {.origin = s->config->node},
        .drained = ingest_ring_released(s->ring) == ingest_ring_claimed(s->ring),
    };

    ingest_ring_produced(s->ring, &in.records.epoch, &in.records.to);
    shell_input(s, &in);
    return in.records.epoch != 0 && !core_forgot(s->core, in.records.epoch);
}

/* What the peer knows as intended has time to go out and to be confirmed, so that neither the next
 * process nor the peer has to ask about it, or to mark it. */
static void drain(struct shell *s)
{
    uint64_t left;

    if (s->stop_ns == 0 || s->stopping)
        return;
    left = emit_intended(s);
    s->quiet_ticks = left > 0 ? 0 : s->quiet_ticks + 1;
    if (s->quiet_ticks < QUIET_TICKS && shell_now_ns() < s->stop_ns)
        return;
    if (left > 0)
        shell_log("%" PRIu64 " records that sinks were given are not confirmed: they are in doubt",
                  left);
    s->stopping = true;
    uv_stop(&s->loop);
}

static void on_tick(uv_timer_t *t)
{
    struct shell *s = t->data;

    members_tick(s); /* First: after a freeze, A1 and T6 ask what we still are. */
    s->tags = tell_produced(s);
    ingest_ring_may_tag(s->ring, s->tags);
    if (s->tags)
        ingest_ring_keep_active(s->ring, members_active_ns(s));
    ingest_ring_suppressed(s->ring, shell_now_ns(), shell_time_ns());
    shell_flush(s);
    runs_tick(s);
    sources_tick(s);
    run_feed(s);
    emit_measure(s);
    retain_trim(s);
    full_look(s);
    tally_work(s);
    ring_watch_tick(s);
    drain(s);
}

static void on_feed(uv_timer_t *t)
{
    struct shell *s = t->data;

    sources_pump(s);
    run_feed(s);
}

void shell_end(struct shell *s)
{
    s->stop_ns = shell_now_ns() + (s->stop_ns == 0 ? DRAIN_NS : 0); /* Told twice: at once. */
    core_end(s->core);
}

static void on_signal(uv_signal_t *sig, int number)
{
    struct shell *s = sig->data;

    if (number == SIGHUP) {
        for (size_t k = 0; k < s->port_count; k++)
            sink_reopen(s->port[k].sink);
        peer_keys_reload(s);
        sources_reload_names(s);
        return;
    }
    shell_log("signal %d: ending", number);
    s->again = false;
    shell_end(s);
}

static void start_signals(struct shell *s)
{
    static const int numbers[] = {SIGTERM, SIGINT, SIGHUP};
    uv_signal_t *const handles[] = {&s->term, &s->interrupt, &s->hangup};

    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* A limit of file sizes is a disk that is full. */
    for (size_t i = 0; i < 3; i++) {
        uv_signal_init(&s->loop, handles[i]);
        handles[i]->data = s;
        uv_signal_start(handles[i], on_signal, numbers[i]);
    }
}

/* Where it may: heartbeats and leases are about time.  Before the first thread is made, as threads
 * inherit it: libuv's loop spins while another thread tells it of its work, and would spin for as
 * long as a thread below it waits for the processor. */
static void take_priority(bool realtime)
{
    struct sched_param p = {.sched_priority = sched_get_priority_min(SCHED_RR)};

    setpriority(PRIO_PROCESS, 0, NICE);
    if (realtime && sched_setscheduler(0, SCHED_RR, &p) != 0)
        shell_log("scheduling = realtime: %s; it goes on with nice %d", strerror(errno), NICE);
}

/* One for each sink's file or name, and one that looks into the file: what a dead file system or
 * name server keeps waiting keeps no other sink waiting.  libuv has 4, and half of them for names.
 */
static void widen_pool(void)
{
    char threads[16];

    snprintf(threads, sizeof(threads), "%d", 2 * SINK_COUNT_MAX);
    setenv("UV_THREADPOOL_SIZE", threads, 1);
}

/* libuv waits for its threads when a process ends, and one of them may wait for a name server or a
 * dead file system. */
static void end_at_once(int status, void *arg)
{
    (void)arg;
    _exit(status);
}

/* The same process, so that whoever watches over it sees no end. */
static int start_again(struct shell *s, char **argv)
{
    if (!ingest_ring_carry(s->ring) && s->config->source_count > 1)
        shell_log("ring %s: what came of other sources is forgotten: they may repeat it",
                  s->config->ring);
    shell_log_close();
    close_range(STDERR_FILENO + 1, ~0u, CLOSE_RANGE_CLOEXEC);
    execv("/proc/self/exe", argv);
    fprintf(stderr, "evrepd: cannot start anew: %s\n", strerror(errno));
    return EXIT_FAILURE;
}

static int open_parts(struct shell *s, char *err, size_t err_size)
{
    uv_loop_init(&s->loop);
    s->core = malloc(sizeof(*s->core));
    s->out = malloc(sizeof(*s->out));
    if (s->core == NULL || s->out == NULL)
        return -1;
    core_output_clear(s->out);
    if (recover(s, err, err_size) != 0 || feed_open(s, err, err_size) != 0)
        return -1;
    take_priority(s->config->realtime);
    runs_open(s);
    if (disk_posix_beside(&s->disk, s->config->dead_after_ms < SHORT_MS, members_meanwhile, s) != 0)
        return -1;
    if (config_cluster(s->config, &s->cluster, shell_now_ns()) != 0 ||
        control_open(s, err, err_size) != 0)
        return -1;
    if (peer_open(s, err, err_size) != 0)
        return -1;
    feed_epoch_resume(s);
    tally_open(s);
    if (sources_open(s, err, err_size) != 0)
        return -1;
    if (members_open(s, err, err_size) != 0 || metrics_open(s, err, err_size) != 0)
        return -1;
    return emit_open(s, err, err_size);
}

static void start(struct shell *s)
{
    start_signals(s);
    uv_timer_init(&s->loop, &s->tick);
    s->tick.data = s;
    uv_timer_start(&s->tick, on_tick, 0, TICK_MS);
    uv_timer_init(&s->loop, &s->feed);
    s->feed.data = s;
    uv_timer_start(&s->feed, on_feed, 1, 1);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"config", required_argument, NULL, 'c'},
                                            {"check", no_argument, NULL, 'k'},
                                            {"version", no_argument, NULL, 'V'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    static struct config config;
    static struct shell shell;
    const char *path = NULL;
    bool check = false;
    char err[1024] = "out of memory";
    int opt;

    while ((opt = getopt_long(argc, argv, "c:Vh", options, NULL)) != -1) {
        if (opt == 'c') {
            path = optarg;
        } else if (opt == 'k') {
            check = true;
        } else if (opt == 'V' || opt == 'h') {
            opt == 'V' ? (void)puts("evrepd " EVREP_VERSION) : usage(stdout);
            return 0;
        } else {
            usage(stderr);
            return EXIT_USAGE;
        }
    }
    if (path == NULL || optind != argc) {
        usage(stderr);
        return EXIT_USAGE;
    }
    if (config_load(&config, path, err, sizeof(err)) != 0 ||
        (check && sources_check(&config, err, sizeof(err)) != 0)) {
        fprintf(stderr, "evrepd: %s\n", err);
        return EXIT_FAILURE;
    }
    if (check) {
        printf("%s: good\n", path);
        return 0;
    }
    shell.config = &config;
    shell.config_path = path;
    widen_pool();
    on_exit(end_at_once, NULL); /* After the log's end. */
    shell_log_open();
    if (sodium_init() < 0 || open_parts(&shell, err, sizeof(err)) != 0) {
        shell_log("cannot start: %s", err);
        return EXIT_FAILURE;
    }
    start(&shell);
    shell_log("node %u of cluster %u is up", config.node, config.cluster_id);
    uv_run(&shell.loop, UV_RUN_DEFAULT);
    emit_close(&shell);
    control_close(&shell);
    sources_close(&shell);
    metrics_close(&shell);
    members_close(&shell);
    peer_close(&shell);
    journal_close(shell.journal);
    disk_posix_close(&shell.disk);
    if (shell.again)
        return start_again(&shell, argv);
    return 0;
}
