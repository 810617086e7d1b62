/* One line of JSON to the daemon's socket, one line back. */
#include "ctl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

enum { ANSWER_S = 5 };

/* A daemon that was stopped still takes connections, and with a full queue not even these. */
static void set_patience(int fd, time_t seconds)
{
    struct timeval t = {.tv_sec = seconds};

    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof(t));
}

static int dial(const char *path)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    int fd;

    if (strlen(path) >= sizeof(to.sun_path)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    strcpy(to.sun_path, path);
    if (fd >= 0)
        set_patience(fd, ANSWER_S);
    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0)
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

static json_t *read_reply(FILE *f)
{
    char *line = NULL;
    size_t size = 0;
    json_t *reply = NULL;

    if (getline(&line, &size, f) > 0)
        reply = json_loads(line, 0, NULL);
    free(line); /* Keeps errno. */
    return reply;
}

int ctl_open(const struct ctl *c, const char *command, int argc, char **argv, json_t **reply,
             FILE **lines)
{
    int fd = dial(c->socket);
    const char *error;
    bool late;

    *lines = fd >= 0 ? fdopen(fd, "r+") : NULL;
    if (*lines == NULL) {
        fprintf(stderr, "evrepctl: no daemon at %s: %s\n", c->socket, strerror(errno));
        return CTL_NO_DAEMON;
    }
    errno = 0;
    *reply = send_request(*lines, command, argc, argv) ? read_reply(*lines) : NULL;
    late = *reply == NULL && errno == EAGAIN;
    set_patience(fd, 0); /* The lines of a tail come when they come. */
    error = json_string_value(json_object_get(*reply, "error"));
    if (*reply != NULL && error == NULL)
        return CTL_DONE;
    fclose(*lines);
    if (*reply == NULL) {
        if (late)
            fprintf(stderr,
                    "evrepctl: no answer of the daemon at %s within %d s: is it stopped, or "
                    "is its disk stuck?\n",
                    c->socket, ANSWER_S);
        else
            fprintf(stderr, "evrepctl: the daemon at %s ended the connection without an answer\n",
                    c->socket);
        return CTL_NO_DAEMON;
    }
    if (c->json)
        ctl_print_json(*reply);
    fprintf(stderr, "evrepctl: %s: %s\n", command, error);
    json_decref(*reply);
    return CTL_BAD_NEWS;
}

int ctl_ask(const struct ctl *c, const char *command, int argc, char **argv, json_t **reply)
{
    FILE *f;
    int rc = ctl_open(c, command, argc, argv, reply, &f);

    if (rc == CTL_DONE)
        fclose(f);
    return rc;
}

void ctl_print_json(const json_t *o)
{
    json_dumpf(o, stdout, JSON_COMPACT);
    putchar('\n');
    fflush(stdout);
}

int ctl_do(const struct ctl *c, const char *command, int argc, char **argv, const char *done)
{
    json_t *reply;
    int rc = ctl_ask(c, command, argc, argv, &reply);

    if (rc != CTL_DONE)
        return rc;
    if (c->json)
        ctl_print_json(reply);
    else
        puts(json_is_string(json_object_get(reply, "text")) ? ctl_str(reply, "text") : done);
    json_decref(reply);
    return CTL_DONE;
}
