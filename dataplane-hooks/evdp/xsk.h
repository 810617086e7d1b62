/* Two interfaces as one virtual wire: an AF_XDP socket on queue 0 of each, sharing one UMEM. */
#ifndef EVDP_XSK_H
#define EVDP_XSK_H

#include "config.h"

#include <xdp/xsk.h>

enum { FRAMES = 8192, FRAME_SIZE = 4096, RING_SIZE = 2048, BATCH = 64 };

struct port { /* Zeroed before use: libxdp leaves parts of the rings as they are. */
    char name[16];
    unsigned ifindex;
    int link; /* Of the XDP program; goes with the process. */
    bool native;
    struct bpf_object *program;
    struct xsk_socket *socket;
    struct xsk_ring_prod fill, tx;
    struct xsk_ring_cons done, rx;
    uint32_t unsent; /* Frames in tx that the kernel was not told of. */
};

struct wire {
    struct port port[2]; /* left, right */
    struct xsk_umem *umem;
    uint8_t *area;
    uint64_t free[FRAMES]; /* Addresses of frames that nobody holds. */
    uint32_t free_count;
};

/* 0, or -1 with one line in err. */
int wire_open(struct wire *w, const struct evdp_config *c, char *err, size_t err_size);
void wire_close(struct wire *w);
/* Gives frames back to the kernel, collects those that were sent, and tells it of new ones. */
void wire_turn(struct wire *w);
/* Up to BATCH received frames of a port; they are the caller's until wire_send() or wire_free(). */
uint32_t wire_receive(struct wire *w, int port, struct xdp_desc *out);
void wire_send(struct wire *w, int port, const struct xdp_desc *frame);
void wire_free(struct wire *w, uint64_t address);

#endif
