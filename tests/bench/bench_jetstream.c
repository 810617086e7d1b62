/* links: evrep_sinks */
/* The JetStream sink, with its ids and guards, against libnats alone publishing the same records
 * asynchronously (js_PublishAsync with a message id, and as many under way as it likes), and
 * against libnats with the sink's guards, each record expecting the id of the one before it: one
 * nats-server on loopback, one connection for each, turn by turn, medians.  The processor's time is
 * that of all threads of the publisher, and of the server, for each record.
 * bench_jetstream [RECORDS [ROUNDS [WINDOW]]] */
#include "sink.h"

#include <nats/nats.h>

#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { LENGTH = 450, ROUNDS_MAX = 99 };

static char folder[] = "/tmp/evrep-bench-XXXXXX", url[64];
static char record[LENGTH];
static pid_t server;
static uint32_t records = 100000, window = 8192;
static natsConnection *nc;
static jsCtx *js;

static void end(const char *why)
{
    fprintf(stderr, "bench_jetstream: %s\n", why);
    if (server > 0)
        kill(server, SIGKILL);
    exit(1);
}

static int free_port(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(a);
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    if (bind(fd, (struct sockaddr *)&a, sizeof(a)) != 0)
        end("no port");
    getsockname(fd, (struct sockaddr *)&a, &len);
    close(fd);
    return ntohs(a.sin_port);
}

static void server_start(void)
{
    int port = free_port();
    char number[16];

    snprintf(number, sizeof(number), "%d", port);
    snprintf(url, sizeof(url), "nats://127.0.0.1:%d", port);
    server = fork();
    if (server == 0) {
        if (freopen("/dev/null", "w", stderr) == NULL)
            _exit(1);
        execlp("nats-server", "nats-server", "-a", "127.0.0.1", "-p", number, "-js", "-sd", folder,
               NULL);
        _exit(1);
    }
    while (natsConnection_ConnectTo(&nc, url) != NATS_OK)
        usleep(1000);
    natsConnection_JetStream(&js, nc, NULL);
}

static void stream_make(void)
{
    static const char *const subjects[] = {"bench.*"};
    jsStreamConfig c;
    jsStreamInfo *info = NULL;

    jsStreamConfig_Init(&c);
    c.Name = "BENCH";
    c.Subjects = (const char **)(uintptr_t)subjects;
    c.SubjectsLen = 1;
    while (js_AddStream(&info, js, &c, NULL, NULL) != NATS_OK)
        usleep(1000);
    jsStreamInfo_Destroy(info);
}

/* ---- libnats ---- */

/* `guarded`: behind the one before it, of this run. */
static void publish_all(uint32_t epoch, bool guarded)
{
    jsPubOptions o;
    char id[2][48];

    jsPubOptions_Init(&o);
    for (uint32_t i = 1; i <= records; i++) {
        snprintf(id[i % 2], sizeof(id[0]), "1/%u/%u", epoch, i);
        o.MsgId = id[i % 2];
        o.ExpectLastMsgId = guarded && i > 1 ? id[(i - 1) % 2] : NULL;
        if (js_PublishAsync(js, "bench.1", record, LENGTH, &o) != NATS_OK)
            end("js_PublishAsync failed");
    }
    if (js_PublishAsyncComplete(js, NULL) != NATS_OK)
        end("js_PublishAsyncComplete failed");
}

/* ---- the sink ---- */

static struct host {
    uv_loop_t loop;
    struct sink *sink;
    uint32_t epoch, handed, confirmed, last;
    bool up;
} host;

static size_t on_pull(void *ctx, struct sink_item *items, size_t max, size_t max_bytes)
{
    size_t n = 0;

    (void)ctx;
    while (n < max && (n + 1) * LENGTH <= max_bytes && host.handed < host.last &&
           host.handed - host.confirmed < window)
        items[n++] = (struct sink_item){.position = position_make(host.epoch, ++host.handed),
                                        .bytes = (uint8_t *)record,
                                        .len = LENGTH};
    return n;
}

static void on_confirmed(void *ctx, size_t n)
{
    (void)ctx;
    host.confirmed += (uint32_t)n;
}

static void on_lost(void *ctx, bool certain_none)
{
    (void)ctx;
    (void)certain_none;
    end("the sink lost its flight");
}

static void on_up(void *ctx, bool quiet)
{
    (void)quiet;
    (void)ctx;
    host.up = true;
}

static void on_said(void *ctx, const char *what)
{
    (void)ctx;
    end(what);
}

static void sink_begin(void)
{
    static const struct sink_options o = {
        .name = "bus", .type = "jetstream", .url = url, .stream = "BENCH", .subject = "bench"};
    static const struct sink_host calls = {.pull = on_pull,
                                           .confirmed = on_confirmed,
                                           .lost = on_lost,
                                           .up = on_up,
                                           .down = on_said,
                                           .warn = on_said};
    char err[256];

    uv_loop_init(&host.loop);
    if (sink_open(&host.sink, &host.loop, &o, &calls, err, sizeof(err)) != 0)
        end(err);
    while (!host.up)
        uv_run(&host.loop, UV_RUN_ONCE);
}

static uint64_t run_sink(uint32_t epoch)
{
    uint64_t begin = uv_hrtime();

    host.handed = host.confirmed = 0;
    host.epoch = epoch;
    host.last = records;
    sink_wake(host.sink);
    while (host.confirmed < records)
        uv_run(&host.loop, UV_RUN_ONCE);
    return uv_hrtime() - begin;
}

/* ---- */

struct libnats {
    uint32_t epoch;
    bool guarded;
    uv_async_t done;
    bool is_done;
};

static void on_done(uv_async_t *a)
{
    struct libnats *l = a->data;

    l->is_done = true;
    uv_close((uv_handle_t *)a, NULL);
}

static void libnats_main(void *arg)
{
    struct libnats *l = arg;

    publish_all(l->epoch, l->guarded);
    uv_async_send(&l->done);
}

/* The loop runs meanwhile: the sink's connection has pings to answer. */
static uint64_t time_libnats(uint32_t epoch, bool guarded)
{
    struct libnats l = {.epoch = epoch, .guarded = guarded};
    uint64_t begin = uv_hrtime();
    uv_thread_t thread;

    uv_async_init(&host.loop, &l.done, on_done);
    l.done.data = &l;
    uv_thread_create(&thread, libnats_main, &l);
    while (!l.is_done || uv_is_active((uv_handle_t *)&l.done))
        uv_run(&host.loop, UV_RUN_ONCE);
    uv_thread_join(&thread);
    return uv_hrtime() - begin;
}

static uint64_t run_libnats(uint32_t epoch)
{
    return time_libnats(epoch, false);
}

static uint64_t run_guarded(uint32_t epoch)
{
    return time_libnats(epoch, true);
}

struct rates { /* Of each round. */
    double each_s[ROUNDS_MAX], own_us[ROUNDS_MAX], server_us[ROUNDS_MAX];
};

static double processor_us(pid_t pid)
{
    clockid_t clock;
    struct timespec t = {0};

    if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &t) != 0)
        end("no clock of a process");
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void measure(struct rates *r, int round, uint64_t (*run)(uint32_t), uint32_t epoch)
{
    double own = processor_us(0), its = processor_us(server);

    r->each_s[round] = records * 1e9 / (double)run(epoch);
    r->own_us[round] = (processor_us(0) - own) / records;
    r->server_us[round] = (processor_us(server) - its) / records;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median(double *values, int rounds)
{
    qsort(values, (size_t)rounds, sizeof(values[0]), by_value);
    return values[rounds / 2];
}

static void show(const char *who, struct rates *r, int rounds)
{
    printf("%-28s %7.0f records/s, %.1f us of processor time each, %.1f us of the server's\n", who,
           median(r->each_s, rounds), median(r->own_us, rounds), median(r->server_us, rounds));
}

/* Of the rounds, before any of them is sorted. */
static void show_ratio(const char *what, const struct rates *a, const struct rates *b, int rounds)
{
    double ratio[ROUNDS_MAX], middle;

    for (int i = 0; i < rounds; i++)
        ratio[i] = a->each_s[i] / b->each_s[i];
    middle = median(ratio, rounds);
    printf("%-45s %.2f (%.2f to %.2f)\n", what, middle, ratio[0], ratio[rounds - 1]);
}

int main(int argc, char **argv)
{
    static struct rates alone, guarded, sink;
    int rounds = argc > 2 ? atoi(argv[2]) : 5;
    char command[128];

    if (argc > 1)
        records = (uint32_t)strtoul(argv[1], NULL, 10);
    if (argc > 3)
        window = (uint32_t)strtoul(argv[3], NULL, 10);
    if (rounds < 1 || rounds > ROUNDS_MAX || records == 0 || window == 0 || mkdtemp(folder) == NULL)
        return 2;
    signal(SIGPIPE, SIG_IGN);
    memset(record, 'x', sizeof(record));
    server_start();
    stream_make();
    sink_begin();
    for (int i = 0; i < rounds; i++) {
        measure(&alone, i, run_libnats, 3 * (uint32_t)i + 2);
        measure(&guarded, i, run_guarded, 3 * (uint32_t)i + 3);
        measure(&sink, i, run_sink, 3 * (uint32_t)i + 4);
    }
    printf("%u records, %d rounds, window %u\n", records, rounds, window);
    show_ratio("the sink : libnats alone", &sink, &alone, rounds);
    show_ratio("the sink : libnats with the same guards", &sink, &guarded, rounds);
    show_ratio("libnats with the same guards : libnats alone", &guarded, &alone, rounds);
    show("libnats alone", &alone, rounds);
    show("libnats with the same guards", &guarded, rounds);
    show("the sink", &sink, rounds);
    kill(server, SIGKILL);
    waitpid(server, NULL, 0);
    snprintf(command, sizeof(command), "rm -rf %s", folder);
    return system(command);
}
