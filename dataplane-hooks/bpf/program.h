/* The eBPF program with its maps: made of a configuration, pinned, attached. */
#ifndef EVBPF_PROGRAM_H
#define EVBPF_PROGRAM_H

#include "config.h"
#include "layout.h"
#include "xsk.h"

struct evbpf;

/* Loads the program for these ends (name, ifindex), its rules in its tables, its pinned maps those
 * that are there already or new ones.  names: generation of the name tables.  0, or -1 with one
 * line in err. */
int program_open(struct evbpf **out, const struct evdp_config *c, const struct ports *p,
                 uint32_t names, char *err, size_t err_size);
void program_close(struct evbpf *b);

/* Every end gets the program; one that has it already, this one instead, between two frames. */
int program_attach(struct evbpf *b, struct ports *p, enum evdp_mode mode, char *err,
                   size_t err_size);
/* Until when the group is active here (CLOCK_MONOTONIC, ns). */
void program_activate(struct evbpf *b, uint32_t group, uint64_t until_ns);

/* One JSON object of what is counted in the pinned maps.  0, or -1 with one line in err. */
int program_show(const struct evdp_config *c, char *err, size_t err_size);

#endif
