/* A collector of syslog says nothing.  What comes all the same tells what is there. */
#ifndef EVREP_SYSLOG_HEARD_H
#define EVREP_SYSLOG_HEARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The alert that a server sends who was not spoken to in TLS: RFC 8446 section 5.1 and 6. */
#define SYSLOG_HEARD_TLS                                                                           \
    "answers with a TLS alert: this port speaks TLS, and nothing that was sent there counts: set " \
    "'transport = tls', or another port"

bool syslog_heard_tls(const uint8_t *at, size_t n);

enum { SYSLOG_HEARD_MAX = 160 };

/* The first line of what else came, up to 60 bytes of it as they are, and what that tells. */
void syslog_heard_words(const uint8_t *at, size_t n, char out[SYSLOG_HEARD_MAX]);

#endif
