/* Between the files that read evdp.conf. */
#ifndef EVDP_CONFIG_PARTS_H
#define EVDP_CONFIG_PARTS_H

#include "config.h"
#include "config_file.h"

#include <confuse.h>

#define MATCH_OPTS                                                                                 \
    CFG_STR_LIST("source", NULL, CFGF_NODEFAULT),                                                  \
        CFG_STR_LIST("destination", NULL, CFGF_NODEFAULT), CFG_STR("protocol", "any", CFGF_NONE),  \
        CFG_STR_LIST("ports", NULL, CFGF_NODEFAULT),                                               \
        CFG_STR_LIST("source-ports", NULL, CFGF_NODEFAULT),                                        \
        CFG_STR_LIST("applications", NULL, CFGF_NODEFAULT)

/* ---- config.c ---- */

/* The first error counts.  -1. */
int config_fail(cfg_t *cfg, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Zeroed memory that goes with the configuration; NULL after an error that was said. */
void *config_alloc(struct evdp_config *c, cfg_t *cfg, size_t count, size_t size);
int config_copy(cfg_t *cfg, const char *key, const char *value, char *out, size_t size);
int config_number(cfg_t *cfg, const char *key, long from, long to, uint32_t *out);
/* The index of a word in a list that ends with NULL; -1 after an error that was said. */
int config_word(cfg_t *cfg, const char *key, const char *value, const char *const *words);
int config_zone(const struct rules *r, cfg_t *cfg, const char *key, uint16_t *out);

/* ---- config_match.c ---- */

/* All of the sections are read, whether a rule names them or not. */
int config_addresses(cfg_t *cfg);
int config_applications(struct evdp_config *c, cfg_t *cfg);
/* The match of a policy, term or NAT rule; `top` has the address books and applications. */
int config_match(struct evdp_config *c, cfg_t *top, cfg_t *at, struct match *out);
int config_prefixes(struct evdp_config *c, cfg_t *top, cfg_t *at, const char *key,
                    const struct prefix **out, uint32_t *count);
/* What address families a list, a match leave: 1 << FAMILY_V4 | 1 << FAMILY_V6; none: 0. */
unsigned config_families_of(const struct prefix *list, uint32_t count);
unsigned config_families(const struct match *m);
int config_port_range(cfg_t *at, const char *key, const char *text, struct port_range *out);

/* ---- config_rules.c ---- */

int config_zones(struct rules *r, cfg_t *cfg);
int config_policies(struct evdp_config *c, cfg_t *cfg);
int config_filters(struct evdp_config *c, cfg_t *cfg);
int config_nats(struct evdp_config *c, cfg_t *cfg);

extern cfg_opt_t config_zone_opts[], config_policy_opts[], config_filter_opts[], config_nat_opts[],
    config_address_opts[], config_application_opts[];

#endif
