/* D1b: a TCP connection taken up where another host left it (TCP_REPAIR, linux/tcp.h).  Needs
 * CAP_NET_ADMIN. */
#ifndef EVREP_REPAIR_H
#define EVREP_REPAIR_H

#include "run.h"

#include <sys/socket.h>

/* 0, or -1: not permitted. */
int repair_possible(void);
/* Of an open connection that was given no byte yet.  0 or -1. */
int repair_read(int fd, struct run_tcp *out);
/* Its time stamp as of now, or 0. */
uint32_t repair_stamp(int fd);

/* The connection again, `offset` bytes on, with `queue` as sent and not acknowledged.  `stamp`: at
 * or above every time stamp that it ever sent.  It is silent until repair_speak().  The address
 * need not be on this host yet: so no packet finds the one without the other.  fd, or -1. */
int repair_revive(const struct run_tcp *t, uint64_t offset, uint32_t stamp, const uint8_t *queue,
                  size_t len);
/* Asks the other side at once what it has.  0 or -1. */
int repair_speak(int fd);
/* Has it answered?  *acked: bytes of the queue that it has.  1, 0: not yet, -errno: no more. */
int repair_heard(int fd, uint64_t len, uint64_t *acked);
/* Ends it without a packet: the other side sees nothing. */
void repair_drop(int fd);

socklen_t repair_address(const struct run_ip *ip, uint16_t port, struct sockaddr_storage *out);

#endif
