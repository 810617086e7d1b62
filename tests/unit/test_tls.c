/* links: evrep_sinks */
/* A TLS sink and servers that ask for more than they read, or speak what is too old; a file of its
 * own that is not there. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sink.h"

enum { UPDATES_MAX = 50000, SMALL = 4096, FDS_MAX = 64 };

static int listener;
static char address[32];
static struct sockaddr_in where;

static SSL_CTX *server_context(int oldest, int newest)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *x = X509_new();
    X509_NAME *name = X509_get_subject_name(x);

    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const uint8_t *)"localhost", -1, -1, 0);
    X509_set_issuer_name(x, name);
    X509_gmtime_adj(X509_getm_notBefore(x), 0);
    X509_gmtime_adj(X509_getm_notAfter(x), 3600);
    X509_set_pubkey(x, key);
    assert_true(X509_sign(x, key, EVP_sha256()) > 0);
    SSL_CTX_set_security_level(ctx, 0); /* Else OpenSSL itself does without the old ones. */
    SSL_CTX_set_min_proto_version(ctx, oldest);
    SSL_CTX_set_max_proto_version(ctx, newest);
    assert_int_equal(SSL_CTX_use_certificate(ctx, x), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(ctx, key), 1);
    X509_free(x);
    EVP_PKEY_free(key);
    return ctx;
}

/* Its port is taken, and nobody listens there. */
static int setup_deaf(void **state)
{
    static const int small = SMALL;
    socklen_t len = sizeof(where);

    (void)state;
    signal(SIGPIPE, SIG_IGN);
    where = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    listener = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
    assert_int_equal(bind(listener, (struct sockaddr *)&where, sizeof(where)), 0);
    getsockname(listener, (struct sockaddr *)&where, &len);
    snprintf(address, sizeof(address), "127.0.0.1:%u", ntohs(where.sin_port));
    return 0;
}

static int setup(void **state)
{
    setup_deaf(state);
    assert_int_equal(listen(listener, 4), 0);
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
    SSL_CTX *ctx = server_context(TLS1_3_VERSION, TLS1_3_VERSION);
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

/* ---- versions ---- */

enum { MEETINGS_MAX = 8 };

static int met; /* With which version; 0: it refused. */
static struct {
    uv_loop_t loop;
    struct sink *sink;
} meeting[MEETINGS_MAX]; /* They stay, as in a daemon. */
static size_t meeting_count;

static void serve_version(void *arg)
{
    int fd = accept(listener, NULL, NULL);
    SSL *ssl = SSL_new(arg);

    SSL_set_fd(ssl, fd);
    met = SSL_accept(ssl) == 1 ? SSL_version(ssl) : 0;
    SSL_free(ssl);
    close(fd);
}

static void ignore_up(void *ctx, bool quiet)
{
    (void)ctx;
    (void)quiet;
}

/* The version in which it speaks to a server that has none but these. */
static int meets(int oldest, int newest)
{
    char why[SINK_ERROR_MAX] = "", err[256];
    uv_loop_t *loop = &meeting[meeting_count].loop;
    struct sink_host calls = {.ctx = why,
                              .pull = on_pull,
                              .lost = on_lost,
                              .up = ignore_up,
                              .down = on_said,
                              .warn = on_said};
    struct sink_options o = {.name = "t",
                             .type = "syslog",
                             .transport = "tls",
                             .address = address,
                             .no_verify = true,
                             .window = 16};
    SSL_CTX *ctx = server_context(oldest, newest);
    uv_thread_t server;

    uv_thread_create(&server, serve_version, ctx);
    uv_loop_init(loop);
    assert_int_equal(sink_open(&meeting[meeting_count++].sink, loop, &o, &calls, err, sizeof(err)),
                     0);
    while (why[0] == '\0') /* The server closes at the latest. */
        uv_run(loop, UV_RUN_ONCE);
    uv_thread_join(&server);
    SSL_CTX_free(ctx);
    return met;
}

/* Whatever the system's own settings allow: the sink itself asks for 1.2 at the least. */
static void versions_before_1_2_are_refused(void **state)
{
    (void)state;
    setenv("OPENSSL_CONF", "/dev/null", 1);
    assert_int_equal(meets(TLS1_VERSION, TLS1_1_VERSION), 0);
    assert_int_equal(meets(TLS1_VERSION, TLS1_2_VERSION), TLS1_2_VERSION);
    assert_int_equal(meets(TLS1_VERSION, TLS1_3_VERSION), TLS1_3_VERSION);
}

/* ---- files ---- */

static bool was_up;

static void note_up(void *ctx, bool quiet)
{
    (void)ctx;
    (void)quiet;
    was_up = true;
}

static void until_said(uv_loop_t *loop, char *why, const char *text)
{
    while (strstr(why, text) == NULL)
        uv_run(loop, UV_RUN_ONCE);
}

static void write_certificate(SSL_CTX *ctx, const char *path)
{
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    assert_int_equal(PEM_write_X509(f, SSL_CTX_get0_certificate(ctx)), 1);
    fclose(f);
}

/* Whoever waits for the collector learns too late that its certificate cannot be judged. */
static void a_missing_file_is_said_before_anybody_answers(void **state)
{
    static char why[SINK_ERROR_MAX], path[] = "/tmp/evrep-test-tls-XXXXXX";
    static uv_loop_t loop;
    struct sink_host calls = {.ctx = why,
                              .pull = on_pull,
                              .lost = on_lost,
                              .up = note_up,
                              .down = on_said,
                              .warn = on_said};
    struct sink_options o = {.name = "t",
                             .type = "syslog",
                             .transport = "tls",
                             .address = address,
                             .server_name = "localhost",
                             .ca_file = path,
                             .window = 16};
    SSL_CTX *ctx = server_context(TLS1_2_VERSION, TLS1_2_VERSION);
    SSL_CTX *other = server_context(TLS1_2_VERSION, TLS1_2_VERSION);
    uv_thread_t server;
    struct sink *s;
    char err[256], want[256];

    (void)state;
    close(mkstemp(path));
    unlink(path);
    uv_loop_init(&loop);
    assert_int_equal(sink_open(&s, &loop, &o, &calls, err, sizeof(err)), 0);
    while (why[0] == '\0')
        uv_run(&loop, UV_RUN_ONCE);
    snprintf(want, sizeof(want), "ca-file \"%s\" cannot be used: No such file or directory", path);
    assert_string_equal(why, want);
    assert_int_equal(mkfifo(path, 0600), 0); /* Whoever opens it waits for a writer. */
    until_said(&loop, why, "it is no regular file");
    unlink(path);
    write_certificate(other, path);
    until_said(&loop, why, "refused"); /* Nobody listens, and that is all that is wrong now. */
    assert_int_equal(listen(listener, 4), 0);
    uv_thread_create(&server, serve_version, ctx);
    until_said(&loop, why, "its certificate is refused");
    uv_thread_join(&server);
    write_certificate(ctx, path); /* Renewed, under the same name. */
    uv_thread_create(&server, serve_version, ctx);
    while (!was_up)
        uv_run(&loop, UV_RUN_ONCE);
    uv_thread_join(&server);
    unlink(path);
    SSL_CTX_free(other);
    SSL_CTX_free(ctx);
}

/* ---- a verdict that is late ---- */

enum { LATE_RECORDS = 4, LATE_BYTES = 1000 };

static size_t late_given, late_confirmed;

static size_t late_pull(void *ctx, struct sink_item *items, size_t max, size_t max_bytes)
{
    static uint8_t bytes[LATE_BYTES];
    size_t n = late_given == 0 && max >= LATE_RECORDS ? LATE_RECORDS : 0;

    (void)ctx;
    (void)max_bytes;
    memset(bytes, 'x', sizeof(bytes));
    for (size_t i = 0; i < n; i++)
        items[i] = (struct sink_item){.position = i + 1, .bytes = bytes, .len = sizeof(bytes)};
    late_given += n;
    return n;
}

static void late_confirm(void *ctx, size_t n)
{
    (void)ctx;
    late_confirmed += n;
}

/* Wants a certificate, and looks for it only when records lie behind where it should be: what the
 * handshake reads is handed to it, as the socket could have the answer at once. */
static void serve_late(void *arg)
{
    static uint8_t bytes[2 * LATE_RECORDS * LATE_BYTES];
    int fd = accept(listener, NULL, NULL), here = 0;
    BIO *in = BIO_new(BIO_s_mem());
    SSL *ssl = SSL_new(arg);

    SSL_set_verify(ssl, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    SSL_set_bio(ssl, in, BIO_new_socket(fd, BIO_NOCLOSE));
    BIO_write(in, bytes, (int)recv(fd, bytes, sizeof(bytes), 0));
    assert_int_equal(SSL_accept(ssl), -1); /* It waits for the other side. */
    while (ioctl(fd, FIONREAD, &here) == 0 && here < LATE_RECORDS * LATE_BYTES)
        usleep(1000);
    BIO_write(in, bytes, (int)recv(fd, bytes, sizeof(bytes), 0));
    met = SSL_accept(ssl);
    shutdown(fd, SHUT_WR);
    while (recv(fd, bytes, sizeof(bytes), 0) > 0)
        ;
    SSL_free(ssl);
    close(fd);
}

/* Its TCP stack has acknowledged them, and nobody has read them. */
static void what_went_before_a_refusal_does_not_count(void **state)
{
    static const int room = 1 << 16;
    static char why[SINK_ERROR_MAX];
    static uv_loop_t loop;
    struct sink_host calls = {.ctx = why,
                              .pull = late_pull,
                              .confirmed = late_confirm,
                              .lost = on_lost,
                              .up = ignore_up,
                              .down = on_said,
                              .warn = on_said};
    struct sink_options o = {.name = "t",
                             .type = "syslog",
                             .transport = "tls",
                             .address = address,
                             .no_verify = true,
                             .window = 16};
    SSL_CTX *ctx = server_context(TLS1_3_VERSION, TLS1_3_VERSION);
    uv_thread_t server;
    struct sink *s;
    char err[256];

    (void)state;
    setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
    uv_thread_create(&server, serve_late, ctx);
    uv_loop_init(&loop);
    assert_int_equal(sink_open(&s, &loop, &o, &calls, err, sizeof(err)), 0);
    while (why[0] == '\0')
        uv_run(&loop, UV_RUN_ONCE);
    uv_run(&loop, UV_RUN_NOWAIT); /* The connection is closed. */
    uv_thread_join(&server);
    assert_non_null(strstr(why, "the collector refuses: certificate required"));
    assert_int_equal(late_given, LATE_RECORDS);
    assert_int_equal(late_confirmed, 0);
    SSL_CTX_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_missing_file_is_said_before_anybody_answers, setup_deaf),
        cmocka_unit_test_setup(what_went_before_a_refusal_does_not_count, setup),
        cmocka_unit_test_setup(versions_before_1_2_are_refused, setup),
        cmocka_unit_test_setup(who_asks_without_reading_is_left, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
