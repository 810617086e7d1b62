/* An address that moves from host to host: put on the interface that leads to a place, announced to
 * its neighbours, taken off again.  Needs CAP_NET_ADMIN and CAP_NET_RAW. */
#ifndef EVREP_FLOATING_H
#define EVREP_FLOATING_H

#include "run.h"

/* All: 0 or a negative errno.  An address that is there already is no error. */
int floating_add(const struct run_ip *address, const struct run_ip *towards);
int floating_remove(const struct run_ip *address, const struct run_ip *towards);
/* Gratuitous ARP or an unsolicited neighbour advertisement (RFC 5227, RFC 4861 section 7.2.6): who
 * knows the other host's hardware address by that name learns ours. */
int floating_announce(const struct run_ip *address, const struct run_ip *towards);
/* Is it one of the network that leads there? */
bool floating_fits(const struct run_ip *address, const struct run_ip *towards);

#endif
