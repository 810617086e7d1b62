/* How evrepd, evdp and evbpf read a configuration: the whole file before anything is parsed.  The
 * scanner of libconfuse ends the process when a read fails, as of a folder or a bad disk, and a
 * process that reads again on SIGHUP has more to lose. */
#ifndef EVREP_CONFIG_FILE_H
#define EVREP_CONFIG_FILE_H

#include <confuse.h>
#include <stdbool.h>
#include <stddef.h>

/* Parses the file into cfg, whose filename is its path then.  0, or -1 with one line in err: what
 * cannot be read, or changed meanwhile, or what the parser said to the error function of cfg. */
int config_parse_file(cfg_t *cfg, const char *path, char *err, size_t err_size);

/* A value that a second one of its name has taken the place of, unseen by whoever wrote the first:
 * for the function that a cfg_opt_t calls after each value.  true: this is the second. */
bool config_is_given_twice(cfg_opt_t *opt);

/* A cfg_opt_t's parsecb: decimal digits, a minus before them or none.  libconfuse itself takes 010
 * for 8.  0, or -1 after one line by cfg_error(). */
int config_parse_number(cfg_t *cfg, cfg_opt_t *opt, const char *text, void *result);

#endif
