#ifndef EVREP_TCP_ACKED_H
#define EVREP_TCP_ACKED_H

#include <stdbool.h>
#include <stdint.h>

struct tcp_progress {
    uint64_t acked; /* Bytes that the other side's TCP stack has acknowledged. */
    bool established;
    bool given_up; /* Retransmitted in vain for half a minute: nobody is there. */
};

/* 0 or -1. */
int tcp_progress(int fd, struct tcp_progress *out);
/* Bytes that the kernel was ever given, by one moment's two counts.  0 or -1. */
int tcp_written(int fd, uint64_t *written);

#endif
