/* evdp: a virtual-wire firewall on AF_XDP whose decisions become events. */
#include "gone.h"
#include "service.h"
#include "worker.h"

#include <errno.h>
#include <inttypes.h>
#include <net/if.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

enum { PUBLISH_MS = 500 };

const char service_name[] = "evdp";

struct evdp {
    const char *path;
    struct dataplane d;
    struct state state;
    int stats_fd;
    struct stats stats;
    uint64_t reloads;
    struct ring_said said;
    struct gone gone;
};

/* ---- configurations ---- */

static void unload(struct loaded *c)
{
    if (c == NULL)
        return;
    evdp_config_free(&c->config);
    free(c);
}

static struct loaded *load(const char *path, char *err, size_t err_size)
{
    struct loaded *c = calloc(1, sizeof(*c));

    if (c == NULL) {
        snprintf(err, err_size, "out of memory");
        return NULL;
    }
    if (evdp_config_load(&c->config, path, err, err_size) != 0) {
        free(c);
        return NULL;
    }
    return c;
}

static void wait_until_unused(struct evdp *e, const struct loaded *old)
{
    for (uint32_t i = 0; i < e->d.worker_count; i++) {
        while (atomic_load(&e->d.worker[i]->using) == old)
            usleep(1000);
    }
}

/* Sessions stay: they know the tables of their decision, and ask the new rules on their next
 * packet.  When anything is wrong the old configuration stays. */
static void reload(struct evdp *e)
{
    struct loaded *old = atomic_load(&e->d.current), *new;
    const char *fixed;
    char err[1024];

    new = load(e->path, err, sizeof(err));
    if (new == NULL) {
        say("%s; the old configuration stays in force", err);
        return;
    }
    fixed = service_fixed(&old->config, &new->config, BACKEND_AF_XDP);
    if (fixed != NULL) {
        say("%s: %s cannot change while evdp runs; the old configuration stays in force", e->path,
            fixed);
        unload(new);
        return;
    }
    new->config.rules.serial = old->config.rules.serial + 1;
    new->config.rules.names = service_names(&new->config, &e->d.ports);
    atomic_store(&e->d.current, new);
    wait_until_unused(e, old);
    unload(old);
    e->reloads++;
    say("configuration read again: %zu policies, %zu terms", new->config.rules.policy_count,
        new->config.rules.term_count);
}

/* ---- statistics ---- */

static void add_kernel(struct lane_counts *sum, const struct lane_counts *c)
{
    sum->rx_dropped += c->rx_dropped;
    sum->rx_ring_full += c->rx_ring_full;
    sum->fill_ring_empty += c->fill_ring_empty;
    sum->tx_ring_empty += c->tx_ring_empty;
    sum->invalid += c->invalid;
}

static void publish_port(struct evdp *e, uint32_t i)
{
    struct stats_port sum = {.native = e->d.ports.port[i].native};

    memcpy(sum.name, e->d.ports.port[i].name, sizeof(sum.name));
    for (uint32_t k = 0; k < e->d.worker_count; k++) {
        const struct worker *w = e->d.worker[k];
        const struct worker_port *p = &w->port[i];
        struct lane_counts c = {0};

        lane_counts(&w->lane, i, &c);
        add_kernel(&c, &p->before);
        add_kernel(&sum.kernel, &c);
        sum.received += count_get(&p->received);
        for (int f = 0; f < FATES; f++)
            sum.fate[f] += count_get(&p->fate[f]);
        sum.sent += count_get(&p->sent);
        sum.tx_full += count_get(&p->tx_full);
    }
    e->stats.port[i] = sum;
}

static void publish_terms(struct evdp *e)
{
    struct loaded *c = atomic_load(&e->d.current);
    uint32_t n = 0;

    for (size_t i = 0; i < c->config.rules.term_count; i++) {
        const struct term *t = &c->config.rules.term[i];
        struct stats_term sum = {0};

        if (!t->count)
            continue;
        memcpy(sum.filter, t->filter, RULE_NAME_MAX);
        memcpy(sum.name, t->name, RULE_NAME_MAX);
        for (uint32_t k = 0; k < e->d.worker_count; k++) {
            sum.packets += count_get(&c->term[k][i].packets);
            sum.bytes += count_get(&c->term[k][i].bytes);
        }
        e->stats.term[n++] = sum;
    }
    e->stats.term_count = n;
}

static void publish_queue(struct evdp *e, uint32_t queue)
{
    uint64_t received = 0;

    for (uint32_t i = 0; i < e->d.ports.count; i++)
        received += count_get(&e->d.worker[queue]->port[i].received);
    e->stats.received_by_queue[queue] = received;
}

static void publish(struct evdp *e)
{
    struct sessions *s = &e->state.sessions;
    uint32_t used = 0, capacity = 0;

    for (uint32_t i = 0; i < s->shard_count; i++) {
        spin_lock(&s->shard[i].lock);
        used += s->shard[i].used;
        capacity += s->shard[i].capacity;
        spin_unlock(&s->shard[i].lock);
    }
    e->stats.sessions = used;
    e->stats.session_capacity = capacity;
    e->stats.hosts_forgotten =
        atomic_load_explicit(&e->state.hosts.forgotten, memory_order_relaxed);
    for (uint32_t i = 0; i < e->d.ports.count; i++)
        publish_port(e, i);
    for (uint32_t i = 0; i < e->d.worker_count; i++)
        publish_queue(e, i);
    publish_terms(e);
    e->stats.port_count = e->d.ports.count;
    e->stats.queues = e->d.worker_count;
    e->stats.reloads = e->reloads;
    stats_write(e->stats_fd, &e->stats);
}

/* ---- start and end ---- */

static int open_state(struct evdp *e, const struct evdp_config *c, char *err, size_t err_size)
{
    size_t size = state_size(c->sessions);
    uint8_t secret[STATE_SECRET_BYTES];
    void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (at == MAP_FAILED || getrandom(secret, sizeof(secret), 0) != sizeof(secret)) {
        snprintf(err, err_size, "no memory for %" PRIu32 " sessions", c->sessions);
        return -1;
    }
    madvise(at, size, MADV_HUGEPAGE);
    state_init(&e->state, at, c->sessions, secret, clock_ns(CLOCK_MONOTONIC));
    e->d.state = &e->state;
    return 0;
}

static int open_workers(struct evdp *e, const struct evdp_config *c, char *err, size_t err_size)
{
    e->d.worker_count = e->d.ports.queues;
    for (uint32_t i = 0; i < e->d.worker_count; i++) {
        struct worker *w = calloc(1, sizeof(*w));

        e->d.worker[i] = w;
        if (w == NULL) {
            snprintf(err, err_size, "out of memory");
            return -1;
        }
        w->d = &e->d;
        w->rate_per_s = c->rate_per_s;
        if (evhooks_worker_open(&w->hook, e->d.ring, err, err_size) != 0)
            return -1;
        if (lane_open(&w->lane, &e->d.ports, i, err, err_size) != 0)
            return -1;
    }
    return 0;
}

static const char *mode_of(const struct port *p, char *buffer, size_t size)
{
    if (p->native)
        return "native";
    if (p->native_error == 0)
        return "generic";
    snprintf(buffer, size, "generic, for native: %s", strerror(p->native_error));
    return buffer;
}

static void say_wires(const struct evdp *e, const struct evdp_config *c)
{
    char left[96], right[96];

    for (size_t i = 0; i < c->rules.wire_count; i++)
        say("wire %s: %s (%s) - %s (%s), %" PRIu32 " queues, %zu policies, ring %s",
            c->wire[i].name, c->wire[i].left, mode_of(&e->d.ports.port[2 * i], left, sizeof(left)),
            c->wire[i].right, mode_of(&e->d.ports.port[2 * i + 1], right, sizeof(right)),
            e->d.ports.queues, c->rules.policy_count, c->ring);
}

static void say_end(const struct evdp *e)
{
    uint64_t received = 0, fate[FATES] = {0};

    for (uint32_t i = 0; i < e->stats.port_count; i++) {
        received += e->stats.port[i].received;
        for (int f = 0; f < FATES; f++)
            fate[f] += e->stats.port[i].fate[f];
    }
    say("received %" PRIu64 ", forwarded %" PRIu64 ", screened %" PRIu64 ", refused %" PRIu64
        ", malformed %" PRIu64,
        received, fate[FATE_FORWARDED], fate[FATE_SCREENED],
        fate[FATE_DENIED] + fate[FATE_REJECTED], fate[FATE_MALFORMED]);
}

/* ---- interfaces that come back ---- */

static uint32_t start_workers(struct evdp *e)
{
    uint32_t started = 0;

    atomic_store(&e->d.stopping, false);
    while (started < e->d.worker_count && worker_start(e->d.worker[started]) == 0)
        started++;
    if (started < e->d.worker_count)
        say("a thread cannot be started: %s", strerror(errno));
    return started;
}

static void stop_workers(struct evdp *e, uint32_t started)
{
    atomic_store(&e->d.stopping, true);
    for (uint32_t i = 0; i < started; i++)
        pthread_join(e->d.worker[i]->thread, NULL);
}

static int reopen_lanes(struct evdp *e, char *err, size_t err_size)
{
    for (uint32_t k = 0; k < e->d.worker_count; k++) {
        struct worker *w = e->d.worker[k];

        for (uint32_t i = 0; i < e->d.ports.count; i++) {
            struct lane_counts c = {0};

            lane_counts(&w->lane, i, &c);
            add_kernel(&w->port[i].before, &c);
        }
        lane_close(&w->lane);
        if (lane_open(&w->lane, &e->d.ports, k, err, err_size) != 0)
            return -1;
    }
    return 0;
}

/* Sockets of all interfaces share their memory, so all are made anew; sessions stay.  false: it
 * cannot go on. */
static bool take_back(struct evdp *e, const bool back[PORTS_MAX])
{
    struct loaded *c = atomic_load(&e->d.current);
    char err[256] = "";

    stop_workers(e, e->d.worker_count);
    if (reopen_lanes(e, err, sizeof(err)) != 0) { /* Gone again? */
        for (uint32_t i = 0; i < e->d.ports.count; i++) {
            if (back[i])
                port_forget(&e->d.ports.port[i]);
        }
        say("%s", err);
        if (reopen_lanes(e, err, sizeof(err)) != 0) {
            say("%s", err);
            return false;
        }
    }
    c->config.rules.names = service_names(&c->config, &e->d.ports);
    return start_workers(e) == e->d.worker_count;
}

static bool look_for_interfaces(struct evdp *e)
{
    struct loaded *c = atomic_load(&e->d.current);
    bool back[PORTS_MAX] = {false}, any = false;

    if (!gone_look(&e->d.ports))
        return true;
    for (uint32_t i = 0; i < e->d.ports.count; i++) {
        struct port *p = &e->d.ports.port[i];
        char err[256] = "";

        if (p->ifindex != 0 || if_nametoindex(p->name) == 0)
            continue;
        back[i] = port_return(&e->d.ports, i, c->config.mode, err, sizeof(err)) == 0;
        gone_say(&e->gone, p, err);
        any |= back[i];
    }
    return !any || take_back(e, back);
}

/* ---- a ring that was replaced ---- */

/* Places in the new ring for all workers, or none. */
static int open_hooks(struct evdp *e, struct evhooks_ring *ring,
                      struct evhooks_worker *hook[QUEUES_MAX])
{
    char err[256];
    uint32_t n = 0;

    while (n < e->d.worker_count && evhooks_worker_open(&hook[n], ring, err, sizeof(err)) == 0)
        n++;
    if (n == e->d.worker_count)
        return 0;
    if (strcmp(e->said.why_not, err) != 0)
        say("%s", err);
    snprintf(e->said.why_not, sizeof(e->said.why_not), "%s", err);
    while (n > 0)
        evhooks_worker_close(hook[--n]);
    return -1;
}

static void move_hooks(struct evdp *e, struct evhooks_ring *ring,
                       struct evhooks_worker *hook[QUEUES_MAX])
{
    struct evhooks_ring *old = e->d.ring;
    uint64_t lost = 0;

    for (uint32_t i = 0; i < e->d.worker_count; i++) {
        struct worker *w = e->d.worker[i];

        lost += evhooks_worker_inherit(hook[i], w->hook, clock_ns(CLOCK_REALTIME));
        evhooks_worker_close(w->hook);
        w->hook = hook[i];
    }
    e->d.ring = ring;
    evhooks_close(old);
    say("ring %s: its file is another one now, which is used from now on; %" PRIu64
        " events that nobody had read are lost, and counted as ring full",
        atomic_load(&e->d.current)->config.ring, lost);
}

/* It holds the lock that tells another evdp that we run. */
static void keep_stats(struct evdp *e)
{
    char ignored[256];
    int fd = stats_open(atomic_load(&e->d.current)->config.ring, ignored, sizeof(ignored));

    if (fd < 0) /* It is where it was, and locked: by us. */
        return;
    close(e->stats_fd);
    e->stats_fd = fd;
}

/* Sessions stay.  What lay beside the ring may have been removed with it.  false: it cannot go on.
 */
static bool look_for_ring(struct evdp *e)
{
    struct loaded *c = atomic_load(&e->d.current);
    struct evhooks_ring *new = service_new_ring(e->d.ring, &c->config, &e->said);
    struct evhooks_worker *hook[QUEUES_MAX];

    if (new == NULL)
        return true;
    if (open_hooks(e, new, hook) != 0) {
        evhooks_close(new);
        return true;
    }
    stop_workers(e, e->d.worker_count);
    move_hooks(e, new, hook);
    memset(&e->said, 0, sizeof(e->said));
    keep_stats(e);
    c->config.rules.names = service_names(&c->config, &e->d.ports);
    return start_workers(e) == e->d.worker_count;
}

/* Signals come to the main thread alone, which waits for them and publishes what was counted. */
static void watch(struct evdp *e, const sigset_t *signals)
{
    const struct timespec wait = {.tv_nsec = PUBLISH_MS * 1000000l};

    do {
        int number = sigtimedwait(signals, NULL, &wait);

        if (number == SIGTERM || number == SIGINT)
            return;
        if (number == SIGHUP)
            reload(e);
        publish(e);
        service_damage(e->d.ring, &e->said);
    } while (look_for_interfaces(e) && look_for_ring(e));
}

static int run(struct evdp *e, const sigset_t *signals)
{
    uint32_t started = start_workers(e);
    bool good = started == e->d.worker_count;

    if (good)
        watch(e, signals);
    stop_workers(e, started);
    worker_expire_all(e->d.worker[0]); /* Each session that was opened is closed, once. */
    publish(e);
    say_end(e);
    return good ? 0 : -1;
}

static void close_all(struct evdp *e)
{
    for (uint32_t i = 0; i < e->d.worker_count; i++) {
        struct worker *w = e->d.worker[i];

        if (w == NULL)
            continue;
        lane_close(&w->lane);
        if (w->hook != NULL)
            evhooks_worker_close(w->hook);
        free(w);
    }
    ports_close(&e->d.ports);
}

static int start(struct evdp *e, struct loaded *c, char *err, size_t err_size)
{
    sigset_t signals;
    int rc = -1;

    service_signals(&signals);
    e->stats_fd = stats_open(c->config.ring, err, err_size);
    if (e->stats_fd < 0) /* Before anything is touched that another one may use. */
        return -1;
    e->stats.magic = STATS_MAGIC;
    e->stats.version = STATS_VERSION;
    e->stats.pid = (uint64_t)getpid();
    if (ports_open(&e->d.ports, &c->config, err, err_size) == 0 &&
        open_state(e, &c->config, err, err_size) == 0 &&
        open_workers(e, &c->config, err, err_size) == 0) {
        c->config.rules.serial = 1;
        c->config.rules.names = service_names(&c->config, &e->d.ports);
        atomic_store(&e->d.current, c);
        say_wires(e, &c->config);
        rc = run(e, &signals);
    }
    close_all(e);
    return rc;
}

static int show_stats(const struct evdp_config *c, struct evhooks_ring *ring)
{
    static struct stats stats;
    struct evhooks_counters counters;
    uint32_t epoch, last, before, before_last;

    evhooks_counters(ring, &counters);
    evhooks_epoch_opened(ring, &epoch, &before, &before_last);
    evhooks_produced(ring, &epoch, &last);
    printf("{\"ring\":{\"epoch\":%" PRIu32 ",\"last\":%" PRIu32 ",\"previous_epoch\":%" PRIu32
           ",\"previous_last\":%" PRIu32 "},",
           epoch, last, before, before_last);
    stats_print(stdout, &counters, stats_look(c->ring, &stats) ? &stats : NULL);
    return 0;
}

static int act(struct evdp *e, int asked, char *err, size_t err_size)
{
    struct loaded *c = load(e->path, err, err_size);

    if (c == NULL)
        return 1;
    if (asked == ASKED_TO_CHECK) {
        service_check_names(&c->config);
        printf("%s: good\n", e->path);
        return 0;
    }
    if (service_ring(&e->d.ring, &c->config, asked == ASKED_FOR_STATS, err, err_size) != 0)
        return 1;
    if (asked == ASKED_FOR_STATS)
        return show_stats(&c->config, e->d.ring);
    return start(e, c, err, err_size) == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    static struct evdp e;
    int asked = service_asked(argc, argv, &e.path), rc;
    char err[1024] = "";

    if (asked == 0 || asked == ASKED_BADLY)
        return asked == 0 ? 0 : 2;
    rc = act(&e, asked, err, sizeof(err));
    if (err[0] != '\0')
        say("%s", err);
    return rc;
}
