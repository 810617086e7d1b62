#include "syslog_heard.h"

enum { TYPE_ALERT = 21, MAJOR = 3, MINOR_MAX = 4, ALERT_BYTES = 2, FATAL = 2 };

bool syslog_heard_tls(const uint8_t *at, size_t n)
{
    return n >= 6 && at[0] == TYPE_ALERT && at[1] == MAJOR && at[2] <= MINOR_MAX && at[3] == 0 &&
           at[4] == ALERT_BYTES && at[5] <= FATAL;
}
