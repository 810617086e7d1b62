/* One line of JSON to the daemon's socket, one line back. */
#include "ctl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int dial(const char *path)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || strlen(path) >= sizeof(to.sun_path))
        return -1;
    strcpy(to.sun_path, path);
    if (connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0)
        return fd;
    close(fd);
    return -1;
}

static bool send_request(FILE *f, const char *command, int argc, char **argv)
{
    json_t *args = json_array();
    json_t *o;
    char *text;
    bool good;

    for (int i = 0; i < argc; i++)
        json_array_append_new(args, json_string(argv[i]));
    o = json_pack("{s:s,s:o}", "command", command, "args", args);
    text = json_dumps(o, JSON_COMPACT);
    good = text != NULL && fprintf(f, "%s\n", text) > 0 && fflush(f) == 0;
    free(text);
    json_decref(o);
    return good;
}

int ctl_ask(const struct ctl *c, const char *command, int argc, char **argv, json_t **reply)
{
    int fd = dial(c->socket);
    FILE *f = fd >= 0 ? fdopen(fd, "r+") : NULL;
    const char *error;
    char *line = NULL;
    size_t size = 0;

    if (f == NULL) {
        fprintf(stderr, "evrepctl: no daemon at %s: %s\n", c->socket, strerror(errno));
        return CTL_NO_DAEMON;
    }
    *reply = NULL;
    if (send_request(f, command, argc, argv) && getline(&line, &size, f) > 0)
        *reply = json_loads(line, 0, NULL);
    free(line);
    fclose(f);
    if (*reply == NULL) {
        fprintf(stderr, "evrepctl: the daemon at %s gave no answer\n", c->socket);
        return CTL_NO_DAEMON;
    }
    error = json_string_value(json_object_get(*reply, "error"));
    if (error == NULL)
        return CTL_DONE;
    fprintf(stderr, "evrepctl: %s: %s\n", command, error);
    json_decref(*reply);
    return CTL_BAD_NEWS;
}

int ctl_plain(const struct ctl *c, const char *command, int argc, char **argv)
{
    json_t *reply;
    int rc = ctl_ask(c, command, argc, argv, &reply);

    if (rc != CTL_DONE)
        return rc;
    json_dumpf(reply, stdout, c->json ? JSON_COMPACT : JSON_INDENT(2));
    putchar('\n');
    json_decref(reply);
    return CTL_DONE;
}
