/* Whether what a stream acknowledges stays there, as it is configured.  Pure. */
#ifndef EVREP_JETSTREAM_CONFIG_H
#define EVREP_JETSTREAM_CONFIG_H

#include "jetstream_place.h"

/* Of a stream that may remove messages: fewer could go before their acknowledgement is here, or
 * before it is asked about them (D1), and nothing would tell of it. */
enum {
    JETSTREAM_LEAST_MESSAGES = 16384, /* In flight of both origins. */
    JETSTREAM_LEAST_BYTES = 1 << 24,
    JETSTREAM_LEAST_AGE_S = 120,
};

/* 0, or -1 with one line in err: it cannot be used. */
int jetstream_config_check(const struct jetstream_place *p, const jsStreamConfig *c,
                           char err[JETSTREAM_ERROR_MAX]);
/* Fills p->note: what is the operator's to decide, and to know. */
void jetstream_config_note(struct jetstream_place *p, const jsStreamConfig *c);

#endif
