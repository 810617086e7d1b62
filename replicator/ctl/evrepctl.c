#include "ctl.h"

#include <getopt.h>
#include <string.h>

static const struct {
    const char *name;
    ctl_command *run;
    const char *usage, *text;
} commands[] = {
    {"watermark", ctl_watermark, "watermark [--watch]",
     "every stream, segment and sink, worst news first"},
    {"cluster", ctl_cluster, "cluster", "nodes, links, redundancy groups, last failovers"},
    {"counters", ctl_counters, "counters", "what the dataplane decided, and whether it adds up"},
    {"sinks", ctl_sinks, "sinks [replay NAME --from POSITION]",
     "each sink: state, rate, backlog, last error; or send again"},
    {"failover", ctl_failover, "failover RG [--to NODE]",
     "planned switchover; `failover RG reset` ends it"},
    {"notify", ctl_notify, "notify RG primary|backup|fault",
     "what an outer manager (keepalived) decided"},
    {"handover", ctl_handover, "handover", "give what is not delivered to the peer"},
    {"peer", ctl_peer, "peer fenced", "the peer is dead and stays so"},
    {"tail", ctl_tail, "tail [--origin N]", "records as they are confirmed"},
    {"audit", ctl_audit, "audit FILE...", "what collectors' files prove (needs no daemon)"},
    {"render", ctl_render, "render", "JSON lines: events to every format (needs no daemon)"},
    {"frame", ctl_frame, "frame", "JSON lines: frames to fields (needs no daemon)"},
    {"keygen", ctl_keygen, "keygen FILE", "a new cluster key"},
};

enum { COMMANDS = sizeof(commands) / sizeof(commands[0]) };

static void usage(FILE *to)
{
    fputs("usage: evrepctl [-s SOCKET] [--json] COMMAND\n", to);
    for (size_t i = 0; i < COMMANDS; i++)
        fprintf(to, "  %-34s %s\n", commands[i].usage, commands[i].text);
}

static int run(const struct ctl *c, const char *command, int argc, char **argv)
{
    for (size_t i = 0; i < COMMANDS; i++) {
        if (strcmp(command, commands[i].name) == 0)
            return commands[i].run(c, argc, argv);
    }
    fprintf(stderr, "evrepctl: no such command: %s\n", command);
    usage(stderr);
    return CTL_USAGE;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"socket", required_argument, NULL, 's'},
                                            {"json", no_argument, NULL, 'j'},
                                            {"version", no_argument, NULL, 'V'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    struct ctl c = {.socket = "/run/evrep/evrep.sock"};
    int opt;

    while ((opt = getopt_long(argc, argv, "+s:jVh", options, NULL)) != -1) {
        if (opt == 's') {
            c.socket = optarg;
        } else if (opt == 'j') {
            c.json = true;
        } else if (opt == 'V') {
            puts("evrepctl " EVREP_VERSION);
            return CTL_DONE;
        } else {
            usage(opt == 'h' ? stdout : stderr);
            return opt == 'h' ? CTL_DONE : CTL_USAGE;
        }
    }
    if (optind == argc) {
        usage(stderr);
        return CTL_USAGE;
    }
    return run(&c, argv[optind], argc - optind - 1, argv + optind + 1);
}
