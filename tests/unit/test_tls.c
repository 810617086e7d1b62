/* links: test_sink_host */
/* A TLS sink and servers that ask for more than they read, or speak what is too old; a file of its
 * own that is not there. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <netinet/in.h>
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

#include "sink_host.h"

enum { UPDATES_MAX = 50000, SMALL = 4096, FDS_MAX = 64, HOSTS_MAX = 8 };

static struct port port;
static struct test_host host[HOSTS_MAX];
static size_t host_count;

/* It asks nobody who he is. */
static struct sink_options options(void)
{
    return (struct sink_options){.name = "t",
                                 .type = "syslog",
                                 .transport = "tls",
                                 .address = port.address,
                                 .no_verify = true,
                                 .window = 16};
}

static struct test_host *new_host(void)
{
    assert_true(host_count < HOSTS_MAX);
    host_init(&host[host_count]);
    return &host[host_count++];
}

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

    (void)state;
    signal(SIGPIPE, SIG_IGN);
    port_take(&port, SOCK_STREAM);
    setsockopt(port.fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
    return 0;
}

static int setup(void **state)
{
    setup_deaf(state);
    assert_int_equal(listen(port.fd, 4), 0);
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

    while ((fd = accept(port.fd, NULL, NULL)) >= 0)
        serve_one(ctx, fd);
}

/* The sink's end, so that not much fits the kernel. */
static void shrink_send_buffer(void)
{
    static const int small = SMALL;

    for (int fd = 3; fd < FDS_MAX; fd++) {
        struct sockaddr_in a;
        socklen_t len = sizeof(a);

        if (getpeername(fd, (struct sockaddr *)&a, &len) == 0 && ntohs(a.sin_port) == port.number)
            setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
    }
}

static void shrink_once_up(void *ctx, bool quiet)
{
    (void)ctx;
    (void)quiet;
    shrink_send_buffer();
}

static void who_asks_without_reading_is_left(void **state)
{
    struct sink_options o = options();
    struct test_host *h = new_host();
    SSL_CTX *ctx = server_context(TLS1_3_VERSION, TLS1_3_VERSION);
    uv_thread_t server;

    (void)state;
    h->calls.up = shrink_once_up;
    uv_thread_create(&server, serve, ctx);
    host_open(h, &o);
    /* On a busy machine a handshake may take too long at first. */
    while (strstr(h->said, "closed") == NULL &&
           strstr(h->said, "asks for more than it reads") == NULL)
        uv_run(&h->loop, UV_RUN_ONCE);
    shutdown(port.fd, SHUT_RDWR);
    uv_run(&h->loop, UV_RUN_NOWAIT); /* The connection is closed. */
    uv_thread_join(&server);
    assert_null(strstr(h->said, "closed"));
    SSL_CTX_free(ctx);
}

/* ---- versions ---- */

static int met; /* With which version; 0: it refused. */

static void serve_version(void *arg)
{
    int fd = accept(port.fd, NULL, NULL);
    SSL *ssl = SSL_new(arg);

    SSL_set_fd(ssl, fd);
    met = SSL_accept(ssl) == 1 ? SSL_version(ssl) : 0;
    SSL_free(ssl);
    close(fd);
}

/* The version in which it speaks to a server that has none but these. */
static int meets(int oldest, int newest)
{
    struct sink_options o = options();
    struct test_host *h = new_host();
    SSL_CTX *ctx = server_context(oldest, newest);
    uv_thread_t server;

    uv_thread_create(&server, serve_version, ctx);
    host_open(h, &o);
    host_run_until_said(h, ""); /* The server closes at the latest. */
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
    static char path[] = "/tmp/evrep-test-tls-XXXXXX";
    struct sink_options o = options();
    struct test_host *h = new_host();
    SSL_CTX *ctx = server_context(TLS1_2_VERSION, TLS1_2_VERSION);
    SSL_CTX *other = server_context(TLS1_2_VERSION, TLS1_2_VERSION);
    uv_thread_t server;
    char want[256];

    (void)state;
    close(mkstemp(path));
    unlink(path);
    o.no_verify = false;
    o.server_name = "localhost";
    o.ca_file = path;
    host_open(h, &o);
    host_run_until_said(h, "");
    snprintf(want, sizeof(want), "ca-file \"%s\" cannot be used: No such file or directory", path);
    assert_string_equal(h->said, want);
    assert_int_equal(mkfifo(path, 0600), 0); /* Whoever opens it waits for a writer. */
    host_run_until_said(h, "it is no regular file");
    unlink(path);
    write_certificate(other, path);
    host_run_until_said(h, "refused"); /* Nobody listens, and that is all that is wrong now. */
    assert_int_equal(listen(port.fd, 4), 0);
    uv_thread_create(&server, serve_version, ctx);
    host_run_until_said(h, "its certificate is refused");
    uv_thread_join(&server);
    write_certificate(ctx, path); /* Renewed, under the same name. */
    uv_thread_create(&server, serve_version, ctx);
    host_run_until_up(h);
    uv_thread_join(&server);
    unlink(path);
    SSL_CTX_free(other);
    SSL_CTX_free(ctx);
}

/* ---- a verdict that is late ---- */

enum { LATE_RECORDS = 4, LATE_BYTES = 1000 };

/* Wants a certificate, and looks for it only when records lie behind where it should be: what the
 * handshake reads is handed to it, as the socket could have the answer at once. */
static void serve_late(void *arg)
{
    static uint8_t bytes[2 * LATE_RECORDS * LATE_BYTES];
    int fd = accept(port.fd, NULL, NULL), here = 0;
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
    static const uint8_t record[LATE_BYTES];
    struct sink_options o = options();
    struct test_host *h = new_host();
    SSL_CTX *ctx = server_context(TLS1_3_VERSION, TLS1_3_VERSION);
    uv_thread_t server;

    (void)state;
    h->record = record;
    h->record_len = sizeof(record);
    h->give = LATE_RECORDS;
    setsockopt(port.fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
    uv_thread_create(&server, serve_late, ctx);
    host_open(h, &o);
    host_run_until_said(h, "");
    uv_run(&h->loop, UV_RUN_NOWAIT); /* The connection is closed. */
    uv_thread_join(&server);
    assert_non_null(strstr(h->said, "the collector refuses: certificate required"));
    assert_int_equal(h->pulled, LATE_RECORDS);
    assert_int_equal(h->confirmed, 0);
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
