/* OpenSSL as a sink needs it: a client that verifies. */
#ifndef EVREP_SINK_TLS_CONTEXT_H
#define EVREP_SINK_TLS_CONTEXT_H

#include "sink.h"

#include <openssl/ssl.h>
#include <sys/stat.h>

enum { TLS_FILES = 3 };

/* What was read of our files, and which they were: a bundle of authorities takes the loop's time,
 * so it is read again only once it is another one. */
struct tls_context {
    SSL_CTX *ctx; /* NULL: nothing. */
    struct stat file[TLS_FILES];
};

/* For one connection, so that renewed files count from the next one on.  Its BIOs are in memory.
 * NULL, with one line in err.  host: whose name the certificate has to have, unless the options
 * name another. */
SSL *tls_client(struct tls_context *c, const struct sink_options *o, const char *host, char *err,
                size_t err_size);
/* What OpenSSL's last error on this connection means, in words. */
void tls_reason(const SSL *ssl, const char *host, char *out, size_t size);

#endif
