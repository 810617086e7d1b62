/* One line of JSON to the daemon's socket, one line back. */
#include "control.h"
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

/* One line with its end, as a string.  false: it was said what is wrong with the arguments. */
static bool make_request(char line[REQUEST_MAX + 1], const char *command, int argc, char **argv)
{
    json_t *args = json_array(), *o = json_pack("{s:s,s:o}", "command", command, "args", args);
    int i = 0, len = -1;
    char *text;

    while (i < argc && json_array_append_new(args, json_string(argv[i])) == 0)
        i++;
    text = json_dumps(o, JSON_COMPACT);
    if (text != NULL)
        len = snprintf(line, REQUEST_MAX + 1, "%s\n", text);
    free(text);
    json_decref(o);
    if (i < argc)
        fprintf(stderr, "evrepctl: %s: argument %d is not UTF-8\n", command, i + 1);
    else if (len > REQUEST_MAX)
        fprintf(stderr, "evrepctl: %s: its arguments are too long, by %d bytes\n", command,
                len - REQUEST_MAX);
    return i == argc && len > 0 && len <= REQUEST_MAX;
}

/* The daemon may close while we write. */
static bool send_request(int fd, const char *line)
{
    size_t left = strlen(line);

    while (left > 0) {
        ssize_t n = send(fd, line, left, MSG_NOSIGNAL);

        if (n < 0)
            return false;
        line += n;
        left -= (size_t)n;
    }
    return true;
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
    char line[REQUEST_MAX + 1];
    const char *error;
    bool late;
    int fd;

    if (!make_request(line, command, argc, argv))
        return CTL_USAGE;
    fd = dial(c->socket);
    *lines = fd >= 0 ? fdopen(fd, "r+") : NULL;
    if (*lines == NULL) {
        fprintf(stderr, "evrepctl: no daemon at %s: %s\n", c->socket, strerror(errno));
        return CTL_NO_DAEMON;
    }
    errno = 0;
    *reply = send_request(fd, line) ? read_reply(*lines) : NULL;
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
