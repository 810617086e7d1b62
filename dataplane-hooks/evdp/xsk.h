/* The ends of the wires as AF_XDP sockets: one for each interface and queue.  A lane is queue q of
 * every interface, with a UMEM of its own, for one worker: workers share no ring and no frame. */
#ifndef EVDP_XSK_H
#define EVDP_XSK_H

#include "config.h"

#include <xdp/xsk.h>

enum { FRAME_SIZE = 4096, RING_SIZE = 2048, FRAMES_OF_PORT = 2 * RING_SIZE, BATCH = 64 };

struct port { /* An interface: the end of a wire. */
    char name[16];
    unsigned ifindex; /* 0: it is gone, and waited for. */
    uint8_t mac[6];
    int link; /* Of the XDP program; goes with the process.  -1: none. */
    bool native;
    int native_error; /* Why not, when native was tried. */
    struct redirect *program;
};

struct ports {
    uint32_t count, queues;
    struct port port[PORTS_MAX];
};

/* Programs attached; the queues of all interfaces counted and found equal.  0, or -1 with one line
 * in err. */
int ports_open(struct ports *p, const struct evdp_config *c, char *err, size_t err_size);
void ports_close(struct ports *p);
/* The interface is gone, or is to be tried again later. */
void port_forget(struct port *p);
/* One that was forgotten is there again: as ports_open() does it, or -1 with one line in err. */
int port_return(struct ports *p, uint32_t i, enum evdp_mode mode, char *err, size_t err_size);

struct lane_port { /* Zeroed before use: libxdp leaves parts of the rings as they are. */
    struct xsk_socket *socket; /* NULL: the port is gone. */
    struct xsk_ring_prod fill, tx;
    struct xsk_ring_cons done, rx;
    uint32_t unsent; /* Frames in tx that the kernel was not told of. */
};

struct lane {
    uint32_t queue, port_count;
    struct lane_port port[PORTS_MAX];
    struct xsk_umem *umem;
    uint8_t *area;
    size_t area_size;
    uint64_t free[PORTS_MAX * FRAMES_OF_PORT]; /* Addresses of frames that nobody holds. */
    uint32_t free_count;
};

/* Ports that are gone get no socket: nothing comes from there, and what is sent there is dropped.
 */
int lane_open(struct lane *l, struct ports *p, uint32_t queue, char *err, size_t err_size);
void lane_close(struct lane *l);
/* Tells the kernel of new frames to send, collects those that were sent, gives back empty ones. */
void lane_turn(struct lane *l);
/* Up to BATCH received frames of a port; they are the caller's until lane_send() or lane_free(). */
uint32_t lane_receive(struct lane *l, uint32_t port, struct xdp_desc *out);
/* false: no room on the way out; the frame is freed. */
bool lane_send(struct lane *l, uint32_t port, const struct xdp_desc *frame);
void lane_free(struct lane *l, uint64_t address);
/* An empty frame for something to say; false: none. */
bool lane_take(struct lane *l, uint64_t *address);

struct lane_counts { /* XDP_STATISTICS of a socket. */
    uint64_t rx_dropped, rx_ring_full, fill_ring_empty, tx_ring_empty, invalid;
};
bool lane_counts(const struct lane *l, uint32_t port, struct lane_counts *out);

#endif
