/* links: evrep_sinks */
/* A TLS sink and a server that asks for more than it reads. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sink.h"

enum { UPDATES_MAX = 50000, SMALL = 4096, FDS_MAX = 64 };

static int listener;
static char address[32];
static struct sockaddr_in where;

static SSL_CTX *server_context(void)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *x = X509_new();

    X509_gmtime_adj(X509_getm_notBefore(x), 0);
    X509_gmtime_adj(X509_getm_notAfter(x), 3600);
    X509_set_pubkey(x, key);
    assert_true(X509_sign(x, key, EVP_sha256()) > 0);
    SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION);
    assert_int_equal(SSL_CTX_use_certificate(ctx, x), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(ctx, key), 1);
    X509_free(x);
    EVP_PKEY_free(key);
    return ctx;
}

static int setup(void **state)
{
    static const int small = SMALL;
    socklen_t len = sizeof(where);

    (void)state;
    signal(SIGPIPE, SIG_IGN);
    where = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    listener = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
    assert_int_equal(bind(listener, (struct sockaddr *)&where, sizeof(where)), 0);
    assert_int_equal(listen(listener, 4), 0);
    getsockname(listener, (struct sockaddr *)&where, &len);
    snprintf(address, sizeof(address), "127.0.0.1:%u", ntohs(where.sin_port));
    return 0;
}

/* Each update asks for one, which is never read. */
static void serve_one(SSL_CTX *ctx, int fd)
{
    SSL *ssl = SSL_new(ctx);

    SSL_set_fd(ssl, fd);
    if (SSL_accept(ssl) == 1) {
        for (int i = 0; i < UPDATES_MAX && SSL_key_update(ssl, SSL_KEY_UPDATE_REQUESTED) == 1 &&
                        SSL_do_handshake(ssl) == 1;
             i++)
            ;
    }
    SSL_free(ssl);
    close(fd);
}

static void serve(void *ctx)
{
    int fd;

    while ((fd = accept(listener, NULL, NULL)) >= 0)
        serve_one(ctx, fd);
}

/* The sink's end, so that not much fits the kernel. */
static void shrink_send_buffer(void)
{
    static const int small = SMALL;

    for (int fd = 3; fd < FDS_MAX; fd++) {
        struct sockaddr_in a;
        socklen_t len = sizeof(a);

        if (getpeername(fd, (struct sockaddr *)&a, &len) == 0 && a.sin_port == where.sin_port)
            setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
    }
}

static size_t on_pull(void *ctx, struct sink_item *items, size_t max, size_t max_bytes)
{
    (void)ctx;
    (void)items;
    (void)max;
    (void)max_bytes;
    return 0;
}

static void on_lost(void *ctx, bool certain_none)
{
    (void)ctx;
    (void)certain_none;
}

static void on_up(void *ctx, bool quiet)
{
    (void)ctx;
    (void)quiet;
    shrink_send_buffer();
}

static void on_said(void *ctx, const char *why)
{
    snprintf(ctx, SINK_ERROR_MAX, "%s", why);
}

static void who_asks_without_reading_is_left(void **state)
{
    static char why[SINK_ERROR_MAX];
    static uv_loop_t loop;
    struct sink_host calls = {.ctx = why,
                              .pull = on_pull,
                              .lost = on_lost,
                              .up = on_up,
                              .down = on_said,
                              .warn = on_said};
    struct sink_options o = {.name = "t",
                             .type = "syslog",
                             .transport = "tls",
                             .address = address,
                             .no_verify = true,
                             .window = 16};
    SSL_CTX *ctx = server_context();
    uv_thread_t server;
    struct sink *s;
    char err[256];

    (void)state;
    uv_thread_create(&server, serve, ctx);
    uv_loop_init(&loop);
    assert_int_equal(sink_open(&s, &loop, &o, &calls, err, sizeof(err)), 0);
    /* On a busy machine a handshake may take too long at first. */
    while (strstr(why, "closed") == NULL && strstr(why, "asks for more than it reads") == NULL)
        uv_run(&loop, UV_RUN_ONCE);
    shutdown(listener, SHUT_RDWR);
    uv_run(&loop, UV_RUN_NOWAIT); /* The connection is closed. */
    uv_thread_join(&server);
    assert_null(strstr(why, "closed"));
    SSL_CTX_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(who_asks_without_reading_is_left, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
