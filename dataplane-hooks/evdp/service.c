#include "service.h"
#include "names_file.h"
#include "survive.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void say(const char *format, ...)
{
    char line[1200];
    va_list ap;

    va_start(ap, format);
    vsnprintf(line, sizeof(line), format, ap);
    va_end(ap);
    fprintf(stderr, "%s: %s\n", service_name, line);
}

static int usage(FILE *to, int asked)
{
    fprintf(to, "usage: %s -c FILE [--check | --stats]\n", service_name);
    return asked;
}

int service_asked(int argc, char **argv, const char **path)
{
    static const struct option options[] = {{"config", required_argument, NULL, 'c'},
                                            {"check", no_argument, NULL, ASKED_TO_CHECK},
                                            {"stats", no_argument, NULL, ASKED_FOR_STATS},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    int asked = ASKED_TO_RUN, opt;

    *path = NULL;
    while ((opt = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
        if (opt == 'c')
            *path = optarg;
        else if (opt == ASKED_TO_CHECK || opt == ASKED_FOR_STATS)
            asked = opt;
        else
            return opt == 'h' ? usage(stdout, 0) : usage(stderr, ASKED_BADLY);
    }
    return *path != NULL && optind == argc ? asked : usage(stderr, ASKED_BADLY);
}

void service_signals(sigset_t *out)
{
    sigemptyset(out);
    sigaddset(out, SIGTERM);
    sigaddset(out, SIGINT);
    sigaddset(out, SIGHUP);
    sigprocmask(SIG_BLOCK, out, NULL);
}

static int open_ring(struct evhooks_ring **out, const struct evdp_config *c, bool join, char *err,
                     size_t err_size)
{
    struct evhooks_options o;

    evhooks_defaults(&o);
    o.node = c->node;
    o.join = join;
    o.rate_per_s = c->rate_per_s;
    return evhooks_open(out, c->ring, &o, err, err_size);
}

int service_ring(struct evhooks_ring **out, const struct evdp_config *c, bool join, char *err,
                 size_t err_size)
{
    survive_cut_off(out);
    return open_ring(out, c, join, err, err_size);
}

struct evhooks_ring *service_new_ring(const struct evhooks_ring *r, const struct evdp_config *c,
                                      struct ring_said *said)
{
    enum evhooks_place place = evhooks_place(r);
    struct evhooks_ring *new = NULL;
    char err[sizeof(said->why_not)] = "";

    if (place == EVHOOKS_REMOVED && !said->removed)
        say("ring %s: its file was removed: the evrepd that has it still reads it, one that starts "
            "makes another, which is used then",
            c->ring);
    said->removed = place == EVHOOKS_REMOVED;
    if (place != EVHOOKS_REPLACED)
        return NULL;
    if (open_ring(&new, c, false, err, sizeof(err)) != 0 && strcmp(err, said->why_not) != 0)
        say("its file is another one now, which is not used: %s", err);
    memcpy(said->why_not, err, sizeof(err));
    return new;
}

void service_damage(const struct evhooks_ring *r, struct ring_said *said)
{
    bool active = evhooks_active(r, 0); /* Also when no frame comes that would touch the ring. */
    const char *damage = evhooks_damage(r);

    (void)active;
    if (damage != NULL && !said->damaged)
        say("%s; until then every frame is dropped", damage);
    said->damaged = damage != NULL;
}

static void say_names(bool possible, size_t left_out)
{
    if (!possible)
        say("the name tables cannot be written to /dev/shm: records show numbers");
    else if (left_out > 0)
        say("%zu names do not fit the name tables (8192 names, 64 KiB): records show their numbers",
            left_out);
}

uint32_t service_names(const struct evdp_config *c, const struct ports *p)
{
    size_t left_out;
    uint32_t names = names_publish(c, p, &left_out);

    say_names(names != 0, left_out);
    return names;
}

void service_check_names(const struct evdp_config *c)
{
    long left_out = names_check(c);

    say_names(left_out >= 0, left_out >= 0 ? (size_t)left_out : 0);
}

const char *service_fixed(const struct evdp_config *a, const struct evdp_config *b,
                          enum backend backend)
{
    if (strcmp(a->ring, b->ring) != 0 || a->node != b->node)
        return "'ring' or 'node'";
    if (a->sessions != b->sessions)
        return "'sessions'";
    if (a->queues != b->queues)
        return "'queues'";
    if (a->mode != b->mode)
        return "'mode'";
    if (backend == BACKEND_EBPF && strcmp(a->pin, b->pin) != 0)
        return "'pin'";
    if (a->rules.wire_count != b->rules.wire_count)
        return "the number of wires";
    for (size_t i = 0; i < a->rules.wire_count; i++) {
        if (strcmp(a->wire[i].left, b->wire[i].left) != 0 ||
            strcmp(a->wire[i].right, b->wire[i].right) != 0)
            return "the interfaces of a wire";
        if (a->rules.end[2 * i].group != b->rules.end[2 * i].group)
            return "the redundancy group of a wire";
    }
    return NULL;
}
