/* links: evrep_link */
/* Sealed replication against plain TCP of the same bytes, on loopback, each side a thread with a
 * loop of its own; what the cipher alone does with those bytes, in two threads that seal and open
 * them, which is the most that a link can; and what a heartbeat waits behind bulk.  Rounds
 * alternate: the ratios are of the medians.  With MB and RENEW_MS for a path that is slow: so much
 * of bulk is the listener's, and its connection is succeeded each RENEW_MS while it waits. usage:
 * bench_link [ROUNDS [MB RENEW_MS]] */
#include <netinet/tcp.h>
#include <pthread.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "link_uv.h"

enum { BODY = 41000, ROUNDS_MAX = 31, BACKLOG = 1 << 20, BEAT = 44, BEATS = 4096 };

struct side {
    uv_loop_t loop;
    uv_timer_t beat;
    struct link_set *set;
    struct link_options o;
    char local[32], remote[32];
    uint64_t sent, received, began_ns, ended_ns;
    uint64_t wait_ns[BEATS];
    size_t beats;
    unsigned renewed;
};

static struct side side[2];
static uint8_t body[BODY];
static uint64_t bytes = 512 << 20, renew_ms;

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

static double median(double *v, int n)
{
    qsort(v, (size_t)n, sizeof(*v), compare);
    return v[n / 2];
}

/* ---- sealed ---- */

static void pump(struct side *s)
{
    while (s->sent < bytes && link_set_backlog(s->set, 0) < BACKLOG) {
        if (link_set_send(s->set, 0, body, BODY, false) != 0)
            return;
        s->sent += BODY;
    }
}

static void on_beat(uv_timer_t *t)
{
    struct side *s = t->data;
    uint64_t now = uv_hrtime();
    uint8_t frame[BEAT] = {0};

    memcpy(frame, &now, 8);
    link_set_send(s->set, 0, frame, sizeof(frame), true);
}

static void on_up(void *ctx, int link, uint16_t version)
{
    struct side *s = ctx;

    (void)link;
    (void)version;
    if (s == &side[0] || renew_ms > 0)
        uv_timer_start(&s->beat, on_beat, 0, renew_ms > 0 ? 100 : 1);
    if (s != &side[0])
        return;
    s->began_ns = uv_hrtime();
    pump(s);
}

static void on_down(void *ctx, int link, const char *why)
{
    struct side *s = ctx;

    (void)link;
    if (strcmp(why, "done") != 0 && s == &side[0] && s->sent < bytes)
        fprintf(stderr, "down: %s\n", why);
    uv_stop(&s->loop);
}

static void on_frame(void *ctx, int link, const uint8_t *at, size_t len)
{
    struct side *s = ctx;
    uint64_t then;

    (void)link;
    if (len == BEAT) {
        memcpy(&then, at, 8);
        if (s->beats < BEATS)
            s->wait_ns[s->beats++] = uv_hrtime() - then;
        return;
    }
    s->received += len;
    if (s->received >= bytes) {
        s->ended_ns = uv_hrtime();
        link_set_kick(s->set, 0, "done");
    }
}

static void on_nothing(void *ctx)
{
    (void)ctx;
}

static void on_refused(void *ctx, int link, const char *why)
{
    (void)ctx;
    (void)link;
    fprintf(stderr, "refused: %s\n", why);
}

static void on_renewed(void *ctx, int link, bool other_key)
{
    (void)link;
    (void)other_key;
    ((struct side *)ctx)->renewed++;
}

static void on_drain(void *ctx, int link)
{
    (void)link;
    if (ctx == &side[0])
        pump(ctx);
}

static void *run(void *arg)
{
    struct side *s = arg;

    uv_run(&s->loop, UV_RUN_DEFAULT);
    return NULL;
}

static void close_all(uv_handle_t *h, void *arg)
{
    (void)arg;
    if (!uv_is_closing(h))
        uv_close(h, NULL);
}

static void open_side(int i, int port)
{
    struct side *s = &side[i];
    struct link_callbacks cb = {s,          on_up,      on_down,  on_frame, on_nothing,
                                on_refused, on_renewed, on_drain, NULL};
    char err[200];

    memset(s, 0, sizeof(*s));
    uv_loop_init(&s->loop);
    uv_timer_init(&s->loop, &s->beat);
    s->beat.data = s;
    snprintf(s->local, sizeof(s->local), "127.9.0.%d:%d", 1 + i, port);
    snprintf(s->remote, sizeof(s->remote), "127.9.0.%d:%d", 2 - i, port);
    s->o = (struct link_options){.shake = {.node = (uint8_t)(renew_ms > 0 ? 1 - i : i),
                                           .version = LINK_VERSION,
                                           .key_count = 1},
                                 .renew_ms = renew_ms,
                                 .link_count = 1,
                                 .link = {{"bench", s->local, s->remote}}};
    if (link_set_open(&s->set, &s->loop, &s->o, &cb, err, sizeof(err)) != 0) {
        fprintf(stderr, "%s\n", err);
        exit(EXIT_FAILURE);
    }
}

static double sealed(int port)
{
    pthread_t thread;
    double seconds;

    open_side(1, port);
    open_side(0, port);
    pthread_create(&thread, NULL, run, &side[1]);
    run(&side[0]);
    pthread_join(thread, NULL);
    seconds = (double)(side[1].ended_ns - side[0].began_ns) / 1e9;
    for (int i = 0; i < 2; i++) {
        link_set_close(side[i].set);
        uv_walk(&side[i].loop, close_all, NULL);
        uv_run(&side[i].loop, UV_RUN_DEFAULT);
        uv_loop_close(&side[i].loop);
        free(side[i].set);
    }
    return (double)bytes / seconds;
}

/* ---- the cipher alone ---- */

static const uint8_t nonce[crypto_aead_chacha20poly1305_ietf_NPUBBYTES],
    key[crypto_aead_chacha20poly1305_ietf_KEYBYTES];

static void *seal_all(void *arg)
{
    static uint8_t out[BODY + NOISE_TAG];

    (void)arg;
    for (uint64_t done = 0; done < bytes; done += BODY)
        crypto_aead_chacha20poly1305_ietf_encrypt(out, NULL, body, BODY, NULL, 0, NULL, nonce, key);
    return NULL;
}

static void open_all(void)
{
    static uint8_t in[BODY + NOISE_TAG], out[BODY];

    crypto_aead_chacha20poly1305_ietf_encrypt(in, NULL, body, BODY, NULL, 0, NULL, nonce, key);
    for (uint64_t done = 0; done < bytes; done += BODY) {
        if (crypto_aead_chacha20poly1305_ietf_decrypt(out, NULL, NULL, in, sizeof(in), NULL, 0,
                                                      nonce, key) != 0)
            exit(EXIT_FAILURE);
    }
}

static double cipher(void)
{
    uint64_t began = uv_hrtime();
    pthread_t thread;

    pthread_create(&thread, NULL, seal_all, NULL);
    open_all();
    pthread_join(thread, NULL);
    return (double)bytes / ((double)(uv_hrtime() - began) / 1e9);
}

/* ---- plain: what any program does with a socket and a large buffer ---- */

static void *swallow(void *arg)
{
    static char into[256 << 10];
    int fd = *(int *)arg;

    while (read(fd, into, sizeof(into)) > 0)
        ;
    close(fd);
    return NULL;
}

static double plain(void)
{
    static char from[256 << 10];
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f090009)};
    int listener = socket(AF_INET, SOCK_STREAM, 0), out = socket(AF_INET, SOCK_STREAM, 0), in;
    socklen_t len = sizeof(at);
    uint64_t began;
    pthread_t thread;
    char byte;

    if (bind(listener, (struct sockaddr *)&at, len) != 0 || listen(listener, 1) != 0 ||
        getsockname(listener, (struct sockaddr *)&at, &len) != 0 ||
        connect(out, (struct sockaddr *)&at, len) != 0)
        exit(EXIT_FAILURE);
    in = accept(listener, NULL, NULL);
    pthread_create(&thread, NULL, swallow, &in);
    began = uv_hrtime();
    for (uint64_t sent = 0; sent < bytes;) {
        ssize_t n = write(out, from, sizeof(from));

        if (n <= 0)
            exit(EXIT_FAILURE);
        sent += (uint64_t)n;
    }
    shutdown(out, SHUT_WR);
    if (read(out, &byte, 1) != 0) /* All of it was read when the other side closes. */
        exit(EXIT_FAILURE);
    pthread_join(thread, NULL);
    close(out);
    close(listener);
    return (double)bytes / ((double)(uv_hrtime() - began) / 1e9);
}

struct waits {
    double worst, sum;
    size_t count;
};

static void add_waits(struct waits *w, const struct side *s)
{
    for (size_t k = 0; k < s->beats; k++) {
        double ms = (double)s->wait_ns[k] / 1e6;

        w->worst = ms > w->worst ? ms : w->worst;
        w->sum += ms;
        w->count++;
    }
}

static void print_waits(const char *what, const struct waits *w)
{
    printf("heartbeats %s bulk: %zu, mean %.2f ms, worst %.2f ms\n", what, w->count,
           w->count > 0 ? w->sum / (double)w->count : 0, w->worst);
}

static void print_rates(double *link, double *alone, double *tcp, int rounds)
{
    double a = median(link, rounds), c = median(alone, rounds), t = median(tcp, rounds);

    printf("sealed %.0f MB/s, plain TCP %.0f MB/s, ratio %.2f (medians of %d, %d MB each)\n",
           a / 1e6, t / 1e6, a / t, rounds, (int)(bytes >> 20));
    printf(
        "cipher alone, one thread seals and one opens: %.0f MB/s, ratio to plain TCP %.2f; sealed "
        "is %.2f of it\n",
        c / 1e6, c / t, a / c);
}

int main(int argc, char **argv)
{
    int rounds = argc > 1 ? atoi(argv[1]) : 5;
    double link[ROUNDS_MAX], alone[ROUNDS_MAX], tcp[ROUNDS_MAX];
    struct waits with = {0}, against = {0};
    unsigned renewed = 0;

    if (rounds < 1 || rounds > ROUNDS_MAX || (argc != 1 && argc != 2 && argc != 4) ||
        sodium_init() < 0)
        return 2;
    if (argc == 4) {
        bytes = (uint64_t)atoi(argv[2]) << 20;
        renew_ms = (uint64_t)atoi(argv[3]);
    }
    for (int i = 0; i < rounds; i++) {
        link[i] = sealed(30000 + getpid() % 10000 + i);
        alone[i] = renew_ms > 0 ? 0 : cipher();
        tcp[i] = renew_ms > 0 ? 0 : plain();
        add_waits(&with, &side[1]);
        add_waits(&against, &side[0]);
        renewed += side[0].renewed;
    }
    if (renew_ms == 0) {
        print_rates(link, alone, tcp, rounds);
        print_waits("behind", &with);
        return 0;
    }
    printf("sealed %.2f MB/s, %u successions\n", median(link, rounds) / 1e6, renewed);
    print_waits("beside", &with);
    print_waits("against", &against);
    return 0;
}
