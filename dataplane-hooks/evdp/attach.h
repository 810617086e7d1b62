/* Attaching an XDP program to an interface, for evdp and evbpf: one interface, one program, so that
 * one of them is the source of its decisions. */
#ifndef EVDP_ATTACH_H
#define EVDP_ATTACH_H

#include "xsk.h"

/* p: name and ifindex; its link goes with the process.  Native or generic as asked and as can be;
 * jumbo frames cannot.  rx-vlan-offload is switched off where the driver lets it.
 * 0, or -1 with one line in err: who decides there already, when that is so. */
int attach_port(struct port *p, enum evdp_mode mode, int program, char *err, size_t err_size);

/* The interface was removed, or is in another network namespace now. */
bool port_is_lost(const struct port *p);

/* libbpf and libxdp say nothing by themselves. */
void attach_quietly(void);

#endif
