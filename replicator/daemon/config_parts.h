/* What the readers of configuration sections share: a value, checked, or the line that says what is
 * wrong with it, by file and line. */
#ifndef EVREP_CONFIG_PARTS_H
#define EVREP_CONFIG_PARTS_H

#include <confuse.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct config;

/* Says it, unless something was said already.  Always -1. */
/* By the line of the option that the text names first in '', else of the section. */
int config_fail(cfg_t *cfg, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* line: 0: of the file as a whole. */
int config_fail_at(cfg_t *cfg, int line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* A text that has to be there and to fit with its final zero.  0 or -1. */
int config_copy(cfg_t *cfg, const char *key, const char *value, char *out, size_t size);
/* The number at `key`, min and max inclusive.  0 or -1. */
int config_number(cfg_t *cfg, const char *key, long min, long max, uint64_t *out);
/* The index of a word in a list that ends with NULL, or -1. */
int config_word(cfg_t *cfg, const char *key, const char *value, const char *const *words);

/* config_lines.c: before the options are used; refuses what is given twice. */
void config_lines_watch(cfg_opt_t *opts);
int config_line(const cfg_t *section, const char *text);

/* config_values.c.  All int ones 0 or -1. */
/* ADDRESS:PORT or [ADDRESS]:PORT; ip: no host name. */
int config_address(cfg_t *cfg, const char *key, const char *value, bool ip, char *out, size_t size);
/* Two paths, as far as can be seen now. */
bool config_same_file(const char *a, const char *b);
/* b is a name that file_rotate.h gives older files of a. */
bool config_is_numbered(const char *a, const char *b);
/* Where a socket is to be made: its folder is there, and nothing else is in its place. */
int config_socket(cfg_t *cfg, const char *key, const char *path);
/* Empty where it is not given. */
int config_optional(cfg_t *cfg, const char *key, char *out, size_t size);
/* The name of a section. */
int config_title(cfg_t *section, char *out, size_t size);

/* config_links.c */
extern cfg_opt_t config_link_opts[];
int config_read_links(struct config *c, cfg_t *peer);

/* config_cluster.c */
extern cfg_opt_t config_group_opts[], config_fence_opts[];
int config_read_groups(struct config *c, cfg_t *cfg);
int config_read_fence(struct config *c, cfg_t *cfg);

/* config_sinks.c */
extern cfg_opt_t config_sink_opts[];
int config_read_sinks(struct config *c, cfg_t *cfg);

/* config_sources.c */
extern cfg_opt_t config_source_opts[];
int config_read_sources(struct config *c, cfg_t *cfg);

#endif
