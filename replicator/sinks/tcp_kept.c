#include "tcp_kept.h"
#include "kept.h"
#include "tcp_acked.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static void key(const struct tcp_kept *k, const char *what, char out[KEPT_NAME_MAX])
{
    snprintf(out, KEPT_NAME_MAX, "evrep-%s-%s", k->name, what);
}

static struct tcp_map *map_fd(int fd)
{
    struct tcp_map *m = mmap(NULL, sizeof(*m), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    return m != MAP_FAILED ? m : NULL;
}

/* Only memory that nobody can shrink under us. */
static bool is_map(int fd)
{
    struct stat st;
    int seals = fcntl(fd, F_GET_SEALS);

    return seals >= 0 && (seals & F_SEAL_SHRINK) != 0 && fstat(fd, &st) == 0 &&
           st.st_size == (off_t)sizeof(struct tcp_map);
}

static bool adopt_map(struct tcp_kept *k)
{
    char name[KEPT_NAME_MAX];
    int fd;

    key(k, "map", name);
    fd = kept_take(name);
    if (fd < 0)
        return false;
    k->map = is_map(fd) ? map_fd(fd) : NULL;
    close(fd);
    if (k->map != NULL && tcp_map_check(k->map) == 0)
        return true;
    if (k->map != NULL)
        munmap(k->map, sizeof(*k->map));
    k->map = NULL;
    return false;
}

static int new_map(struct tcp_kept *k)
{
    char name[KEPT_NAME_MAX];
    int fd = memfd_create("evrep-tcp-map", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    if (fd >= 0 && ftruncate(fd, sizeof(*k->map)) == 0 &&
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK) == 0)
        k->map = map_fd(fd);
    key(k, "map", name);
    k->keeps = k->map != NULL && kept_store(name, fd) == 0;
    if (fd >= 0)
        close(fd);
    if (k->map == NULL)
        return -1;
    tcp_map_init(k->map);
    return 0;
}

/* Without its map nobody knows what is in it; to another place nobody wants it. */
static void end_connection(const char *name, int *fd)
{
    if (*fd < 0)
        return;
    close(*fd);
    kept_remove(name);
    *fd = -1;
}

static int open_alone(struct tcp_kept *k)
{
    k->map = calloc(1, sizeof(*k->map));
    if (k->map == NULL)
        return -1;
    tcp_map_init(k->map);
    return 0;
}

int tcp_kept_open(struct tcp_kept *k, const char *name, uint32_t place, int *fd)
{
    char connection[KEPT_NAME_MAX];

    *fd = -1;
    k->name = name;
    if (!kept_possible())
        return open_alone(k);
    key(k, "tcp", connection);
    *fd = kept_take(connection);
    k->keeps = adopt_map(k);
    if (!k->keeps || k->map->place != place)
        end_connection(connection, fd);
    if (!k->keeps && new_map(k) != 0)
        return -1;
    if (*fd < 0)
        tcp_map_begin(k->map); /* What an earlier connection carried may be anywhere. */
    k->map->place = place;
    return 0;
}

static uint64_t clock_ms(void)
{
    return sink_clock_ns() / MS_NS;
}

int tcp_kept_resume(struct tcp_kept *k, int fd, const uint8_t **rest, size_t *len,
                    uint32_t *young_ms)
{
    uint64_t written;

    *young_ms = tcp_map_young_ms(k->map, clock_ms());
    if (tcp_written(fd, &written) != 0 || tcp_map_resume(k->map, written, rest, len) != 0)
        return -1;
    k->adopted = true;
    k->written = written + *len;
    return 0;
}

void tcp_kept_began(struct tcp_kept *k, int fd, uint32_t young_ms)
{
    char name[KEPT_NAME_MAX];

    k->adopted = false;
    k->range_count = 0;
    tcp_map_begin(k->map);
    k->map->proven_ms = (uint32_t)(clock_ms() + young_ms);
    key(k, "tcp", name);
    if (k->keeps)
        kept_store(name, fd);
}

void tcp_kept_ended(struct tcp_kept *k)
{
    char name[KEPT_NAME_MAX];

    k->adopted = false;
    k->range_count = 0;
    tcp_map_begin(k->map);
    key(k, "tcp", name);
    if (k->keeps)
        kept_remove(name);
}

void tcp_kept_ask(struct tcp_kept *k, struct sink *s, uint64_t acked, uint8_t origin,
                  uint32_t epoch, uint32_t from, uint32_t to)
{
    struct tcp_map_answer a = {.kind = ANSWER_UNKNOWN};

    if (k->adopted)
        a = tcp_map_ask(k->map, acked, origin, epoch, from, to);
    if (a.kind == ANSWER_WRITTEN && k->range_count == TCP_KEPT_RANGES)
        a.kind = ANSWER_UNKNOWN;
    if (a.kind == ANSWER_UNKNOWN) {
        tcp_map_prior_note(k->map, origin, epoch, to);
        a.last = 0;
    } else if (a.kind == ANSWER_WRITTEN) {
        k->range[k->range_count].origin = origin;
        k->range[k->range_count].epoch = epoch;
        k->range[k->range_count].next = from;
        k->range[k->range_count++].last = a.last;
    }
    s->host.answer(s->host.ctx, origin, epoch, from, to, a.kind, a.last);
}

bool tcp_kept_confirm(struct tcp_kept *k, struct sink *s, uint64_t acked)
{
    for (size_t i = 0; i < k->range_count;) {
        uint32_t from = k->range[i].next, last = k->range[i].last;
        uint8_t origin = k->range[i].origin;
        uint32_t epoch = k->range[i].epoch;
        uint32_t done = tcp_map_acked(k->map, acked, origin, epoch, from, last);

        if (done == last)
            k->range[i] = k->range[--k->range_count];
        else if (done >= from)
            k->range[i++].next = done + 1;
        else
            i++;
        if (done >= from)
            s->host.confirmed_written(s->host.ctx, origin, epoch, from, done);
    }
    return k->range_count > 0;
}
