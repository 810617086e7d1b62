/* What evdp and evbpf share around their loops: the command line, the log, what a running dataplane
 * cannot change. */
#ifndef EVDP_SERVICE_H
#define EVDP_SERVICE_H

#include "config.h"
#include "evhooks.h"
#include "xsk.h"

#include <signal.h>

/* One line on stderr, as the program called `service_name`. */
extern const char service_name[];
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

enum { ASKED_TO_RUN = 'r', ASKED_TO_CHECK = 'k', ASKED_FOR_STATS = 't', ASKED_BADLY = 'u' };

/* What the command line asks for; the file's path, when it is one of the first three.  0: for help,
 * which was given. */
int service_asked(int argc, char **argv, const char **path);

/* SIGTERM, SIGINT and SIGHUP wait for sigtimedwait(); also in threads to come. */
void service_signals(sigset_t *out);

/* join: only one that is there.  *out stays where it is while the process lives (survive.h). */
int service_ring(struct evhooks_ring **out, const struct evdp_config *c, bool join, char *err,
                 size_t err_size);

/* What was said of the ring, each once. */
struct ring_said {
    bool damaged, removed;
    char why_not[256]; /* The new one cannot be used. */
};

/* Says what another process did to the ring. */
void service_damage(const struct evhooks_ring *r, struct ring_said *said);
/* The ring that was made where this one was, for who has to go on there: what is in this one is
 * found by nobody who starts from now on.  NULL: there is none, or it is not good; that is said. */
struct evhooks_ring *service_new_ring(const struct evhooks_ring *r, const struct evdp_config *c,
                                      struct ring_said *said);

/* The name tables of a configuration, published; says what is left out.  Their generation. */
uint32_t service_names(const struct evdp_config *c, const struct ports *p);

/* What service_names() would have to say, before anything is touched. */
void service_check_names(const struct evdp_config *c);

/* What stands in rings, sockets, tables and pins; NULL: b may take a's place while it runs. */
const char *service_fixed(const struct evdp_config *a, const struct evdp_config *b,
                          enum backend backend);

#endif
