/* What evdp and evbpf say as JSON. */
#ifndef EVDP_JSON_H
#define EVDP_JSON_H

#include <stddef.h>
#include <stdio.h>

/* "key":"name", of a name from the configuration: at most max bytes, up to a 0. */
void json_name(FILE *to, const char *key, const char *name, size_t max);

#endif
