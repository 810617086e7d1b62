#include "xsk.h"
#include "redirect.skel.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <linux/if_xdp.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

static int fail(char *err, size_t size, const char *name, const char *what, int code)
{
    snprintf(err, size, "interface %s: %s: %s", name, what, strerror(code < 0 ? -code : code));
    return -1;
}

static int attach(struct port *p, int program, uint32_t flags)
{
    LIBBPF_OPTS(bpf_link_create_opts, o, .flags = flags);

    return bpf_link_create(program, (int)p->ifindex, BPF_XDP, &o);
}

static int attach_as_asked(struct port *p, enum evdp_mode mode, int program)
{
    p->native = mode != MODE_GENERIC;
    p->link = attach(p, program, p->native ? XDP_FLAGS_DRV_MODE : XDP_FLAGS_SKB_MODE);
    if (p->link < 0 && mode == MODE_AUTO) {
        p->native = false;
        p->link = attach(p, program, XDP_FLAGS_SKB_MODE);
    }
    return p->link;
}

/* After a close, and more so a kill, the kernel lets go of a queue a little later. */
static int bind_patiently(struct wire *w, struct port *p)
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
        rc = xsk_socket__create_shared(&p->socket, p->name, 0, w->umem, &p->rx, &p->tx, &p->fill,
                                       &p->done, &o);
        if (rc == -EBUSY)
            usleep(5000);
    }
    return rc;
}

static int open_port(struct wire *w, struct port *p, enum evdp_mode mode, char *err,
                     size_t err_size)
{
    struct redirect *skeleton = redirect__open_and_load();
    uint32_t queue = 0;
    int rc, fd;

    if (skeleton == NULL)
        return fail(err, err_size, p->name, "cannot load the XDP program", errno);
    p->program = skeleton->obj;
    if (attach_as_asked(p, mode, bpf_program__fd(skeleton->progs.redirect)) < 0)
        return fail(err, err_size, p->name, "cannot attach the XDP program (is another there?)",
                    p->link);
    rc = bind_patiently(w, p);
    if (rc != 0)
        return fail(err, err_size, p->name, "cannot bind an AF_XDP socket", rc);
    fd = xsk_socket__fd(p->socket);
    rc = bpf_map_update_elem(bpf_map__fd(skeleton->maps.sockets), &queue, &fd, 0);
    return rc == 0 ? 0 : fail(err, err_size, p->name, "cannot enter the socket in the map", rc);
}

static int quiet(enum libbpf_print_level level, const char *format, va_list ap)
{
    (void)level;
    (void)format;
    (void)ap;
    return 0;
}

int wire_open(struct wire *w, const struct evdp_config *c, char *err, size_t err_size)
{
    struct xsk_umem_config o = {
        .fill_size = RING_SIZE,
        .comp_size = RING_SIZE,
        .frame_size = FRAME_SIZE,
        .frame_headroom = 0,
    };
    int rc;

    memset(w, 0, sizeof(*w));
    libbpf_set_print(quiet);
    snprintf(w->port[0].name, sizeof(w->port[0].name), "%s", c->wire[0].left);
    snprintf(w->port[1].name, sizeof(w->port[1].name), "%s", c->wire[0].right);
    for (int i = 0; i < 2; i++) {
        w->port[i].ifindex = if_nametoindex(w->port[i].name);
        if (w->port[i].ifindex == 0)
            return fail(err, err_size, w->port[i].name, "does not exist", errno);
    }
    w->area = mmap(NULL, (size_t)FRAMES * FRAME_SIZE, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (w->area == MAP_FAILED)
        return fail(err, err_size, c->wire[0].left, "no memory for frames", errno);
    rc = xsk_umem__create(&w->umem, w->area, (uint64_t)FRAMES * FRAME_SIZE, &w->port[0].fill,
                          &w->port[0].done, &o);
    if (rc != 0)
        return fail(err, err_size, c->wire[0].left, "cannot register memory (AF_XDP needs root)",
                    rc);
    for (uint32_t i = 0; i < FRAMES; i++)
        w->free[w->free_count++] = (uint64_t)i * FRAME_SIZE;
    for (int i = 0; i < 2; i++) {
        if (open_port(w, &w->port[i], c->mode, err, err_size) != 0)
            return -1;
    }
    wire_turn(w);
    return 0;
}

void wire_close(struct wire *w)
{
    for (int i = 0; i < 2; i++) {
        if (w->port[i].socket != NULL)
            xsk_socket__delete(w->port[i].socket);
        if (w->port[i].link > 0)
            close(w->port[i].link);
    }
    if (w->umem != NULL)
        xsk_umem__delete(w->umem);
}

void wire_free(struct wire *w, uint64_t address)
{
    w->free[w->free_count++] = address / FRAME_SIZE * FRAME_SIZE;
}

static void collect(struct wire *w, struct port *p)
{
    uint32_t at, n = xsk_ring_cons__peek(&p->done, RING_SIZE, &at);

    for (uint32_t i = 0; i < n; i++)
        wire_free(w, *xsk_ring_cons__comp_addr(&p->done, at + i));
    xsk_ring_cons__release(&p->done, n);
}

static void refill(struct wire *w, struct port *p)
{
    uint32_t at, n = xsk_prod_nb_free(&p->fill, RING_SIZE / 2);

    if (n > w->free_count)
        n = w->free_count;
    if (n == 0 || xsk_ring_prod__reserve(&p->fill, n, &at) != n)
        return;
    for (uint32_t i = 0; i < n; i++)
        *xsk_ring_prod__fill_addr(&p->fill, at + i) = w->free[--w->free_count];
    xsk_ring_prod__submit(&p->fill, n);
}

static void kick(struct port *p)
{
    if (p->unsent == 0)
        return;
    xsk_ring_prod__submit(&p->tx, p->unsent);
    p->unsent = 0;
}

void wire_turn(struct wire *w)
{
    for (int i = 0; i < 2; i++) {
        struct port *p = &w->port[i];

        kick(p);
        if (xsk_ring_prod__needs_wakeup(&p->tx))
            sendto(xsk_socket__fd(p->socket), NULL, 0, MSG_DONTWAIT, NULL, 0);
        collect(w, p);
        refill(w, p);
    }
}

uint32_t wire_receive(struct wire *w, int port, struct xdp_desc *out)
{
    struct port *p = &w->port[port];
    uint32_t at, n = xsk_ring_cons__peek(&p->rx, BATCH, &at);

    for (uint32_t i = 0; i < n; i++)
        out[i] = *xsk_ring_cons__rx_desc(&p->rx, at + i);
    xsk_ring_cons__release(&p->rx, n);
    return n;
}

void wire_send(struct wire *w, int port, const struct xdp_desc *frame)
{
    struct port *p = &w->port[port];
    struct xdp_desc *d;
    uint32_t at;

    if (xsk_ring_prod__reserve(&p->tx, 1, &at) != 1) {
        wire_free(w, frame->addr); /* The way out is full: as a wire would, it drops. */
        return;
    }
    d = xsk_ring_prod__tx_desc(&p->tx, at);
    d->addr = frame->addr;
    d->len = frame->len;
    d->options = 0;
    p->unsent++;
}
