#include "program.h"
#include "attach.h"
#include "evbpf.skel.h"
#include "flatten.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

enum { BURST = 1024 }; /* Contract 10.1. */

static int fail(char *err, size_t size, const char *what, int code)
{
    snprintf(err, size, "%s: %s", what, strerror(code < 0 ? -code : code));
    return -1;
}

/* ---- pins ---- */

static int make_folder(const char *pin, char *err, size_t err_size)
{
    char copy[128], *folder;
    struct statfs fs;

    snprintf(copy, sizeof(copy), "%s", pin);
    folder = dirname(copy);
    mkdir(folder, 0700);
    if (statfs(folder, &fs) == 0 && (uint32_t)fs.f_type == BPF_FS_MAGIC)
        return 0;
    snprintf(err, err_size,
             "pin %s: its folder is in no bpffs: mount -t bpf bpf /sys/fs/bpf, or choose another "
             "'pin'",
             pin);
    return -1;
}

/* A pin cannot be locked, but a folder beside it can. */
int program_lock(const char *pin, char *err, size_t err_size)
{
    char path[128];
    int fd;

    if (make_folder(pin, err, err_size) != 0)
        return -1;
    snprintf(path, sizeof(path), "%s-lock", pin);
    mkdir(path, 0700);
    fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0)
        return fd;
    if (fd >= 0 && errno == EWOULDBLOCK)
        snprintf(err, err_size,
                 "pin %s: another evbpf runs with it: end it, or give each its own 'pin'", pin);
    else
        fail(err, err_size, path, errno);
    if (fd >= 0)
        close(fd);
    return -1;
}

/* What an earlier evbpf pinned is used again, when it is what this one would make. */
static int check_pin(const char *path, const struct bpf_map *map, char *err, size_t err_size)
{
    struct bpf_map_info info = {0};
    uint32_t len = sizeof(info);
    int fd = bpf_obj_get(path), rc;

    if (fd < 0)
        return 0;
    rc = bpf_obj_get_info_by_fd(fd, &info, &len);
    close(fd);
    if (rc == 0 && info.type == (uint32_t)bpf_map__type(map) &&
        info.max_entries == bpf_map__max_entries(map) &&
        info.value_size == bpf_map__value_size(map))
        return 0;
    snprintf(err, err_size, "pin %s: something else is pinned there; remove it", path);
    return -1;
}

static int pin(struct bpf_map *map, const char *base, const char *suffix, char *err,
               size_t err_size)
{
    char path[128];

    snprintf(path, sizeof(path), "%s%s", base, suffix);
    if (check_pin(path, map, err, err_size) != 0)
        return -1;
    return bpf_map__set_pin_path(map, path) == 0 ? 0 : fail(err, err_size, path, errno);
}

/* `terms` is each program's own, until it decides. */
static int pin_all(struct evbpf *b, const char *base, char *err, size_t err_size)
{
    if (pin(b->maps.events, base, "", err, err_size) != 0 ||
        pin(b->maps.counts, base, "-counts", err, err_size) != 0 ||
        pin(b->maps.about, base, "-about", err, err_size) != 0 ||
        pin(b->maps.due, base, "-due", err, err_size) != 0)
        return -1;
    return pin(b->maps.frames, base, "-frames", err, err_size);
}

/* ---- the configuration, in maps and constants ---- */

static void set_up(struct evbpf_setup *s, const struct evdp_config *c, const struct ports *p,
                   uint32_t names, const struct flat *f)
{
    const struct rules *r = &c->rules;

    s->names = names;
    s->policies = f->policies;
    s->terms = f->terms;
    for (size_t i = 0; i < r->zone_count; i++)
        s->screens[i + 1] = r->zone[i].screens & EVBPF_SCREENS;
    if (c->rate_per_s != 0) {
        s->interval_ns = 1000000000ull / c->rate_per_s;
        s->slack_ns = s->interval_ns * (BURST - 1);
    }
    for (uint32_t i = 0; i < p->count; i++) {
        struct evbpf_end *end = &s->end[i];

        end->ifindex = p->port[i].ifindex;
        end->zone = r->end[i].zone;
        end->group = r->end[i].group;
        end->local_count = r->end[i].local_count;
        for (int k = 0; k < end->local_count; k++) {
            memcpy(end->local[k].address, r->end[i].local[k].address, 16);
            end->local[k].family = r->end[i].local[k].family;
        }
    }
}

static int fill_tables(struct evbpf *b, const struct flat *f, char *err, size_t err_size)
{
    LIBBPF_OPTS(bpf_map_batch_opts, o);
    uint32_t n = (uint32_t)f->count, *key = calloc(n, sizeof(*key));
    int rc;

    if (key == NULL)
        return fail(err, err_size, "the tables of the rules", ENOMEM);
    for (uint32_t i = 0; i < n; i++)
        key[i] = i;
    rc = bpf_map_update_batch(bpf_map__fd(b->maps.tables), key, f->word, &n, &o);
    free(key);
    return rc == 0 ? 0 : fail(err, err_size, "the tables of the rules cannot be filled", rc);
}

static int fill_outs(struct evbpf *b, const struct ports *p, char *err, size_t err_size)
{
    for (uint32_t i = 0; i < p->count; i++) {
        uint32_t ifindex = p->port[i].ifindex;

        if (bpf_map_update_elem(bpf_map__fd(b->maps.outs), &i, &ifindex, 0) != 0)
            return fail(err, err_size, "the way out of an interface cannot be set", errno);
    }
    return 0;
}

/* ---- all ---- */

static int load(struct evbpf *b, char *err, size_t err_size)
{
    int rc = evbpf__load(b);

    if (rc == 0)
        return 0;
    if (rc == -EPERM)
        snprintf(err, err_size,
                 "the kernel does not let this process load eBPF programs: run evbpf as root (or "
                 "with CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON), outside of a container that "
                 "forbids bpf()");
    else
        fail(err, err_size, "the kernel refuses the eBPF program", rc);
    return -1;
}

/* Datagrams whose first fragments came before a reload go on. */
static int share_fragments(struct evbpf *b, const struct evbpf *before, char *err, size_t err_size)
{
    struct flow_seed *seed = &b->rodata->setup.seed;

    if (before != NULL) {
        *seed = before->rodata->setup.seed;
        if (bpf_map__reuse_fd(b->maps.fragments, bpf_map__fd(before->maps.fragments)) != 0)
            return fail(err, err_size, "the fragments", errno);
        return 0;
    }
    return getrandom(seed, sizeof(*seed), 0) == sizeof(*seed)
               ? 0
               : fail(err, err_size, "random numbers for the fragments", errno);
}

static int make(struct evbpf *b, const struct evdp_config *c, const struct ports *p,
                const struct program_shared *s, const struct flat *f, char *err, size_t err_size)
{
    set_up(&b->rodata->setup, c, p, s->names, f);
    if (bpf_map__set_max_entries(b->maps.tables, (uint32_t)f->count) != 0 ||
        bpf_map__reuse_fd(b->maps.active, s->active) != 0)
        return fail(err, err_size, "the tables of the rules", errno);
    if (share_fragments(b, s->before, err, err_size) != 0 ||
        pin_all(b, c->pin, err, err_size) != 0 || load(b, err, err_size) != 0)
        return -1;
    return fill_tables(b, f, err, err_size) != 0 ? -1 : fill_outs(b, p, err, err_size);
}

int program_open(struct evbpf **out, const struct evdp_config *c, const struct ports *p,
                 const struct program_shared *s, char *err, size_t err_size)
{
    struct evbpf *b;
    struct flat f;
    int rc = flat_rules(&f, &c->rules, err, err_size);

    attach_quietly();
    b = rc == 0 ? evbpf__open() : NULL;
    if (rc == 0 && b == NULL)
        rc = fail(err, err_size, "the eBPF program", errno);
    if (rc == 0)
        rc = make(b, c, p, s, &f, err, err_size);
    flat_free(&f);
    if (rc == 0)
        *out = b;
    else
        evbpf__destroy(b);
    return rc;
}

void program_close(struct evbpf *b)
{
    evbpf__destroy(b);
}

int program_attach(struct evbpf *b, struct ports *p, enum evdp_mode mode, char *err,
                   size_t err_size)
{
    int fd = bpf_program__fd(b->progs.evbpf), rc = 0;

    for (uint32_t i = 0; i < p->count && rc == 0; i++) {
        if (p->port[i].ifindex == 0) { /* It comes back later. */
            continue;
        } else if (p->port[i].link < 0) {
            rc = attach_port(&p->port[i], mode, fd, err, err_size);
        } else if (bpf_link_update(p->port[i].link, fd, NULL) != 0) {
            snprintf(err, err_size,
                     "interface %s: the new program cannot take the old one's place: %s",
                     p->port[i].name, strerror(errno));
            rc = -1;
        }
    }
    return rc;
}

/* In the place of the program before, whose counts are of other rules. */
static int pin_terms(struct evbpf *b, const char *base, char *err, size_t err_size)
{
    char path[128], fresh[128];

    snprintf(path, sizeof(path), "%s-terms", base);
    snprintf(fresh, sizeof(fresh), "%s-terms-new", base);
    unlink(fresh);
    if (bpf_obj_pin(bpf_map__fd(b->maps.terms), fresh) != 0 || rename(fresh, path) != 0)
        return fail(err, err_size, path, errno);
    return 0;
}

int program_publish(struct evbpf *b, const struct evdp_config *c, uint32_t names, char *err,
                    size_t err_size)
{
    struct evbpf_about about = {.version = EVBPF_VERSION, .names = names};
    uint32_t zero = 0;

    snprintf(about.ring, sizeof(about.ring), "%s", c->ring);
    if (bpf_map_update_elem(bpf_map__fd(b->maps.about), &zero, &about, 0) != 0)
        return fail(err, err_size, "map `about`", errno);
    return pin_terms(b, c->pin, err, err_size);
}
