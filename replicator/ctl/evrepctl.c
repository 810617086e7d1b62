#include "ctl.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

static void usage(FILE *to)
{
    fputs("usage: evrepctl [-s SOCKET] [--json] COMMAND\n"
          "  watermark [--watch]        every stream, segment and sink with its marks\n"
          "  cluster, counters, sinks   the cluster; what the dataplane decided; each sink\n"
          "  failover RG [NODE|reset]   planned switchover of a redundancy group\n"
          "  peer fenced                the peer is dead and stays so\n"
          "  audit FILE...              what collectors' files prove (needs no daemon)\n"
          "  render, frame              JSON lines: events to every format, frames to fields\n"
          "  keygen FILE                a new cluster key\n",
          to);
}

static int run(const struct ctl *c, const char *command, int argc, char **argv)
{
    static const char *const plain[] = {"cluster", "counters", "sinks", "failover", "peer", NULL};

    if (strcmp(command, "watermark") == 0)
        return ctl_watermark(c, argc, argv);
    if (strcmp(command, "audit") == 0)
        return ctl_audit(c, argc, argv);
    if (strcmp(command, "render") == 0)
        return ctl_render(c, argc, argv);
    if (strcmp(command, "frame") == 0)
        return ctl_frame(c, argc, argv);
    if (strcmp(command, "keygen") == 0)
        return ctl_keygen(c, argc, argv);
    for (size_t i = 0; plain[i] != NULL; i++) {
        if (strcmp(command, plain[i]) == 0)
            return ctl_plain(c, command, argc, argv);
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
