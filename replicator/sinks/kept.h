/* The descriptor store of whoever started this program: the service manager, or evrep-keeper, which
 * speaks the same protocol (sd_notify(3), sd_listen_fds(3)).  What is stored there outlives this
 * process and is handed to the next one.  One thread. */
#ifndef EVREP_KEPT_H
#define EVREP_KEPT_H

#include <stdbool.h>

enum { KEPT_MAX = 32, KEPT_NAME_MAX = 64 };

bool kept_possible(void);
/* What a predecessor stored under that name, the caller's from now on; -1: nothing. */
int kept_take(const char *name);
/* In place of what had that name.  0 or -1. */
int kept_store(const char *name, int fd);
void kept_remove(const char *name);
/* What nobody took is of sinks that are configured no more: it ends. */
void kept_end_rest(void);

#endif
