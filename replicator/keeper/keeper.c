/* evrep-keeper: starts a program and holds what it stores, so that the next process goes on with
 * it.
 *
 * To the program it is a service manager's descriptor store (sd_notify(3): FDSTORE, FDSTOREREMOVE,
 * FDNAME; sd_listen_fds(3)).  It reads nothing from any network and understands nothing of what it
 * holds.  A program that dies is started again; one that ends with 0 or 2 (usage) ends it too.
 * SIGTERM and SIGINT end both, SIGHUP is passed on, SIGUSR1 lets the program end and starts it
 * again (for an upgrade). */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    HELD_MAX = 32,
    NAME_MAX_LEN = 64,
    FIRST_FD = 3,
    PASSED_MAX = 4,
    HIGH_FD = 64, /* Ours lie above what the program gets. */
    PAUSE_MIN_MS = 10,
    PAUSE_MAX_MS = 5000,
    EXIT_USAGE = 2,
};

struct keeper {
    char **command;
    pid_t child;
    int notify, signals;
    char address[32];
    struct {
        char name[NAME_MAX_LEN];
        int fd;
    } held[HELD_MAX];
    int count;
    bool ending, renewing;
    unsigned pause_ms;
    struct timespec started;
};

static void say(const char *what)
{
    fprintf(stderr, "evrep-keeper: %s\n", what);
}

/* ---- the store ---- */

static int above(int fd)
{
    int high = fcntl(fd, F_DUPFD_CLOEXEC, HIGH_FD);

    close(fd);
    return high;
}

static void drop(struct keeper *k, const char *name)
{
    for (int i = 0; i < k->count; i++) {
        if (strcmp(k->held[i].name, name) != 0)
            continue;
        close(k->held[i].fd);
        k->held[i] = k->held[--k->count];
        i--;
    }
}

static void hold(struct keeper *k, const char *name, int fd)
{
    if (k->count == HELD_MAX || name[0] == '\0' || strchr(name, ':') != NULL) {
        say("a descriptor is refused: too many, or without a name");
        close(fd);
        return;
    }
    snprintf(k->held[k->count].name, NAME_MAX_LEN, "%s", name);
    k->held[k->count++].fd = above(fd);
}

static void obey(struct keeper *k, char *text, const int *passed, int n)
{
    char name[NAME_MAX_LEN] = "", *rest = NULL;
    bool store = false, forget = false;

    for (char *line = strtok_r(text, "\n", &rest); line != NULL;
         line = strtok_r(NULL, "\n", &rest)) {
        store |= strcmp(line, "FDSTORE=1") == 0;
        forget |= strcmp(line, "FDSTOREREMOVE=1") == 0;
        if (strncmp(line, "FDNAME=", 7) == 0)
            snprintf(name, sizeof(name), "%.*s", NAME_MAX_LEN - 1, line + 7);
    }
    if (forget)
        drop(k, name);
    for (int i = 0; i < n; i++) {
        if (store)
            hold(k, name, passed[i]);
        else
            close(passed[i]);
    }
}

/* What came with a message; who sent it is what the kernel says. */
static int unpack(struct msghdr *m, int passed[PASSED_MAX], pid_t *sender)
{
    int n = 0;

    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c != NULL; c = CMSG_NXTHDR(m, c)) {
        size_t len = c->cmsg_len - CMSG_LEN(0);

        if (c->cmsg_level != SOL_SOCKET)
            continue;
        if (c->cmsg_type == SCM_RIGHTS && len <= sizeof(int) * PASSED_MAX) {
            memcpy(passed, CMSG_DATA(c), len);
            n = (int)(len / sizeof(int));
        } else if (c->cmsg_type == SCM_CREDENTIALS) {
            struct ucred u;

            memcpy(&u, CMSG_DATA(c), sizeof(u));
            *sender = u.pid;
        }
    }
    return n;
}

static bool receive(struct keeper *k)
{
    union {
        struct cmsghdr head;
        char bytes[CMSG_SPACE(sizeof(int) * PASSED_MAX) + CMSG_SPACE(sizeof(struct ucred))];
    } control;
    char text[512];
    struct iovec iov = {text, sizeof(text) - 1};
    struct msghdr m = {.msg_iov = &iov,
                       .msg_iovlen = 1,
                       .msg_control = control.bytes,
                       .msg_controllen = sizeof(control.bytes)};
    int passed[PASSED_MAX], n;
    pid_t sender = 0;
    ssize_t got = recvmsg(k->notify, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

    if (got < 0)
        return false;
    text[got] = '\0';
    n = unpack(&m, passed, &sender);
    if (sender != k->child) {
        say("a message that is not of the program is dropped");
        for (int i = 0; i < n; i++)
            close(passed[i]);
        return true;
    }
    obey(k, text, passed, n);
    return true;
}

/* ---- the program ---- */

static void become_child(struct keeper *k)
{
    char number[32], names[HELD_MAX * NAME_MAX_LEN] = "";
    sigset_t none;

    for (int i = 0; i < k->count; i++) {
        if (dup2(k->held[i].fd, FIRST_FD + i) < 0) /* Above HIGH_FD: nothing is overwritten. */
            _exit(EXIT_FAILURE);
        strcat(names, i > 0 ? ":" : "");
        strcat(names, k->held[i].name);
    }
    snprintf(number, sizeof(number), "%d", k->count);
    setenv("LISTEN_FDS", number, 1);
    snprintf(number, sizeof(number), "%d", getpid());
    setenv("LISTEN_PID", number, 1);
    setenv("LISTEN_FDNAMES", names, 1);
    setenv("NOTIFY_SOCKET", k->address, 1);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    execvp(k->command[0], k->command);
    fprintf(stderr, "evrep-keeper: %s: %s\n", k->command[0], strerror(errno));
    _exit(EXIT_USAGE);
}

static void start(struct keeper *k)
{
    clock_gettime(CLOCK_MONOTONIC, &k->started);
    k->child = fork();
    if (k->child == 0)
        become_child(k);
}

/* One that dies at once, again and again, is started more and more slowly. */
static void start_again(struct keeper *k)
{
    struct timespec now, t;

    clock_gettime(CLOCK_MONOTONIC, &now);
    if (now.tv_sec - k->started.tv_sec > 1)
        k->pause_ms = PAUSE_MIN_MS;
    t = (struct timespec){k->pause_ms / 1000, (long)(k->pause_ms % 1000) * 1000000};
    nanosleep(&t, NULL);
    k->pause_ms = k->pause_ms * 2 < PAUSE_MAX_MS ? k->pause_ms * 2 : PAUSE_MAX_MS;
    start(k);
}

static void reap(struct keeper *k)
{
    int status;

    if (waitpid(k->child, &status, WNOHANG) != k->child)
        return;
    while (receive(k)) /* What it stored just before. */
        ;
    if (k->ending || (WIFEXITED(status) && !k->renewing &&
                      (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == EXIT_USAGE)))
        exit(WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_FAILURE);
    k->renewing = false;
    say("the program has ended: it is started again");
    start_again(k);
}

static void on_signal(struct keeper *k)
{
    struct signalfd_siginfo info;

    if (read(k->signals, &info, sizeof(info)) != (ssize_t)sizeof(info))
        return;
    if (info.ssi_signo == SIGCHLD) {
        reap(k);
        return;
    }
    k->ending |= info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT;
    k->renewing |= info.ssi_signo == SIGUSR1;
    kill(k->child, info.ssi_signo == SIGUSR1 ? SIGTERM : (int)info.ssi_signo);
}

/* ---- */

static int open_notify(struct keeper *k)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    socklen_t len = sizeof(a.sun_family); /* Abstract, of the kernel's choice. */
    int on = 1;
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *)&a, len) != 0 ||
        setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) != 0)
        return -1;
    len = sizeof(a);
    getsockname(fd, (struct sockaddr *)&a, &len);
    snprintf(k->address, sizeof(k->address), "@%.*s",
             (int)(len - offsetof(struct sockaddr_un, sun_path) - 1), a.sun_path + 1);
    k->notify = above(fd);
    return k->notify;
}

static int open_signals(struct keeper *k)
{
    static const int numbers[] = {SIGCHLD, SIGTERM, SIGINT, SIGHUP, SIGUSR1};
    sigset_t set;

    sigemptyset(&set);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        sigaddset(&set, numbers[i]);
    sigprocmask(SIG_BLOCK, &set, NULL);
    k->signals = above(signalfd(-1, &set, SFD_CLOEXEC));
    return k->signals;
}

int main(int argc, char **argv)
{
    static struct keeper k = {.pause_ms = PAUSE_MIN_MS};
    struct pollfd p[2];

    if (argc < 2 || argv[1][0] == '-') {
        fputs("usage: evrep-keeper COMMAND [ARGUMENT...]\n"
              "  as in: evrep-keeper evrepd -c /etc/evrep/evrepd.conf\n",
              stderr);
        return EXIT_USAGE;
    }
    k.command = argv + 1;
    if (open_notify(&k) < 0 || open_signals(&k) < 0) {
        say(strerror(errno));
        return EXIT_FAILURE;
    }
    start(&k);
    for (;;) {
        p[0] = (struct pollfd){.fd = k.notify, .events = POLLIN};
        p[1] = (struct pollfd){.fd = k.signals, .events = POLLIN};
        if (poll(p, 2, -1) < 0)
            continue;
        if (p[0].revents != 0)
            receive(&k);
        else if (p[1].revents != 0)
            on_signal(&k);
    }
}
