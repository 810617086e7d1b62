/* evrepctl: a file a command. */
#ifndef EVREP_CTL_H
#define EVREP_CTL_H

#include <jansson.h>
#include <libsmartcols.h>
#include <stdbool.h>
#include <stdio.h>

enum { CTL_DONE = 0, CTL_BAD_NEWS = 1, CTL_USAGE = 2, CTL_NO_DAEMON = 3 };

struct ctl {
    const char *socket;
    bool json;
};

/* ---- client.c ---- */

/* Sends a command to the daemon.  CTL_DONE with *reply set, else it has said what is wrong. */
int ctl_ask(const struct ctl *c, const char *command, int argc, char **argv, json_t **reply);
/* The same, and the connection stays open for the lines that follow: fclose() it. */
int ctl_open(const struct ctl *c, const char *command, int argc, char **argv, json_t **reply,
             FILE **lines);
/* For commands that only do something: its answer, or a line that says what was done. */
int ctl_do(const struct ctl *c, const char *command, int argc, char **argv, const char *done);
void ctl_print_json(const json_t *o);

/* ---- table.c ---- */

long long ctl_num(const json_t *o, const char *key);
const char *ctl_str(const json_t *o, const char *key); /* "-" when there is none. */
struct ctl_column {
    const char *head;
    bool right;
};
struct libscols_table *ctl_table(const struct ctl_column *columns, size_t count);
void ctl_cell(struct libscols_line *l, size_t column, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The lines of "news"; a line for each redundancy group. */
void ctl_news(const json_t *o);
void ctl_roles(const json_t *o);
void ctl_table_end(struct libscols_table *t); /* Prints it. */

/* ---- the commands: argv is what follows the command's name ---- */

typedef int ctl_command(const struct ctl *c, int argc, char **argv);
ctl_command ctl_watermark, ctl_cluster, ctl_counters, ctl_sinks, ctl_failover, ctl_notify, ctl_tail,
    ctl_handover, ctl_peer, ctl_audit, ctl_render, ctl_frame, ctl_keygen;

#endif
