/* links: replicator_core */
/* A light collector for benchmarks: counts records, one a line or one a RELP frame.
 *     lightcol tcp|relp PORT COUNT
 * When COUNT have come: {"count": N, "bytes": N, "first": ns, "last": ns} of CLOCK_REALTIME; then
 * it goes on taking what comes until it is ended.  127.0.0.1, connections one after the other. */
#include <arpa/inet.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { READ_BYTES = 1 << 20, REPLIES = 1 << 20, REPLY_MAX = 64, CONNECTIONS = 8 };

struct connection {
    int fd; /* -1: free. */
    size_t kept;
    char data[READ_BYTES + 1];
};

static uint64_t count, bytes, first, last, expected;
static struct connection connections[CONNECTIONS];
static char replies[REPLIES + REPLY_MAX];
static size_t reply_len;

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

static void take_lines(struct connection *c)
{
    const char *end = c->data + c->kept;

    for (const char *p = c->data; (p = memchr(p, '\n', (size_t)(end - p))) != NULL; p++)
        count++;
    c->kept = 0;
}

/* One frame at `at`: its length, or 0 when it is not whole yet.  We are sent well-formed ones. */
static size_t take_frame(char *at, const char *end)
{
    char *command, *p;
    unsigned long txnr, len;
    bool record;

    if (end - at < 24)
        return 0; /* None that we are sent is shorter. */
    txnr = strtoul(at, &command, 10);
    record = memcmp(++command, "syslog ", 7) == 0;
    p = memchr(command, ' ', (size_t)(end - command));
    if (p == NULL)
        return 0;
    len = strtoul(p + 1, &p, 10);
    p += 1 + len;
    if (p >= end)
        return 0;
    count += record;
    reply_len += (size_t)sprintf(replies + reply_len, "%lu rsp %s\n", txnr,
                                 record ? "6 200 OK" : "22 200 OK\ncommands=syslog");
    return (size_t)(p + 1 - at);
}

static bool send_replies(int fd)
{
    for (size_t done = 0; done < reply_len;) {
        ssize_t n = send(fd, replies + done, reply_len - done, MSG_NOSIGNAL);

        if (n <= 0)
            return false;
        done += (size_t)n;
    }
    reply_len = 0;
    return true;
}

static bool take_frames(struct connection *c)
{
    char *at = c->data;
    size_t n;

    c->data[c->kept] = '\0';
    while ((n = take_frame(at, c->data + c->kept)) > 0) {
        at += n;
        if (reply_len >= REPLIES && !send_replies(c->fd))
            return false;
    }
    c->kept -= (size_t)(at - c->data);
    memmove(c->data, at, c->kept);
    return send_replies(c->fd);
}

static void say_when_done(void)
{
    if (count < expected || last != 0)
        return;
    last = now_ns();
    printf("{\"count\": %" PRIu64 ", \"bytes\": %" PRIu64 ", \"first\": %" PRIu64
           ", \"last\": %" PRIu64 "}\n",
           count, bytes, first, last);
    fflush(stdout);
}

static void serve(struct connection *c, bool relp)
{
    ssize_t n = read(c->fd, c->data + c->kept, READ_BYTES - c->kept);
    bool good = n > 0;

    if (good) {
        first = first != 0 ? first : now_ns();
        bytes += (uint64_t)n;
        c->kept += (size_t)n;
        if (relp)
            good = take_frames(c);
        else
            take_lines(c);
        say_when_done();
    }
    if (good)
        return;
    reply_len = 0;
    close(c->fd);
    c->fd = -1;
}

static void take_connection(int listener)
{
    int fd = accept(listener, NULL, NULL), on = 1;

    for (size_t i = 0; i < CONNECTIONS && fd >= 0; i++) {
        if (connections[i].fd >= 0)
            continue;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        connections[i].fd = fd;
        connections[i].kept = 0;
        return;
    }
    close(fd);
}

int main(int argc, char **argv)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

    if (argc != 4) {
        fputs("usage: lightcol tcp|relp PORT COUNT\n", stderr);
        return 2;
    }
    a.sin_port = htons((uint16_t)atoi(argv[2]));
    expected = strtoull(argv[3], NULL, 10);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(listener, (struct sockaddr *)&a, sizeof(a)) != 0 || listen(listener, 16) != 0) {
        perror("lightcol");
        return 1;
    }
    for (size_t i = 0; i < CONNECTIONS; i++)
        connections[i].fd = -1;
    for (;;) {
        struct pollfd p[CONNECTIONS + 1];

        for (size_t i = 0; i < CONNECTIONS; i++)
            p[i] = (struct pollfd){.fd = connections[i].fd, .events = POLLIN};
        p[CONNECTIONS] = (struct pollfd){.fd = listener, .events = POLLIN};
        poll(p, CONNECTIONS + 1, -1);
        for (size_t i = 0; i < CONNECTIONS; i++) {
            if (p[i].revents != 0)
                serve(&connections[i], strcmp(argv[1], "relp") == 0);
        }
        if (p[CONNECTIONS].revents != 0)
            take_connection(listener);
    }
}
