/* evdp.conf: one wire, its zones and rules. */
#ifndef EVDP_CONFIG_H
#define EVDP_CONFIG_H

#include "rules.h"

enum evdp_mode { MODE_AUTO, MODE_NATIVE, MODE_GENERIC };

struct evdp_config {
    char ring[64], left[16], right[16];
    uint8_t node;
    unsigned group;
    enum evdp_mode mode;
    uint32_t rate_per_s;
    uint16_t left_zone, right_zone;
    struct rules rules;
};

/* 0, or -1 with one line in err: file, line, what. */
int evdp_config_load(struct evdp_config *c, const char *path, char *err, size_t err_size);

#endif
