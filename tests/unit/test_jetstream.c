/* links: evrep_sinks */
/* The JetStream sink against a real nats-server on loopback: nothing twice, no gap, whoever else
 * writes, and whatever dies. */
#include "jetstream_ack.h"
#include "jetstream_find.h"
#include "sink.h"

#include <nats/nats.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { DEADLINE_MS = 60000, EPOCH = 12 };

static char folder[] = "/tmp/evrep-jetstream-XXXXXX";
static char url[64];
static int port;
static pid_t server;

/* ---- the server ---- */

static int free_port(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(a);
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
    getsockname(fd, (struct sockaddr *)&a, &len);
    close(fd);
    return ntohs(a.sin_port);
}

/* With a certificate: of TLS, and with JetStream where it has a store. */
static pid_t server_run(int at, const char *cert, const char *key, const char *store)
{
    char number[16];
    pid_t pid = fork();

    if (pid != 0)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    snprintf(number, sizeof(number), "%d", at);
    if (freopen("/dev/null", "w", stderr) == NULL)
        _exit(1);
    if (cert == NULL)
        execlp("nats-server", "nats-server", "-a", "127.0.0.1", "-p", number, "-js", "-sd", folder,
               NULL);
    execlp("nats-server", "nats-server", "-a", "127.0.0.1", "-p", number, "--tls", "--tlscert",
           cert, "--tlskey", key, store != NULL ? "-js" : NULL, "-sd", store, NULL);
    _exit(1);
}

static void server_start(void)
{
    server = server_run(port, NULL, NULL, NULL);
}

static void server_kill(void)
{
    kill(server, SIGKILL);
    waitpid(server, NULL, 0);
}

static natsConnection *nc;
static jsCtx *js;

static void operator_connects(void)
{
    while (natsConnection_ConnectTo(&nc, url) != NATS_OK)
        usleep(1000);
    assert_int_equal(natsConnection_JetStream(&js, nc, NULL), NATS_OK);
}

static void stream_make(const char *name, const char *subject, jsRetentionPolicy retention)
{
    jsStreamConfig c;
    jsStreamInfo *info = NULL;
    jsErrCode code = 0;

    jsStreamConfig_Init(&c);
    c.Name = name;
    c.Subjects = &subject;
    c.SubjectsLen = 1;
    c.Retention = retention;
    while (js_AddStream(&info, js, &c, NULL, &code) != NATS_OK)
        usleep(1000); /* JetStream starts a moment after the port opens. */
    jsStreamInfo_Destroy(info);
}

/* ---- a host, in place of the core ---- */

struct host {
    uv_loop_t loop;
    struct sink *sink;
    uint8_t origin;
    uint32_t epoch;                   /* 0: EPOCH. */
    uint32_t confirmed, handed, last; /* To publish: up to `last`. */
    uint32_t lost, ups, downs, answers, answered, unknown;
    uint64_t opened_ns;
    size_t len; /* Of each record; 0: that of its text. */
    bool up, asks, asked, shared;
    bool in_doubt;
    bool strict; /* As the core: nothing goes out of a run that was not asked about. */
    char why[SINK_ERROR_MAX], warned[SINK_ERROR_MAX];
    char text[64][32];
};

static uint32_t epoch_of(const struct host *h)
{
    return h->epoch != 0 ? h->epoch : EPOCH;
}

static uint8_t zeros[4096];

static size_t on_pull(void *ctx, struct sink_item *items, size_t max, size_t max_bytes)
{
    struct host *h = ctx;
    size_t n = 0;

    (void)max_bytes;
    while (!h->asks && n < max && n < 64 && h->handed < h->last) {
        h->handed++;
        snprintf(h->text[n], sizeof(h->text[n]), "record %u", h->handed);
        items[n] = (struct sink_item){.origin = h->origin,
                                      .position = position_make(epoch_of(h), h->handed),
                                      .in_doubt = h->in_doubt,
                                      .bytes = h->len > 0 ? zeros : (uint8_t *)h->text[n],
                                      .len = h->len > 0 ? h->len : strlen(h->text[n])};
        n++;
    }
    return n;
}

static void on_confirmed(void *ctx, size_t n)
{
    struct host *h = ctx;

    h->confirmed += (uint32_t)n;
    assert_true(h->confirmed <= h->handed);
}

static void on_lost(void *ctx, bool certain_none)
{
    struct host *h = ctx;

    (void)certain_none;
    h->lost++;
    h->asks = h->strict || h->handed > h->confirmed;
    h->handed = h->strict ? h->confirmed : h->handed;
    h->asked = false;
}

static void on_up(void *ctx, bool quiet)
{
    struct host *h = ctx;

    h->up = true;
    h->ups += !quiet;
}

static void on_down(void *ctx, const char *why)
{
    struct host *h = ctx;

    h->up = false;
    h->downs++;
    snprintf(h->why, sizeof(h->why), "%s", why);
}

static void on_warn(void *ctx, const char *what)
{
    struct host *h = ctx;

    h->ups += strncmp(what, "up", 2) == 0;
    snprintf(h->warned, sizeof(h->warned), "%s", what);
}

static void on_answer(void *ctx, uint8_t origin, uint32_t epoch, uint32_t from, uint32_t to,
                      enum core_answer kind, uint32_t last)
{
    struct host *h = ctx;

    (void)epoch;
    (void)from;
    (void)to;
    h->unknown += kind == ANSWER_UNKNOWN;
    if (origin != h->origin)
        return;
    h->answers++;
    h->answered = last;
    if (h->asks)
        h->confirmed = h->handed = last > h->confirmed ? last : h->confirmed;
    h->asks = false;
}

static bool on_shared(void *ctx, uint8_t origin)
{
    struct host *h = ctx;

    return h->shared && origin == h->origin;
}

static struct host *all[48]; /* Sinks live as long as their process. */
static size_t all_count;

static struct sink_options options; /* Of the next host. */

static struct host *host_new(uint8_t origin, const char *stream, const char *subject)
{
    struct host *h = calloc(1, sizeof(*h));
    struct sink_host calls = {.ctx = h,
                              .pull = on_pull,
                              .confirmed = on_confirmed,
                              .lost = on_lost,
                              .up = on_up,
                              .down = on_down,
                              .warn = on_warn,
                              .answer = on_answer,
                              .shared = on_shared};
    struct sink_options o = options;
    char err[256];

    o.name = "bus";
    o.type = "jetstream";
    o.url = url;
    o.stream = stream;
    o.subject = subject;
    assert_non_null(h);
    assert_true(all_count < sizeof(all) / sizeof(all[0]));
    all[all_count++] = h;
    h->origin = origin;
    uv_loop_init(&h->loop);
    assert_int_equal(sink_open(&h->sink, &h->loop, &o, &calls, err, sizeof(err)), 0);
    return h;
}

static void ask(struct host *h, uint32_t run, uint32_t from, uint32_t to, uint32_t end)
{
    sink_ask(h->sink,
             &(struct sink_question){h->origin, epoch_of(h), from, to, run, end, h->opened_ns});
}

static void host_turn(struct host *h)
{
    if (h->up && h->asks && !h->asked) {
        h->asked = true;
        ask(h, 1, h->confirmed + 1, h->strict ? SEQUENCE_MAX : h->handed, SEQUENCE_MAX);
    }
    sink_wake(h->sink);
    uv_run(&h->loop, UV_RUN_NOWAIT);
}

#define RUN_UNTIL(a, b, condition)                                                                 \
    do {                                                                                           \
        uint64_t until_ = uv_hrtime() + DEADLINE_MS * 1000000ull;                                  \
        while (!(condition)) {                                                                     \
            host_turn(a);                                                                          \
            if ((b) != NULL)                                                                       \
                host_turn(b);                                                                      \
            if (uv_hrtime() > until_)                                                              \
                fail_msg("waited in vain for: %s", #condition);                                    \
        }                                                                                          \
    } while (0)

static struct host *const none = NULL;

/* ---- what the stream holds ---- */

/* The next message of the subject is of that epoch: its sequence, or 0; *pending: behind it. */
static uint32_t next_of(natsSubscription *sub, uint8_t origin, uint32_t epoch, uint64_t *pending)
{
    natsMsg *m = NULL;
    jsMsgMetaData *meta = NULL;
    const char *id = NULL;
    uint32_t sequence = 0;
    uint8_t whose;
    position_t p;

    assert_int_equal(natsSubscription_NextMsg(&m, sub, 5000), NATS_OK);
    assert_int_equal(natsMsg_GetMetaData(&meta, m), NATS_OK);
    *pending = meta->NumPending;
    if (natsMsgHeader_Get(m, "Nats-Msg-Id", &id) == NATS_OK && jetstream_id_parse(id, &whose, &p) &&
        position_epoch(p) == epoch && whose == origin)
        sequence = position_sequence(p);
    jsMsgMetaData_Destroy(meta);
    natsMsg_Destroy(m);
    return sequence;
}

/* Every record of the epoch from 1 to n once, in order, whatever lies between them.  All is read:
 * libnats before 3.6 does not survive that a subscription goes while more comes. */
static void expect_run(const char *stream, const char *subject, uint8_t origin, uint32_t epoch,
                       uint32_t n)
{
    natsSubscription *sub = NULL;
    jsSubOptions so;
    uint64_t pending;
    uint32_t last = 0;

    jsSubOptions_Init(&so);
    so.Stream = stream;
    so.Ordered = true;
    assert_int_equal(js_SubscribeSync(&sub, js, subject, NULL, &so, NULL), NATS_OK);
    do {
        uint32_t sequence = next_of(sub, origin, epoch, &pending);

        if (sequence != 0)
            assert_int_equal(sequence, ++last);
    } while (pending > 0);
    natsSubscription_Destroy(sub);
    assert_int_equal(last, n);
}

static void expect_stream(const char *stream, const char *subject, uint8_t origin, uint32_t n)
{
    expect_run(stream, subject, origin, EPOCH, n);
}

static uint64_t stream_messages(const char *stream)
{
    jsStreamInfo *info = NULL;
    uint64_t n;

    assert_int_equal(js_GetStreamInfo(&info, js, stream, NULL, NULL), NATS_OK);
    n = info->State.Msgs;
    jsStreamInfo_Destroy(info);
    return n;
}

/* ---- tests ---- */

static void expect_last(const char *stream, const char *subject, const char *text, bool in_doubt)
{
    natsMsg *m = NULL;
    const char *mark = NULL;

    assert_int_equal(js_GetLastMsg(&m, js, stream, subject, NULL, NULL), NATS_OK);
    assert_int_equal(natsMsg_GetDataLength(m), strlen(text));
    assert_memory_equal(natsMsg_GetData(m), text, strlen(text));
    assert_int_equal(natsMsgHeader_Get(m, JETSTREAM_IN_DOUBT, &mark) == NATS_OK, in_doubt);
    natsMsg_Destroy(m);
}

static void test_publishes_in_a_pipeline(void **state)
{
    struct host *h;

    (void)state;
    stream_make("PIPE", "pipe.*", js_LimitsPolicy);
    h = host_new(0, "PIPE", "pipe");
    h->last = 5000;
    RUN_UNTIL(h, none, h->confirmed == 5000);
    expect_stream("PIPE", "pipe.0", 0, 5000);
    assert_int_equal(stream_messages("PIPE"), 5000);
    h->in_doubt = true;
    h->last = 5001;
    RUN_UNTIL(h, none, h->confirmed == 5001);
    expect_last("PIPE", "pipe.0", "record 5001", true);
    h->in_doubt = false;
    h->last = 5002;
    RUN_UNTIL(h, none, h->confirmed == 5002);
    expect_last("PIPE", "pipe.0", "record 5002", false);
    assert_int_equal(h->lost, 0);
}

/* N3, T6, finding 13: the one that was taken over thaws and publishes. */
static void test_refuses_a_late_writer(void **state)
{
    struct host *a, *b;

    (void)state;
    stream_make("LATE", "late.*", js_LimitsPolicy);
    a = host_new(0, "LATE", "late");
    b = host_new(0, "LATE", "late");
    a->last = 10;
    RUN_UNTIL(a, b, a->confirmed == 10 && b->up);
    b->asks = true; /* The taker asks, and goes on. */
    b->handed = 20;
    b->last = 20;
    RUN_UNTIL(b, none, b->confirmed == 20);
    assert_int_equal(b->answered, 10);

    a->confirmed = a->handed = 30; /* Ids that nobody knows: only the guard can refuse them. */
    a->last = 40;
    RUN_UNTIL(a, none, a->lost > 0);
    assert_int_equal(stream_messages("LATE"), 20);
    expect_stream("LATE", "late.0", 0, 20);

    a->confirmed = a->handed = 10; /* And what the taker has published is not stored again. */
    a->asks = false;
    a->last = 20;
    RUN_UNTIL(a, none, a->confirmed == 20);
    assert_int_equal(stream_messages("LATE"), 20);
}

/* D1, finding 14: the answer is exact also where the last message is of another run. */
static void test_answers_what_it_has(void **state)
{
    struct host *h;
    static const struct {
        uint32_t run, from, to, last;
    } cases[] = {{1, 1, 500, 300}, {1, 300, 310, 300}, {1, 301, 310, 0},
                 {1, 10, 20, 20},  {350, 350, 400, 0}, {900, 900, 999, 900}};
    char id[32];

    (void)state;
    stream_make("ASK", "ask.*", js_LimitsPolicy);
    h = host_new(0, "ASK", "ask");
    h->last = 300;
    RUN_UNTIL(h, none, h->confirmed == 300);
    assert_int_equal(
        js_Publish(NULL, js, "ask.0", "x", 1, &(jsPubOptions){.MsgId = "0/14/1"}, NULL), NATS_OK);
    /* A run that was written before the one below it. */
    for (uint32_t q = 799; q < 900; q++) {
        snprintf(id, sizeof(id), "0/%d/%u", EPOCH, q == 799 ? 900 : q);
        assert_int_equal(js_Publish(NULL, js, "ask.0", "x", 1, &(jsPubOptions){.MsgId = id}, NULL),
                         NATS_OK);
    }
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint32_t answers = h->answers;

        ask(h, cases[i].run, cases[i].from, cases[i].to, cases[i].to);
        RUN_UNTIL(h, none, h->answers > answers);
        assert_int_equal(h->answered, cases[i].last);
    }
}

/* D1: the guard that a second answer brings would let through what the first one did not know of.
 */
static void test_an_answer_outdates_another(void **state)
{
    struct host *h;

    (void)state;
    stream_make("TWO", "two.*", js_LimitsPolicy);
    h = host_new(0, "TWO", "two");
    h->last = 10;
    RUN_UNTIL(h, none, h->confirmed == 10);
    ask(h, 1, 1, 20, 20);
    RUN_UNTIL(h, none, h->answers == 1);
    ask(h, 21, 21, 30, 30); /* Nobody wrote: both answers stand. */
    RUN_UNTIL(h, none, h->answers == 2);
    assert_int_equal(
        js_Publish(NULL, js, "two.0", "x", 1, &(jsPubOptions){.MsgId = "0/12/99"}, NULL), NATS_OK);
    ask(h, 31, 31, 40, 40); /* What was written is of none of them. */
    RUN_UNTIL(h, none, h->answers == 3 || h->lost > 0);
    assert_int_equal(h->lost, 0);

    assert_int_equal(
        js_Publish(NULL, js, "two.0", "x", 1, &(jsPubOptions){.MsgId = "0/12/11"}, NULL), NATS_OK);
    ask(h, 21, 21, 30, 30);
    RUN_UNTIL(h, none, h->answers == 4 || h->lost == 1);
    assert_int_equal(h->answers, 3);
    ask(h, 1, 1, 20, 20); /* Asked anew, it stands. */
    RUN_UNTIL(h, none, h->answers == 4 || h->lost == 2);
    assert_int_equal(h->lost, 1);
    assert_int_equal(h->answered, 11);
}

static void publish_id(const char *subject, const char *id)
{
    assert_int_equal(js_Publish(NULL, js, subject, "x", 1, &(jsPubOptions){.MsgId = id}, NULL),
                     NATS_OK);
}

/* D1: what was not looked at is no "none"; what was there before an epoch was opened is. */
static void test_says_how_far_it_looked(void **state)
{
    static struct jetstream_ask a;
    struct jetstream_link k = {.nc = nc, .js = js, .depth = 4096};
    char err[JETSTREAM_ERROR_MAX];

    (void)state;
    stream_make("DEEP", "deep.*", js_LimitsPolicy);
    snprintf(k.place[0].stream, sizeof(k.place[0].stream), "DEEP");
    snprintf(k.place[0].subject, sizeof(k.place[0].subject), "deep.0");
    publish_id("deep.0", "0/12/1");
    for (int i = 2; i < 4202; i++) {
        if (i == 105) /* The last one that the first scan does not see. */
            publish_id("deep.0", "0/12/2");
        else
            natsConnection_PublishString(nc, "deep.0", "x");
    }
    publish_id("deep.0", "0/14/1");
    for (int i = 0; i < 5; i++) {
        a.question[0] = (struct jetstream_question){.q = {0, i < 3 ? 12 : 16, 1, 9, 1, 9, 0}};
        a.question[1] = (struct jetstream_question){.q = {0, 14, 2, 9, 1, 9, 0}};
        a.question[0].floor = i == 2 ? 1 : i == 3 ? 4202 : 0;
        a.count = 2;
        k.depth = i == 1 || i == 4 ? 0 : 4096;
        assert_int_equal(jetstream_find(&k, &a, err), 0);
        jetstream_link_tidy(&k);
        assert_int_equal(a.question[0].known, i > 0 && i != 2);
        assert_int_equal(a.question[0].last, i == 1 ? 2 : 0);
        assert_true(a.question[1].known && a.question[1].last == 0);
    }
    js_PurgeStream(js, "DEEP", NULL, NULL); /* All of it is what is left. */
    publish_id("deep.0", "0/14/2");
    k.depth = 4096;
    assert_int_equal(jetstream_find(&k, &a, err), 0);
    jetstream_link_tidy(&k);
    assert_true(a.question[0].known && a.question[0].last == 0);
}

/* A server's API under another name, which lies so many times about what lies where. */
static atomic_int lies;

static void on_request(natsConnection *c, natsSubscription *sub, natsMsg *m, void *ctx)
{
    const char *data = natsMsg_GetData(m), *subject = natsMsg_GetSubject(m);
    char real[128];

    (void)sub;
    (void)ctx;
    snprintf(real, sizeof(real), "$JS%s", strchr(subject, '.'));
    if (strstr(subject, ".MSG.GET.") != NULL && strstr(data, "\"seq\"") != NULL &&
        atomic_load(&lies) > 0) {
        atomic_fetch_sub(&lies, 1);
        data = "{\"seq\":1}";
    }
    natsConnection_PublishRequestString(c, real, natsMsg_GetReply(m), data);
    natsMsg_Destroy(m);
}

/* D1: a server that was the leader may keep a record which its peers never had, and it may be the
 * one that reads the stream for us. */
static void test_believes_the_leader(void **state)
{
    static struct jetstream_ask a;
    struct jetstream_link k = {.nc = nc};
    natsSubscription *sub = NULL;
    char err[JETSTREAM_ERROR_MAX];
    jsOptions o;

    (void)state;
    stream_make("LEAD", "lead.*", js_LimitsPolicy);
    assert_int_equal(natsConnection_Subscribe(&sub, nc, "LIES.API.>", on_request, NULL), NATS_OK);
    jsOptions_Init(&o);
    o.Prefix = "LIES.API";
    assert_int_equal(natsConnection_JetStream(&k.js, nc, &o), NATS_OK);
    snprintf(k.place[0].stream, sizeof(k.place[0].stream), "LEAD");
    snprintf(k.place[0].subject, sizeof(k.place[0].subject), "lead.0");
    publish_id("lead.0", "0/12/1");
    publish_id("lead.0", "0/12/2");
    publish_id("lead.0", "0/14/1");
    a.question[0] = (struct jetstream_question){.q = {0, 12, 1, 9, 1, 9, 0}};
    a.count = 1;
    atomic_store(&lies, 2);
    assert_int_equal(jetstream_find(&k, &a, err), 0);
    jetstream_link_tidy(&k);
    assert_int_equal(atomic_load(&lies), 0);
    assert_true(a.question[0].known && a.question[0].last == 2);
    atomic_store(&lies, 1000);
    assert_int_equal(jetstream_find(&k, &a, err), -1);
    jetstream_link_tidy(&k);
    assert_non_null(strstr(err, "servers of stream LEAD differ"));
    natsSubscription_Destroy(sub);
    jsCtx_Destroy(k.js);
}

static void publish_in_doubt(const char *subject, const char *id)
{
    natsMsg *m = NULL;

    natsMsg_Create(&m, subject, NULL, "x", 1);
    natsMsgHeader_Set(m, "Nats-Msg-Id", id);
    natsMsgHeader_Set(m, JETSTREAM_IN_DOUBT, "1");
    assert_int_equal(js_PublishMsg(NULL, js, m, NULL, NULL), NATS_OK);
    natsMsg_Destroy(m);
}

/* D2: what was sent again after "unknown" says nothing of what is above it: that may lie further
 * back, as it did.  What followed does. */
static void test_a_record_sent_again_is_no_end(void **state)
{
    static struct jetstream_ask a;
    struct jetstream_link k = {.nc = nc, .js = js, .depth = 4096};
    char err[JETSTREAM_ERROR_MAX];

    (void)state;
    stream_make("AGAIN", "again.*", js_LimitsPolicy);
    snprintf(k.place[0].stream, sizeof(k.place[0].stream), "AGAIN");
    snprintf(k.place[0].subject, sizeof(k.place[0].subject), "again.0");
    publish_id("again.0", "0/12/9");
    for (int i = 0; i < 4200; i++)
        natsConnection_PublishString(nc, "again.0", "x");
    for (uint32_t i = 0; i < 3; i++) {
        if (i == 1)
            publish_in_doubt("again.0", "0/12/5");
        if (i == 2)
            publish_id("again.0", "0/12/10");
        a.question[0] = (struct jetstream_question){.q = {0, 12, 5, 20, 1, 20, 0}};
        a.count = 1;
        assert_int_equal(jetstream_find(&k, &a, err), 0);
        jetstream_link_tidy(&k);
        assert_int_equal(a.question[0].known, i == 2);
        assert_int_equal(a.question[0].last, i == 0 ? 0 : i * 5);
    }
}

static void test_a_new_epoch_is_not_below_the_start(void **state)
{
    struct host *h;

    (void)state;
    stream_make("NEW", "new.*", js_LimitsPolicy);
    publish_id("new.0", "0/12/5");
    for (options.alone_ms = 1; options.alone_ms <= 60000; options.alone_ms += 59999) {
        h = host_new(0, "NEW", "new");
        h->opened_ns = sink_clock_ns() - 1000000000;
        RUN_UNTIL(h, none, h->up);
        ask(h, 1, 1, 9, 9);
        RUN_UNTIL(h, none, h->answers == 1);
        assert_int_equal(h->answered, options.alone_ms == 1 ? 5 : 0);
    }
    options.alone_ms = 0;
    publish_id("new.0", "0/12/6"); /* What came since is seen. */
    ask(h, 1, 1, 9, 9);
    RUN_UNTIL(h, none, h->lost == 1);
    ask(h, 1, 1, 9, 9);
    RUN_UNTIL(h, none, h->answers == 2);
    assert_int_equal(h->answered, 6);
    assert_int_equal(h->unknown, 0);
}

static atomic_bool published_enough;

static void publish_on(void *ctx)
{
    natsConnection *other = NULL;

    (void)ctx;
    assert_int_equal(natsConnection_ConnectTo(&other, url), NATS_OK);
    while (!atomic_load(&published_enough) &&
           natsConnection_PublishString(other, "race.0", "x") == NATS_OK)
        natsConnection_Flush(other);
    natsConnection_Destroy(other);
    nats_ReleaseThreadMemory();
}

/* What a question reads from goes while more comes in. */
static void test_asks_while_another_writer_publishes(void **state)
{
    struct host *h;
    uv_thread_t writer;

    (void)state;
    stream_make("RACE", "race.*", js_LimitsPolicy);
    h = host_new(0, "RACE", "race");
    h->last = 10;
    RUN_UNTIL(h, none, h->confirmed == 10);
    atomic_store(&published_enough, false);
    assert_int_equal(uv_thread_create(&writer, publish_on, NULL), 0);
    for (uint32_t i = 0; i < 12; i++) {
        uint32_t answers = h->answers, lost = h->lost;

        ask(h, 1, 1, 10, 10);
        sink_wake(h->sink);
        RUN_UNTIL(h, none, h->answers > answers || h->lost > lost);
    }
    atomic_store(&published_enough, true);
    uv_thread_join(&writer);
}

/* Each breaks the other's chain. */
static void test_two_origins_share_a_stream(void **state)
{
    struct host *a, *b;

    (void)state;
    stream_make("BOTH", "both.*", js_LimitsPolicy);
    a = host_new(0, "BOTH", "both");
    b = host_new(1, "BOTH", "both");
    RUN_UNTIL(a, b, a->up && b->up);
    a->last = b->last = 1500;
    RUN_UNTIL(a, b, a->confirmed == 1500 && b->confirmed == 1500);
    expect_stream("BOTH", "both.0", 0, 1500);
    expect_stream("BOTH", "both.1", 1, 1500);
    assert_int_equal(stream_messages("BOTH"), 3000);
}

static struct host *strict_new(uint32_t epoch, const char *stream, const char *subject)
{
    struct host *h = host_new(0, stream, subject);

    h->epoch = epoch;
    h->strict = h->asks = true;
    return h;
}

/* After takeovers one node writes old runs of the origin whose new records the other one writes, at
 * its full rate and for ever: each makes the other's guard old.  An answer from the depth of a
 * stream takes longer than the other one waits. */
static void expect_both_get_through(const char *stream, bool busy)
{
    char subjects[16], subject[16];
    struct host *live, *old;
    uint64_t begin_ns, now_ns;
    int before = busy ? 0 : 10000;

    snprintf(subjects, sizeof(subjects), "%s.*", stream);
    snprintf(subject, sizeof(subject), "%s.0", stream);
    stream_make(stream, subjects, js_LimitsPolicy);
    for (int i = 0; i < before; i++)
        natsConnection_PublishString(nc, subject, "x");
    assert_int_equal(natsConnection_Flush(nc), NATS_OK);
    live = strict_new(14, stream, stream);
    live->last = 100;
    RUN_UNTIL(live, none, live->confirmed == 100);
    old = strict_new(EPOCH, stream, stream);
    live->shared = old->shared = true;
    old->last = 1000;
    begin_ns = uv_hrtime();
    while (old->confirmed < old->last) {
        now_ns = uv_hrtime();
        live->last = busy ? live->confirmed + 64 : 100 + (uint32_t)((now_ns - begin_ns) / 1000000);
        host_turn(live);
        host_turn(old);
        assert_true(now_ns - begin_ns < DEADLINE_MS * 1000000ull);
    }
    live->last = live->handed;
    RUN_UNTIL(live, old, live->confirmed == live->last);
    expect_run(stream, subject, 0, 14, live->last);
    expect_run(stream, subject, 0, EPOCH, 1000);
    assert_int_equal(stream_messages(stream), (uint64_t)before + 1000 + live->last);
    assert_int_equal(live->lost + old->lost, 0); /* Nothing of their own was written by others. */
}

static void test_two_writers_of_one_subject_get_through(void **state)
{
    (void)state;
    expect_both_get_through("RATE", false);
    expect_both_get_through("BUSY", true);
}

/* A server that takes no TLS, or somebody in the path who hides that it does, gets nothing. */
static void test_tls_is_no_wish(void **state)
{
    struct host *h;
    char plain[sizeof(url)];

    (void)state;
    stream_make("SECRET", "secret.*", js_LimitsPolicy);
    snprintf(plain, sizeof(plain), "%s", url);
    snprintf(url, sizeof(url), "tls%s", strstr(plain, "://"));
    h = host_new(0, "SECRET", "secret");
    h->last = 10;
    RUN_UNTIL(h, none, h->downs > 0 || h->up || h->why[0] != '\0');
    assert_false(h->up);
    assert_int_equal(stream_messages("SECRET"), 0);
    snprintf(url, sizeof(url), "%s", plain);
    RUN_UNTIL(h, none, h->confirmed == 10); /* No thread of it is left. */
}

static void certify(const char *cert, const char *key)
{
    char command[512];

    snprintf(command, sizeof(command),
             "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout %s "
             "-out %s -days 2 -subj /CN=a.example -addext subjectAltName=DNS:a.example 2>/dev/null",
             key, cert);
    assert_int_equal(system(command), 0);
}

/* A certificate of our own for a name that is not the host's. */
static void test_trusts_whom_it_is_told(void **state)
{
    static const char *const expected[] = {"self-signed", "mismatch", "JetStream is not enabled"};
    char before[sizeof(url)], cert[64], key[64];
    struct host *h[3];
    pid_t secret;
    int at = free_port();

    (void)state;
    snprintf(cert, sizeof(cert), "%s/cert", folder);
    snprintf(key, sizeof(key), "%s/key", folder);
    certify(cert, key);
    secret = server_run(at, cert, key, NULL);
    memcpy(before, url, sizeof(url));
    snprintf(url, sizeof(url), "tls://127.0.0.1:%d", at);
    for (int i = 0; i < 3; i++) {
        options.ca_file = i > 0 ? cert : NULL;
        options.server_name = i > 1 ? "a.example" : NULL;
        h[i] = host_new(0, "ANY", "any");
        RUN_UNTIL(h[i], none, strstr(h[i]->why, expected[i]) != NULL);
    }
    options = (struct sink_options){0};
    kill(secret, SIGKILL);
    waitpid(secret, NULL, 0);
    memcpy(url, before, sizeof(url));
    stream_make("ANY", "any.*", js_LimitsPolicy);
    for (int i = 0; i < 3; i++)
        RUN_UNTIL(h[i], none, h[i]->up); /* No thread of it is left. */
}

/* ---- a server over TLS that stalls ---- */

static atomic_int held; /* Bytes that the link lets through to the sink; -1: all. */
static int link_port, secret_port;

static void pass(int from, int to, bool hold)
{
    char bytes[4096];
    ssize_t n = recv(from, bytes, sizeof(bytes), 0), at = 0;

    while (at < n) {
        int most = hold ? atomic_load(&held) : -1;
        size_t len = (size_t)(most >= 0 && most < n - at ? most : n - at);

        if (most == 0) {
            usleep(1000);
            continue;
        }
        if (send(to, bytes + at, len, MSG_NOSIGNAL) <= 0)
            return;
        if (most > 0)
            atomic_fetch_sub(&held, (int)len);
        at += (ssize_t)len;
    }
    if (n <= 0)
        shutdown(to, SHUT_RDWR);
}

/* -1: nobody listens there. */
static int dial(int to)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons((uint16_t)to),
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    if (connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0)
        return fd;
    close(fd);
    return -1;
}

static bool link_serves(int listener)
{
    int sink = accept(listener, NULL, NULL), its = dial(secret_port);
    struct pollfd p[2] = {{sink, POLLIN, 0}, {its, POLLIN, 0}};

    while (its >= 0 && poll(p, 2, -1) > 0 && ((p[0].revents | p[1].revents) & POLLHUP) == 0) {
        if (p[0].revents != 0)
            pass(sink, its, false);
        if (p[1].revents != 0)
            pass(its, sink, true);
    }
    close(sink);
    if (its >= 0)
        close(its);
    return its >= 0;
}

/* Connections to the server, one after the other while it lives, whose bytes to the sink can be
 * held in the midst of a record. */
static void link_run(void *ctx)
{
    while (link_serves(*(int *)ctx))
        ;
}

static void secret_stream(void)
{
    static const char *const subjects[] = {"stall.*"};
    natsOptions *o = NULL;
    natsConnection *c = NULL;
    jsCtx *ctx = NULL;
    jsStreamConfig config;

    assert_int_equal(natsOptions_Create(&o), NATS_OK);
    natsOptions_SetURL(o, url);
    natsOptions_SetSecure(o, true);
    natsOptions_SkipServerVerification(o, true);
    while (natsConnection_Connect(&c, o) != NATS_OK)
        usleep(1000);
    assert_int_equal(natsConnection_JetStream(&ctx, c, NULL), NATS_OK);
    jsStreamConfig_Init(&config);
    config.Name = "STALL";
    config.Subjects = (const char **)(uintptr_t)subjects;
    config.SubjectsLen = 1;
    while (js_AddStream(NULL, ctx, &config, NULL, NULL) != NATS_OK)
        usleep(1000);
    jsCtx_Destroy(ctx);
    natsConnection_Destroy(c);
    natsOptions_Destroy(o);
}

static int listen_at(int *at)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(a);
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    assert_int_equal(bind(fd, (struct sockaddr *)&a, len), 0);
    assert_int_equal(listen(fd, 1), 0);
    getsockname(fd, (struct sockaddr *)&a, &len);
    *at = ntohs(a.sin_port);
    return fd;
}

/* libnats tries again and again what TLS cannot do yet: that must not be the loop's time. */
static void expect_turns(struct host *h)
{
    for (uint32_t turn = 0; turn < 100; turn++) {
        alarm(DEADLINE_MS / 1000); /* It kills a test that hangs. */
        host_turn(h);
        usleep(1000);
    }
}

static void test_a_server_over_tls_stalls(void **state)
{
    char before[sizeof(url)], cert[64], key[64], store[64];
    struct host *h;
    uv_thread_t link;
    pid_t secret;
    int listener;

    (void)state;
    snprintf(cert, sizeof(cert), "%s/cert", folder);
    snprintf(key, sizeof(key), "%s/key", folder);
    snprintf(store, sizeof(store), "%s/secret", folder);
    certify(cert, key);
    secret_port = free_port();
    secret = server_run(secret_port, cert, key, store);
    memcpy(before, url, sizeof(url));
    snprintf(url, sizeof(url), "tls://127.0.0.1:%d", secret_port);
    secret_stream();
    atomic_store(&held, -1);
    listener = listen_at(&link_port);
    uv_thread_create(&link, link_run, &listener);
    snprintf(url, sizeof(url), "tls://127.0.0.1:%d", link_port);
    options.no_verify = true;
    h = host_new(0, "STALL", "stall");
    h->len = sizeof(zeros);
    h->last = 100;
    RUN_UNTIL(h, none, h->confirmed == 100);
    for (int bytes = 3; bytes <= 20; bytes += 17) {
        atomic_store(&held, bytes); /* The answers end in the midst of a record. */
        h->last += 100;
        expect_turns(h);
        assert_true(h->confirmed < h->last);
        atomic_store(&held, -1);
        RUN_UNTIL(h, none, h->confirmed == h->last);
    }
    kill(secret, SIGSTOP); /* Nothing is read. */
    h->last = 20000;
    expect_turns(h);
    kill(secret, SIGCONT);
    h->last = h->handed;
    RUN_UNTIL(h, none, h->confirmed == h->last);
    kill(secret, SIGKILL);
    waitpid(secret, NULL, 0);
    RUN_UNTIL(h, none, !h->up);
    close(dial(link_port)); /* It finds nobody, and ends. */
    uv_thread_join(&link);
    close(listener);
    alarm(0);
    options = (struct sink_options){0};
    memcpy(url, before, sizeof(url));
    stream_make("STALL", "stall.*", js_LimitsPolicy);
    RUN_UNTIL(h, none, h->up); /* No thread of it is left. */
}

static void test_says_what_is_wrong_with_the_stream(void **state)
{
    struct host *h = host_new(0, "ABSENT", "absent");

    (void)state;
    RUN_UNTIL(h, none, strstr(h->why, "stream ABSENT does not exist") != NULL);
    stream_make("ABSENT", "elsewhere.*", js_LimitsPolicy);
    RUN_UNTIL(h, none, strstr(h->why, "does not take subject absent.0") != NULL);
    js_DeleteStream(js, "ABSENT", NULL, NULL);
    stream_make("ABSENT", "absent.>", js_WorkQueuePolicy);
    RUN_UNTIL(h, none, strstr(h->why, "has another retention") != NULL);
    js_DeleteStream(js, "ABSENT", NULL, NULL);
    stream_make("ABSENT", "absent.>", js_LimitsPolicy);
    h->last = 3;
    RUN_UNTIL(h, none, h->confirmed == 3); /* Without a restart. */
    js_DeleteStream(js, "ABSENT", NULL, NULL);
    h->last = 6;
    RUN_UNTIL(h, none, !h->up);
    stream_make("ABSENT", "absent.>", js_LimitsPolicy);
    RUN_UNTIL(h, none, h->confirmed == 6);
    assert_non_null(strstr(h->warned, "stream ABSENT has lost records: the last of absent.0 is 0, "
                                      "and was 3"));
}

static void stream_limits(const char *name, const char *subject, int64_t messages, int32_t size)
{
    jsStreamConfig c;

    jsStreamConfig_Init(&c);
    c.Name = name;
    c.Subjects = &subject;
    c.SubjectsLen = 1;
    c.Discard = js_DiscardNew;
    c.MaxMsgs = messages;
    c.MaxMsgSize = size;
    assert_int_equal(js_UpdateStream(NULL, js, &c, NULL, NULL), NATS_OK);
}

/* What a stream acknowledges and then removes unread is lost, and nothing tells of it. */
static void test_refuses_a_stream_that_forgets(void **state)
{
    static const char *const subject = "short.*",
                             *const says[] = {"max_msgs_per_subject is 1)", "max_msgs is 16383)",
                                              "max_bytes is 1000000)",
                                              "max_age is 119 s): raise it to 120 s at least"};
    struct host *h[4];
    jsStreamConfig c[4];

    (void)state;
    stream_make("SHORT", subject, js_LimitsPolicy);
    for (int i = 0; i < 4; i++) {
        jsStreamConfig_Init(&c[i]);
        c[i].Name = "SHORT";
        c[i].Subjects = (const char **)(uintptr_t)&subject;
        c[i].SubjectsLen = 1;
        c[i].MaxMsgsPerSubject = i == 0 ? 1 : -1;
        c[i].MaxMsgs = i == 1 ? 16383 : -1;
        c[i].MaxBytes = i == 2 ? 1000000 : -1;
        c[i].MaxAge = i == 3 ? 119500000000 : 0;
        c[i].Duplicates = 100000000000;
        assert_int_equal(js_UpdateStream(NULL, js, &c[i], NULL, NULL), NATS_OK);
        h[i] = host_new(0, "SHORT", "short");
        RUN_UNTIL(h[i], none, strstr(h[i]->why, says[i]) != NULL);
    }
    c[3].MaxMsgs = 16384;
    c[3].MaxAge = 120000000000;
    assert_int_equal(js_UpdateStream(NULL, js, &c[3], NULL, NULL), NATS_OK);
    h[0]->last = 3;
    for (int i = 0; i < 4; i++)
        RUN_UNTIL(h[i], none, h[i]->up);
    RUN_UNTIL(h[0], none, h[0]->confirmed == 3); /* Without a restart. */
    assert_string_equal(h[0]->warned, "stream SHORT removes its oldest records, read or not: "
                                      "max_msgs 16384, max_age 120 s");
}

static void test_says_once_that_it_is_refused(void **state)
{
    struct host *h;
    struct sink_state st = {0};

    (void)state;
    stream_make("FULL", "full.*", js_LimitsPolicy);
    stream_limits("FULL", "full.*", 3, 1000);
    h = host_new(0, "FULL", "full");
    RUN_UNTIL(h, none, strstr(h->why, "stream FULL takes 1000 bytes a message") != NULL);
    stream_limits("FULL", "full.*", 3, -1);
    RUN_UNTIL(h, none, h->up);
    h->last = 6;
    RUN_UNTIL(h, none, (sink_state(h->sink, &st), st.reconnects >= 3));
    assert_string_equal(h->why, "stream FULL refuses a record: maximum messages exceeded (10077): "
                                "raise its limits, or let it discard its oldest");
    assert_int_equal(h->confirmed, 3);
    assert_int_equal(h->downs, 2); /* Too short a message, too few of them. */
    assert_int_equal(h->ups, 1);
    stream_limits("FULL", "full.*", 9, -1);
    RUN_UNTIL(h, none, h->confirmed == 6);
    assert_int_equal(h->ups, 2);
    assert_int_equal(h->downs, 2);
}

static void test_says_which_server_it_cannot_reach(void **state)
{
    struct host *h;
    char before[sizeof(url)], want[128];

    (void)state;
    memcpy(before, url, sizeof(url));
    snprintf(url, sizeof(url), "nats://user:secret@127.0.0.1:%d", free_port());
    snprintf(want, sizeof(want), "nats://%s: no server takes the connection", strchr(url, '@') + 1);
    h = host_new(0, "ANY", "any");
    RUN_UNTIL(h, none, h->why[0] != '\0');
    assert_string_equal(h->why, want);
    snprintf(url, sizeof(url), "nats://nowhere.invalid");
    RUN_UNTIL(h, none, strstr(h->why, "no address for \"nowhere.invalid\": ") != NULL);
    memcpy(url, before, sizeof(url));
    RUN_UNTIL(h, none, h->up); /* No thread of it is left. */
}

/* It comes up once they are there (any will do for this server: the seed is of zeroes); so no
 * thread of it is left, either. */
static void test_says_that_credentials_cannot_be_read(void **state)
{
    static const char text[] =
        "-----BEGIN NATS USER JWT-----\nx.y.z\n------END NATS USER JWT------\n\n"
        "-----BEGIN USER NKEY "
        "SEED-----\nSUAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAEQ\n------END USER "
        "NKEY SEED------\n";
    char path[] = "/tmp/evrep-credentials-XXXXXX", want[192];
    int fd = mkstemp(path);
    struct host *h;

    (void)state;
    assert_int_equal(close(fd) | unlink(path), 0);
    snprintf(want, sizeof(want), "credentials \"%s\" cannot be used: No such file or directory",
             path);
    options.credentials = path;
    h = host_new(0, "ANY", "any");
    options.credentials = NULL;
    RUN_UNTIL(h, none, h->why[0] != '\0');
    assert_string_equal(h->why, want);
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
    assert_int_equal(write(fd, text, sizeof(text) - 1), sizeof(text) - 1);
    close(fd);
    RUN_UNTIL(h, none, h->up);
    unlink(path);
}

static void test_survives_the_server(void **state)
{
    struct host *h;

    (void)state;
    stream_make("DIES", "dies.*", js_LimitsPolicy);
    h = host_new(0, "DIES", "dies");
    h->last = 8000;
    for (uint32_t at = 2000; at <= 4000; at += 2000) {
        RUN_UNTIL(h, none, h->confirmed >= at);
        server_kill();
        server_start();
    }
    RUN_UNTIL(h, none, h->confirmed == 8000);
    jsCtx_Destroy(js);
    natsConnection_Destroy(nc);
    operator_connects();
    expect_stream("DIES", "dies.0", 0, 8000);
    assert_int_equal(stream_messages("DIES"), 8000);
}

static void test_reads_acknowledgements(void **state)
{
    struct jetstream_ack a;
    static const char *const bad[] = {"",
                                      "{",
                                      "{}",
                                      "[1]",
                                      "{\"seq\":1}",
                                      "{\"stream\":\"S\"}",
                                      "{\"seq\":\"1\",\"stream\":\"S\"}",
                                      "{\"stream\":\"S\",\"seq\":99999999999999999999999}"};
    const char *good = "{\"stream\":\"S\", \"domain\":\"d\", \"seq\":7,\"duplicate\": true}";
    const char *error = "{\"type\":\"x\",\"error\":{\"code\":400,\"err_code\":10071,"
                        "\"description\":\"wrong\\nlast\"},\"stream\":\"S\",\"seq\":0}";

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(jetstream_ack_parse(&a, bad[i], strlen(bad[i])), -1);
    assert_int_equal(jetstream_ack_parse(&a, good, strlen(good)), 0);
    assert_true(a.duplicate && a.sequence == 7 && strcmp(a.stream, "S") == 0 && a.error == 0);
    assert_int_equal(jetstream_ack_parse(&a, error, strlen(error)), 0);
    assert_int_equal(a.error, JETSTREAM_WRONG_LAST_SEQUENCE);
}

static void test_ids_and_subjects(void **state)
{
    char id[JETSTREAM_ID_MAX];
    uint8_t origin;
    position_t p;

    (void)state;
    jetstream_id(id, 1, position_make(UINT32_MAX, UINT32_MAX), 1);
    assert_string_equal(id, "1/4294967295/4294967295s1");
    assert_false(jetstream_id_parse(id, &origin, &p));
    assert_true(jetstream_id_parse("1/12/345", &origin, &p));
    assert_int_equal(p, position_make(12, 345));
    assert_false(jetstream_id_parse("2/12/345", &origin, &p));
    assert_false(jetstream_id_parse("0/12", &origin, &p));
    assert_false(jetstream_id_parse("0/4294967296/1", &origin, &p));
    assert_true(jetstream_matches("a.*", "a.0"));
    assert_true(jetstream_matches("a.>", "a.b.0"));
    assert_true(jetstream_matches(">", "a.0"));
    assert_false(jetstream_matches("a.*", "a.b.0"));
    assert_false(jetstream_matches("a.0", "a.1"));
    assert_false(jetstream_matches("a.0.>", "a.0"));
    assert_false(jetstream_matches("a", "a.0"));
}

static int set_up(void **state)
{
    (void)state;
    signal(SIGPIPE, SIG_IGN);
    if (mkdtemp(folder) == NULL)
        return -1;
    port = free_port();
    snprintf(url, sizeof(url), "nats://127.0.0.1:%d", port);
    server_start();
    operator_connects();
    return 0;
}

static int tear_down(void **state)
{
    char command[128];

    (void)state;
    server_kill();
    snprintf(command, sizeof(command), "rm -rf %s", folder);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads_acknowledgements),
        cmocka_unit_test(test_ids_and_subjects),
        cmocka_unit_test(test_publishes_in_a_pipeline),
        cmocka_unit_test(test_refuses_a_late_writer),
        cmocka_unit_test(test_answers_what_it_has),
        cmocka_unit_test(test_an_answer_outdates_another),
        cmocka_unit_test(test_says_how_far_it_looked),
        cmocka_unit_test(test_believes_the_leader),
        cmocka_unit_test(test_a_record_sent_again_is_no_end),
        cmocka_unit_test(test_a_new_epoch_is_not_below_the_start),
        cmocka_unit_test(test_asks_while_another_writer_publishes),
        cmocka_unit_test(test_two_origins_share_a_stream),
        cmocka_unit_test(test_two_writers_of_one_subject_get_through),
        cmocka_unit_test(test_tls_is_no_wish),
        cmocka_unit_test(test_trusts_whom_it_is_told),
        cmocka_unit_test(test_a_server_over_tls_stalls),
        cmocka_unit_test(test_says_what_is_wrong_with_the_stream),
        cmocka_unit_test(test_refuses_a_stream_that_forgets),
        cmocka_unit_test(test_says_once_that_it_is_refused),
        cmocka_unit_test(test_says_which_server_it_cannot_reach),
        cmocka_unit_test(test_says_that_credentials_cannot_be_read),
        cmocka_unit_test(test_survives_the_server),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
