/* evrepctl: a file a command. */
#ifndef EVREP_CTL_H
#define EVREP_CTL_H

#include <jansson.h>
#include <stdbool.h>

enum { CTL_DONE = 0, CTL_BAD_NEWS = 1, CTL_USAGE = 2, CTL_NO_DAEMON = 3 };

struct ctl {
    const char *socket;
    bool json;
};

/* Sends a command to the daemon.  CTL_DONE with *reply set, else it has said what is wrong. */
int ctl_ask(const struct ctl *c, const char *command, int argc, char **argv, json_t **reply);

int ctl_watermark(const struct ctl *c, int argc, char **argv);
int ctl_plain(const struct ctl *c, const char *command, int argc, char **argv);
int ctl_audit(const struct ctl *c, int argc, char **argv);
int ctl_render(const struct ctl *c, int argc, char **argv);
int ctl_frame(const struct ctl *c, int argc, char **argv);
int ctl_keygen(const struct ctl *c, int argc, char **argv);

#endif
