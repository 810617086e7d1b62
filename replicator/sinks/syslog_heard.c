#include "syslog_heard.h"

#include <stdio.h>

enum { TYPE_ALERT = 21, MAJOR = 3, MINOR_MAX = 4, ALERT_BYTES = 2, FATAL = 2 };
enum { WORDS_MAX = 60 };

bool syslog_heard_tls(const uint8_t *at, size_t n)
{
    return n >= 6 && at[0] == TYPE_ALERT && at[1] == MAJOR && at[2] <= MINOR_MAX && at[3] == 0 &&
           at[4] == ALERT_BYTES && at[5] <= FATAL;
}

void syslog_heard_words(const uint8_t *at, size_t n, char out[SYSLOG_HEARD_MAX])
{
    size_t len = 0;

    while (len < n && len < WORDS_MAX && at[len] != '\r' && at[len] != '\n' && at[len] != '\0')
        len++;
    snprintf(out, SYSLOG_HEARD_MAX,
             "says \"%.*s\", which no collector of syslog does: check 'address'", (int)len,
             (const char *)at);
}
