/* The eBPF program with its maps: made of a configuration, pinned, attached. */
#ifndef EVBPF_PROGRAM_H
#define EVBPF_PROGRAM_H

#include "config.h"
#include "layout.h"
#include "xsk.h"

struct evbpf;

/* The pin is this process's until it ends.  A descriptor, or -1 with one line in err. */
int program_lock(const char *pin, char *err, size_t err_size);

struct program_shared {         /* By a program and the one that takes its place. */
    uint32_t names;             /* Generation of the name tables. */
    int active;                 /* activity.h */
    const struct evbpf *before; /* Whose fragments it remembers; NULL: nobody's. */
};

/* Loads the program for these ends (name, ifindex; 0: not there now), its rules in its tables, its
 * pinned maps those that are there already or new ones.  Nothing that others see is changed yet.
 * 0, or -1 with one line in err. */
int program_open(struct evbpf **out, const struct evdp_config *c, const struct ports *p,
                 const struct program_shared *s, char *err, size_t err_size);
void program_close(struct evbpf *b);

/* Every end gets the program; one that has it already, this one instead, between two frames. */
int program_attach(struct evbpf *b, struct ports *p, enum evdp_mode mode, char *err,
                   size_t err_size);
/* Once it decides: what evrepd and --stats go by is that of this program. */
int program_publish(struct evbpf *b, const struct evdp_config *c, uint32_t names, char *err,
                    size_t err_size);

/* One JSON object of what is counted in the pinned maps.  0, or -1 with one line in err. */
int program_show(const struct evdp_config *c, char *err, size_t err_size);

#endif
