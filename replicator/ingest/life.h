/* Which life of a helper a connection is of. */
#ifndef EVREP_INGEST_LIFE_H
#define EVREP_INGEST_LIFE_H

#include <stdint.h>
#include <sys/socket.h>

/* fd: a unix connection, who: its peer, as SO_PEERCRED tells.  The same for each connection of one
 * process and for no other one's as long as this machine runs; 0: it cannot be told. */
uint64_t life_of(int fd, const struct ucred *who);
/* CLOCK_BOOTTIME when a process began, or up to a clock tick before; 0: it cannot be told. */
uint64_t life_began_ns(const struct ucred *who);

#endif
