/* Prometheus' text format, of a node's present state. */
#ifndef EVREP_METRICS_H
#define EVREP_METRICS_H

#include "histogram.h"

#include <stddef.h>
#include <stdio.h>

struct shell;

/* Serves GET /metrics at config->metrics, when there is one.  0, or -1 with one line in err. */
int metrics_open(struct shell *s, char *err, size_t err_size);
void metrics_close(struct shell *s);

/* metrics_text.c */
char *metrics_text(struct shell *s, size_t *len); /* free() it; NULL: no memory. */

#endif
