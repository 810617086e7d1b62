#include "xsk.h"
#include "attach.h"
#include "redirect.skel.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/ethtool.h>
#include <linux/if_link.h>
#include <linux/if_xdp.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SENDS_A_TURN = 16 };

static int fail(char *err, size_t size, const char *name, const char *what, int code)
{
    snprintf(err, size, "interface %s: %s: %s", name, what, strerror(code < 0 ? -code : code));
    return -1;
}

/* ---- interfaces ---- */

static uint32_t queues_of(int fd, struct ifreq *r)
{
    struct ethtool_channels c = {.cmd = ETHTOOL_GCHANNELS};

    r->ifr_data = (void *)&c;
    if (ioctl(fd, SIOCETHTOOL, r) != 0)
        return 1; /* The driver has no channels to tell of. */
    return c.combined_count + c.rx_count > 0 ? c.combined_count + c.rx_count : 1;
}

static int look_at(struct port *p, uint32_t *queues, char *err, size_t err_size)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), rc = 0;
    struct ifreq r = {0};

    snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", p->name);
    p->ifindex = if_nametoindex(p->name);
    if (fd < 0 || p->ifindex == 0) {
        rc = fail(err, err_size, p->name, "does not exist", errno);
    } else if (ioctl(fd, SIOCGIFHWADDR, &r) != 0) {
        rc = fail(err, err_size, p->name, "its address cannot be read", errno);
    } else {
        memcpy(p->mac, r.ifr_hwaddr.sa_data, 6);
        *queues = queues_of(fd, &r);
    }
    if (fd >= 0)
        close(fd);
    return rc;
}

static int open_port(struct port *p, enum evdp_mode mode, char *err, size_t err_size)
{
    p->program = redirect__open_and_load();
    if (p->program == NULL)
        return fail(err, err_size, p->name, "cannot load the XDP program", errno);
    return attach_port(p, mode, bpf_program__fd(p->program->progs.redirect), err, err_size);
}

/* What comes in by a queue without a socket would not be seen.  The first one says how many. */
static int check_queues(struct ports *p, uint32_t i, char *err, size_t err_size)
{
    uint32_t queues = 0;

    if (look_at(&p->port[i], &queues, err, err_size) != 0)
        return -1;
    if (p->queues == 0)
        p->queues = queues;
    if (queues == p->queues && queues <= QUEUES_MAX)
        return 0;
    snprintf(err, err_size,
             "interface %s: it has %u receive queues, %u are needed (as many as every "
             "other interface, at most %d): ethtool -L, or 'queues'",
             p->port[i].name, queues, p->queues, QUEUES_MAX);
    return -1;
}

int ports_open(struct ports *p, const struct evdp_config *c, char *err, size_t err_size)
{
    memset(p, 0, sizeof(*p));
    attach_quietly();
    p->count = (uint32_t)(2 * c->rules.wire_count);
    for (uint32_t i = 0; i < p->count; i++) {
        const struct wire_config *w = &c->wire[i / 2];

        p->port[i].link = -1;
        snprintf(p->port[i].name, sizeof(p->port[i].name), "%s", i % 2 == 0 ? w->left : w->right);
    }
    p->queues = c->queues;
    for (uint32_t i = 0; i < p->count; i++) {
        if (check_queues(p, i, err, err_size) != 0)
            return -1;
    }
    for (uint32_t i = 0; i < p->count; i++) {
        if (open_port(&p->port[i], c->mode, err, err_size) != 0)
            return -1;
    }
    return 0;
}

void port_forget(struct port *p)
{
    if (p->link >= 0)
        close(p->link);
    p->link = -1;
    redirect__destroy(p->program);
    p->program = NULL;
    p->ifindex = 0;
}

int port_return(struct ports *p, uint32_t i, enum evdp_mode mode, char *err, size_t err_size)
{
    if (check_queues(p, i, err, err_size) == 0 && open_port(&p->port[i], mode, err, err_size) == 0)
        return 0;
    port_forget(&p->port[i]);
    return -1;
}

void ports_close(struct ports *p)
{
    for (uint32_t i = 0; i < p->count; i++)
        port_forget(&p->port[i]);
}

/* ---- sockets ---- */

/* After a close, and more so a kill, the kernel lets go of a queue a little later. */
static int bind_patiently(struct lane *l, struct lane_port *s, const struct port *p)
{
    struct xsk_socket_config o = {
        .rx_size = RING_SIZE,
        .tx_size = RING_SIZE,
        .libxdp_flags = XSK_LIBXDP_FLAGS__INHIBIT_PROG_LOAD,
        .xdp_flags = p->native ? XDP_FLAGS_DRV_MODE : XDP_FLAGS_SKB_MODE,
        .bind_flags = XDP_COPY | XDP_USE_NEED_WAKEUP,
    };
    int rc = -EBUSY;

    for (int i = 0; i < 200 && rc == -EBUSY; i++) {
        rc = xsk_socket__create_shared(&s->socket, p->name, l->queue, l->umem, &s->rx, &s->tx,
                                       &s->fill, &s->done, &o);
        if (rc == -EBUSY)
            usleep(5000);
    }
    return rc;
}

static int open_socket(struct lane *l, uint32_t port, const struct port *p, char *err,
                       size_t err_size)
{
    struct lane_port *s = &l->port[port];
    int rc = bind_patiently(l, s, p), fd;

    if (rc != 0)
        return fail(err, err_size, p->name, "cannot bind an AF_XDP socket", rc);
    fd = xsk_socket__fd(s->socket);
    rc = bpf_map_update_elem(bpf_map__fd(p->program->maps.sockets), &l->queue, &fd, 0);
    return rc == 0 ? 0 : fail(err, err_size, p->name, "cannot enter the socket in the map", rc);
}

#define HUGE ((size_t)2 << 20)

/* Each frame is a page of its own, which a processor would have to look up for each; of huge pages,
 * where there are some, it knows all.  NULL: no memory. */
static uint8_t *map_frames(size_t size)
{
    uint8_t *all =
        mmap(NULL, size + HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    size_t before;

    if (all == MAP_FAILED)
        return NULL;
    before = (HUGE - (uintptr_t)all % HUGE) % HUGE;
    if (before > 0)
        munmap(all, before);
    munmap(all + before + size, HUGE - before);
    madvise(all + before, size, MADV_HUGEPAGE);
    return all + before;
}

static int open_memory(struct lane *l, const struct ports *p, uint32_t first, char *err,
                       size_t err_size)
{
    struct xsk_umem_config o = {
        .fill_size = RING_SIZE,
        .comp_size = RING_SIZE,
        .frame_size = FRAME_SIZE,
        .frame_headroom = 0,
    };
    uint32_t frames = p->count * FRAMES_OF_PORT;
    int rc;

    l->area_size = (size_t)frames * FRAME_SIZE;
    l->area = map_frames(l->area_size);
    if (l->area == NULL)
        return fail(err, err_size, p->port[first].name, "no memory for frames", errno);
    rc = xsk_umem__create(&l->umem, l->area, l->area_size, &l->port[first].fill,
                          &l->port[first].done, &o);
    if (rc != 0)
        return fail(err, err_size, p->port[first].name,
                    "cannot register memory (AF_XDP needs root)", rc);
    for (uint32_t i = 0; i < frames; i++)
        l->free[l->free_count++] = (uint64_t)i * FRAME_SIZE;
    return 0;
}

int lane_open(struct lane *l, struct ports *p, uint32_t queue, char *err, size_t err_size)
{
    uint32_t first = 0;

    memset(l, 0, sizeof(*l));
    l->queue = queue;
    l->port_count = p->count;
    while (first < p->count && p->port[first].ifindex == 0)
        first++;
    if (first == p->count) /* Nothing to receive from. */
        return 0;
    if (open_memory(l, p, first, err, err_size) != 0)
        return -1;
    for (uint32_t i = 0; i < p->count; i++) {
        if (p->port[i].ifindex != 0 && open_socket(l, i, &p->port[i], err, err_size) != 0)
            return -1;
    }
    lane_turn(l);
    return 0;
}

void lane_close(struct lane *l)
{
    for (uint32_t i = 0; i < l->port_count; i++) {
        if (l->port[i].socket != NULL)
            xsk_socket__delete(l->port[i].socket);
    }
    if (l->umem != NULL)
        xsk_umem__delete(l->umem);
    if (l->area != NULL)
        munmap(l->area, l->area_size);
    memset(l, 0, sizeof(*l));
}

/* ---- frames ---- */

void lane_free(struct lane *l, uint64_t address)
{
    l->free[l->free_count++] = address / FRAME_SIZE * FRAME_SIZE;
}

bool lane_take(struct lane *l, uint64_t *address)
{
    if (l->free_count == 0)
        return false;
    *address = l->free[--l->free_count];
    return true;
}

static void collect(struct lane *l, struct lane_port *p)
{
    uint32_t at, n = xsk_ring_cons__peek(&p->done, RING_SIZE, &at);

    for (uint32_t i = 0; i < n; i++)
        lane_free(l, *xsk_ring_cons__comp_addr(&p->done, at + i));
    xsk_ring_cons__release(&p->done, n);
}

static void refill(struct lane *l, struct lane_port *p)
{
    uint32_t at, n = xsk_prod_nb_free(&p->fill, RING_SIZE / 2);

    if (n > l->free_count)
        n = l->free_count;
    if (n == 0 || xsk_ring_prod__reserve(&p->fill, n, &at) != n)
        return;
    for (uint32_t i = 0; i < n; i++)
        *xsk_ring_prod__fill_addr(&p->fill, at + i) = l->free[--l->free_count];
    xsk_ring_prod__submit(&p->fill, n);
}

/* In copy mode a call sends a part of what is there, and says EAGAIN while more is left. */
static void send_all(struct lane *l, struct lane_port *p)
{
    if (p->unsent > 0)
        xsk_ring_prod__submit(&p->tx, p->unsent);
    p->unsent = 0;
    for (int i = 0; i < SENDS_A_TURN && xsk_ring_prod__needs_wakeup(&p->tx); i++) {
        ssize_t rc = sendto(xsk_socket__fd(p->socket), NULL, 0, MSG_DONTWAIT, NULL, 0);

        collect(l, p);
        if (rc >= 0 || errno != EAGAIN)
            break;
    }
}

void lane_turn(struct lane *l)
{
    for (uint32_t i = 0; i < l->port_count; i++) {
        struct lane_port *p = &l->port[i];

        if (p->socket == NULL)
            continue;
        if (p->unsent > 0 || xsk_cons_nb_avail(&p->done, 1) > 0 ||
            xsk_prod_nb_free(&p->tx, RING_SIZE) < RING_SIZE)
            send_all(l, p);
        collect(l, p);
        refill(l, p);
    }
}

uint32_t lane_receive(struct lane *l, uint32_t port, struct xdp_desc *out)
{
    struct lane_port *p = &l->port[port];
    uint32_t at, n;

    if (p->socket == NULL)
        return 0;
    n = xsk_ring_cons__peek(&p->rx, BATCH, &at);
    for (uint32_t i = 0; i < n; i++)
        out[i] = *xsk_ring_cons__rx_desc(&p->rx, at + i);
    xsk_ring_cons__release(&p->rx, n);
    return n;
}

bool lane_send(struct lane *l, uint32_t port, const struct xdp_desc *frame)
{
    struct lane_port *p = &l->port[port];
    struct xdp_desc *d;
    uint32_t at;

    if (p->socket == NULL || xsk_ring_prod__reserve(&p->tx, 1, &at) != 1) {
        lane_free(l, frame->addr); /* The way out is full: as a wire would, it drops. */
        return false;
    }
    d = xsk_ring_prod__tx_desc(&p->tx, at);
    d->addr = frame->addr;
    d->len = frame->len;
    d->options = 0;
    p->unsent++;
    return true;
}

bool lane_counts(const struct lane *l, uint32_t port, struct lane_counts *out)
{
    struct xdp_statistics s = {0};
    socklen_t len = sizeof(s);

    if (l->port[port].socket == NULL)
        return false;
    if (getsockopt(xsk_socket__fd(l->port[port].socket), SOL_XDP, XDP_STATISTICS, &s, &len) != 0)
        return false;
    *out = (struct lane_counts){
        .rx_dropped = s.rx_dropped,
        .rx_ring_full = s.rx_ring_full,
        .fill_ring_empty = s.rx_fill_ring_empty_descs,
        .tx_ring_empty = s.tx_ring_empty_descs,
        .invalid = s.rx_invalid_descs + s.tx_invalid_descs,
    };
    return true;
}
