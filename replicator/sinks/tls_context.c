#include "tls_context.h"
#include "own_file.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

static const char *last_error(void)
{
    unsigned long code = ERR_peek_last_error();
    const char *text = code != 0 ? ERR_reason_error_string(code) : NULL;

    return text != NULL ? text : "no reason given";
}

static int bad_file(const char *key, const char *path, char *err, size_t err_size)
{
    bool none = ERR_GET_REASON(ERR_peek_last_error()) == ERR_R_PEM_LIB;

    snprintf(err, err_size, "%s \"%.150s\" cannot be used: %s", key, path,
             none ? "it holds none in PEM" : last_error());
    return -1;
}

/* OpenSSL would ask at the terminal, and the loop would wait for the answer. */
static int no_passphrase(char *buf, int size, int rwflag, void *asked)
{
    (void)buf;
    (void)size;
    (void)rwflag;
    *(bool *)asked = true;
    return -1;
}

static int use_files(SSL_CTX *ctx, const struct sink_options *o, char *err, size_t err_size)
{
    bool asked = false;

    if (own_file_check("ca-file", o->ca_file, err, err_size) != 0 ||
        own_file_check("cert-file", o->cert_file, err, err_size) != 0 ||
        own_file_check("key-file", o->key_file, err, err_size) != 0)
        return -1;
    SSL_CTX_set_default_passwd_cb(ctx, no_passphrase);
    SSL_CTX_set_default_passwd_cb_userdata(ctx, &asked);
    if (o->ca_file == NULL)
        SSL_CTX_set_default_verify_paths(ctx);
    else if (SSL_CTX_load_verify_locations(ctx, o->ca_file, NULL) != 1)
        return bad_file("ca-file", o->ca_file, err, err_size);
    if (o->cert_file == NULL)
        return 0;
    if (SSL_CTX_use_certificate_chain_file(ctx, o->cert_file) != 1)
        return bad_file("cert-file", o->cert_file, err, err_size);
    if (SSL_CTX_use_PrivateKey_file(ctx, o->key_file, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_check_private_key(ctx) != 1) {
        bad_file("key-file", o->key_file, err, err_size);
        if (asked)
            snprintf(err, err_size, "key-file \"%s\" has a passphrase: store it without one",
                     o->key_file);
        return -1;
    }
    SSL_CTX_set_default_passwd_cb_userdata(ctx, NULL);
    return 0;
}

static bool is_address(const char *host)
{
    struct in6_addr a;

    return inet_pton(AF_INET, host, &a) == 1 || inet_pton(AF_INET6, host, &a) == 1;
}

static bool expect_name(SSL *ssl, const char *host)
{
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    if (is_address(host))
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1;
    return SSL_set1_host(ssl, host) == 1 && SSL_set_tlsext_host_name(ssl, host) == 1;
}

static bool connect_in_memory(SSL *ssl)
{
    BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());

    if (in == NULL || out == NULL) {
        BIO_free(in);
        BIO_free(out);
        return false;
    }
    SSL_set_bio(ssl, in, out);
    SSL_set_connect_state(ssl);
    return true;
}

static SSL_CTX *new_context(const struct sink_options *o, char *err, size_t err_size)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

    snprintf(err, err_size, "out of memory");
    if (ctx == NULL)
        return NULL;
    SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_verify(ctx, o->no_verify ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, NULL);
    if (use_files(ctx, o, err, err_size) == 0)
        return ctx;
    SSL_CTX_free(ctx);
    return NULL;
}

/* ---- which files they were ---- */

static void look_at_files(struct stat file[TLS_FILES], const struct sink_options *o)
{
    const char *const path[TLS_FILES] = {o->ca_file, o->cert_file, o->key_file};

    memset(file, 0, TLS_FILES * sizeof(file[0]));
    for (size_t i = 0; i < TLS_FILES; i++) {
        if (path[i] != NULL && stat(path[i], &file[i]) != 0)
            memset(&file[i], 0, sizeof(file[i]));
    }
}

static bool is_same(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_mode == b->st_mode && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
           a->st_mtim.tv_nsec == b->st_mtim.tv_nsec && a->st_ctim.tv_sec == b->st_ctim.tv_sec &&
           a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

/* The system's own authorities, which are many files, are looked for as they are needed. */
static bool is_current(const struct tls_context *c, const struct sink_options *o,
                       const struct stat file[TLS_FILES])
{
    for (size_t i = 0; i < TLS_FILES; i++) {
        if (!is_same(&c->file[i], &file[i]))
            return false;
    }
    return c->ctx != NULL && o->ca_file != NULL;
}

SSL *tls_client(struct tls_context *c, const struct sink_options *o, const char *host, char *err,
                size_t err_size)
{
    struct stat file[TLS_FILES];
    SSL *ssl;

    ERR_clear_error();
    look_at_files(file, o); /* Before they are read: what changes meanwhile is read again. */
    if (!is_current(c, o, file)) {
        SSL_CTX_free(c->ctx); /* A connection holds its own. */
        c->ctx = new_context(o, err, err_size);
        memcpy(c->file, file, sizeof(file));
    }
    if (c->ctx == NULL)
        return NULL;
    snprintf(err, err_size, "out of memory");
    ssl = SSL_new(c->ctx);
    if (ssl != NULL && (!expect_name(ssl, o->server_name != NULL ? o->server_name : host) ||
                        !connect_in_memory(ssl))) {
        SSL_free(ssl);
        ssl = NULL;
    }
    return ssl;
}

/* Of the last error that is not about its certificate. */
static void connection_reason(char *out, size_t size)
{
    static const char word[] = "alert ";
    unsigned long code = ERR_peek_last_error();
    const char *text = last_error(), *alert = strstr(text, word);

    if (ERR_GET_REASON(code) == SSL_R_WRONG_VERSION_NUMBER)
        snprintf(out, size, "does not answer in TLS");
    else if (ERR_GET_REASON(code) >= SSL_AD_REASON_OFFSET && alert != NULL)
        snprintf(out, size, "the collector refuses: %s", alert + strlen(word));
    else
        snprintf(out, size, "TLS: %s", text);
}

void tls_reason(const SSL *ssl, const char *host, char *out, size_t size)
{
    long verdict = SSL_get_verify_result(ssl);

    if (verdict == X509_V_OK || SSL_get_verify_mode(ssl) == SSL_VERIFY_NONE)
        connection_reason(out, size);
    else if (verdict == X509_V_ERR_HOSTNAME_MISMATCH || verdict == X509_V_ERR_IP_ADDRESS_MISMATCH)
        snprintf(out, size, "its certificate is refused: it is not for \"%s\"", host);
    else
        snprintf(out, size, "its certificate is refused: %s",
                 X509_verify_cert_error_string(verdict));
}
