/* Records as they are confirmed, until interrupted. */
#include "ctl.h"
#include "control.h"

#include <stdlib.h>
#include <string.h>

static void show(const struct ctl *c, const char *line)
{
    json_t *o = json_loads(line, JSON_ALLOW_NUL, NULL);
    const json_t *text = json_object_get(o, "text");

    if (c->json)
        fputs(line, stdout);
    else if (json_is_integer(json_object_get(o, "lost")))
        printf("! %lld records were not shown: this reader is too slow, or they are settled\n",
               ctl_num(o, "lost"));
    else if (text != NULL)
        printf("%s %.*s\n", ctl_str(o, "sink"), (int)json_string_length(text),
               json_string_value(text));
    json_decref(o);
}

int ctl_tail(const struct ctl *c, int argc, char **argv)
{
    char *line = NULL;
    size_t size = 0;
    json_t *reply;
    FILE *f;
    unsigned origin;
    int rc;

    if (argc != 0 &&
        (argc != 2 || strcmp(argv[0], "--origin") != 0 || !control_number(argv[1], 1, &origin))) {
        fputs("usage: evrepctl [--json] tail [--origin N], N 0 or 1\n", stderr);
        return CTL_USAGE;
    }
    rc = ctl_open(c, "tail", argc, argv, &reply, &f);
    if (rc != CTL_DONE)
        return rc;
    json_decref(reply);
    while (getline(&line, &size, f) > 0 && !ferror(stdout)) {
        show(c, line);
        fflush(stdout);
    }
    free(line);
    fclose(f);
    fprintf(stderr, "evrepctl: tail: the daemon ended the connection\n");
    return CTL_NO_DAEMON;
}
