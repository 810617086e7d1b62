/* evdp.conf: wires, zones and rules, read, checked and compiled. */
#ifndef EVDP_CONFIG_H
#define EVDP_CONFIG_H

#include "rules.h"

enum evdp_mode { MODE_AUTO, MODE_NATIVE, MODE_GENERIC };

enum backend { BACKEND_AF_XDP, BACKEND_EBPF }; /* evdp, evbpf */

enum { QUEUES_MAX = 16 };

struct wire_config {
    char name[RULE_NAME_MAX], left[16], right[16];
};

struct evdp_config {
    char ring[64];
    uint8_t node;
    char pin[108];  /* Where the eBPF program's ring is: a file in a bpffs. */
    unsigned group; /* Of wires that name none. */
    enum evdp_mode mode;
    uint32_t rate_per_s;
    uint32_t queues;                    /* Of each interface; 0: as many as it has. */
    uint32_t sessions;                  /* Capacity of the table. */
    struct wire_config wire[WIRES_MAX]; /* rules.wire_count of them; their ends are rules.end. */
    struct rules rules;
    struct config_block *blocks; /* What the lists of the rules lie in. */
};

/* The wires are those of the backend that asks; evdp_config_load() is evdp's.  All of the file is
 * checked all the same, and an interface in two wires is an error whoever has them.
 * 0, or -1 with one line in err: file, line, what.  After 0 evdp_config_free() is due; the struct
 * must not be copied meanwhile, as little as its rules. */
int evdp_config_load(struct evdp_config *c, const char *path, char *err, size_t err_size);
int evdp_config_load_for(struct evdp_config *c, enum backend backend, const char *path, char *err,
                         size_t err_size);
void evdp_config_free(struct evdp_config *c);

/* 10.0.0.0/8, 2001:db8::/32, an address alone; bits beyond the length are cleared.  0 or -1. */
int prefix_parse(struct prefix *out, const char *text);

#endif
