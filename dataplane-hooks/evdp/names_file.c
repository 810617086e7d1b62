#include "names_file.h"

#include <fcntl.h>
#include <inttypes.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define FOLDER "/dev/shm"

/* What a reader takes: replicator/core/names.h. */
enum { TEXT_MAX = 65536, NAMES_MAX = 8192, TRIES = 100 };

struct text {
    char at[TEXT_MAX];
    size_t len, names, left_out;
};

static void add(struct text *t, char table, uint32_t id, const char *name)
{
    int n = snprintf(NULL, 0, "%c %" PRIu32 " %s\n", table, id, name);

    if (t->names == NAMES_MAX || n < 0 || t->len + (size_t)n >= sizeof(t->at)) {
        t->left_out++;
        return;
    }
    snprintf(t->at + t->len, sizeof(t->at) - t->len, "%c %" PRIu32 " %s\n", table, id, name);
    t->len += (size_t)n;
    t->names++;
}

/* Policies last: they may be too many. */
static void write_text(struct text *t, const struct evdp_config *c, const struct ports *p)
{
    const struct rules *r = &c->rules;

    for (size_t i = 0; i < r->zone_count; i++)
        add(t, 'z', (uint32_t)i + 1, r->zone[i].name);
    for (uint32_t i = 0; i < p->count; i++) {
        if (p->port[i].ifindex != 0)
            add(t, 'i', p->port[i].ifindex, p->port[i].name);
    }
    for (size_t i = 0; i < r->term_count; i++) { /* Terms of a filter follow each other. */
        if (i == 0 || r->term[i].filter_id != r->term[i - 1].filter_id)
            add(t, 'f', r->term[i].filter_id, r->term[i].filter);
    }
    add(t, 'p', POLICY_ID_DEFAULT, "default-deny");
    for (size_t i = 0; i < r->application_count; i++)
        add(t, 'a', (uint32_t)i + 1, r->application[i]);
    for (size_t i = 0; i < r->policy_count; i++)
        add(t, 'p', r->policy[i].id, r->policy[i].name);
}

static uint32_t generation_of(const struct text *t)
{
    uint32_t h = 2166136261u;

    for (size_t i = 0; i < t->len; i++)
        h = (h ^ (uint8_t)t->at[i]) * 16777619u;
    return h != 0 ? h : 1;
}

/* A file of ours that says just this: its name is made of its content, but who made it? */
static bool is_there(const struct text *t, const char *path)
{
    static char have[TEXT_MAX];
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    struct stat st;
    bool same;

    if (fd < 0)
        return false;
    same = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == geteuid() &&
           (st.st_mode & 022) == 0 && st.st_size == (off_t)t->len &&
           read(fd, have, sizeof(have)) == (ssize_t)t->len && memcmp(have, t->at, t->len) == 0;
    close(fd);
    return same;
}

/* Whole or not at all: a reader may look at any moment. */
static bool put_file(const struct text *t, const char *path)
{
    char unfinished[176];
    bool good;
    int fd;

    if (is_there(t, path))
        return true;
    snprintf(unfinished, sizeof(unfinished), "%s.XXXXXX", path);
    fd = mkostemp(unfinished, O_CLOEXEC); /* 0600, and nobody's before. */
    if (fd < 0)
        return false;
    good = write(fd, t->at, t->len) == (ssize_t)t->len;
    good = close(fd) == 0 && good && rename(unfinished, path) == 0;
    if (!good)
        unlink(unfinished);
    return good;
}

/* ---- held, for as long as a record may name it ---- */

static struct {
    uint32_t generation;
    int fd;
} held[NAMES_HELD]; /* Of the main thread, as all here; the newest first. */
static size_t held_count;

static void drop(size_t i)
{
    close(held[i].fd);
    memmove(&held[i], &held[i + 1], (held_count - i - 1) * sizeof(held[0]));
    held_count--;
}

static void keep(uint32_t generation, int fd)
{
    for (size_t i = 0; i < held_count; i++) {
        if (held[i].generation == generation) /* It may be another file now. */
            drop(i--);
    }
    if (held_count == NAMES_HELD)
        drop(held_count - 1);
    memmove(&held[1], &held[0], held_count * sizeof(held[0]));
    held[0].generation = generation;
    held[0].fd = fd;
    held_count++;
}

/* false: evrepd is just about to remove it, or has. */
static bool hold(uint32_t generation, const char *path)
{
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    struct stat own, named;

    if (fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) == 0 && fstat(fd, &own) == 0 &&
        lstat(path, &named) == 0 && own.st_ino == named.st_ino) {
        keep(generation, fd);
        return true;
    }
    if (fd >= 0)
        close(fd);
    return false;
}

/* An interface that is not there yet gets the longest number there is. */
static void expect_ports(struct ports *p, const struct evdp_config *c)
{
    for (size_t i = 0; i < 2 * c->rules.wire_count; i++) {
        const struct wire_config *w = &c->wire[i / 2];
        unsigned ifindex;

        snprintf(p->port[i].name, sizeof(p->port[i].name), "%s", i % 2 == 0 ? w->left : w->right);
        ifindex = if_nametoindex(p->port[i].name);
        p->port[i].ifindex = ifindex != 0 ? ifindex : UINT32_MAX;
        p->count++;
    }
}

long names_check(const struct evdp_config *c)
{
    static struct text t;
    struct ports p = {0};

    t.len = t.names = t.left_out = 0;
    expect_ports(&p, c);
    write_text(&t, c, &p);
    return access(FOLDER, W_OK | X_OK) == 0 ? (long)t.left_out : -1;
}

uint32_t names_publish(const struct evdp_config *c, const struct ports *p, size_t *left_out)
{
    static struct text t; /* Of the main thread. */
    uint32_t generation;
    char path[160];

    t.len = t.names = t.left_out = 0;
    write_text(&t, c, p);
    *left_out = t.left_out;
    generation = generation_of(&t);
    snprintf(path, sizeof(path), FOLDER "/%s.names.%08" PRIx32, c->ring, generation);
    for (int i = 0; i < TRIES; i++) {
        if (!put_file(&t, path))
            return 0;
        if (hold(generation, path))
            return generation;
        usleep(1000);
    }
    return generation; /* Somebody else has it locked: it is there, for now. */
}
