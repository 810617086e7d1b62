#ifndef EVREP_TCP_ACKED_H
#define EVREP_TCP_ACKED_H

#include <stdint.h>

/* How many bytes of a connection the other side's TCP stack has acknowledged.  0 or -1. */
int tcp_acked(int fd, uint64_t *bytes);

#endif
