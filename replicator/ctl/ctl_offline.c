#include "ctl.h"
#include "offline.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Standard input, a JSON object a line, to standard output, one a line. */
static int lines(json_t *(*convert)(json_t *in), const char *command, int argc)
{
    char *line = NULL;
    size_t size = 0;
    ssize_t n;
    int rc = CTL_DONE;

    if (argc != 0) {
        fprintf(stderr, "usage: evrepctl %s <LINES-OF-JSON\n", command);
        return CTL_USAGE;
    }
    while ((n = getline(&line, &size, stdin)) > 0) {
        char *answer = offline_line(convert, line, (size_t)n);

        if (answer == NULL) {
            fprintf(stderr, "evrepctl: %s: out of memory\n", command);
            rc = CTL_BAD_NEWS;
            break;
        }
        if (strncmp(answer, "{\"error\"", 8) == 0)
            rc = CTL_BAD_NEWS;
        puts(answer);
        free(answer);
    }
    free(line);
    return rc;
}

int ctl_render(const struct ctl *c, int argc, char **argv)
{
    (void)c;
    (void)argv;
    return lines(offline_render, "render", argc);
}

int ctl_frame(const struct ctl *c, int argc, char **argv)
{
    (void)c;
    (void)argv;
    return lines(offline_frame, "frame", argc);
}
