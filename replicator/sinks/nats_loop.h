/* A connection of libnats on a libuv loop.
 *
 * libnats/adapters/libuv.h connects on the loop, which blocks it; here another thread connects, and
 * the loop only ever reads and writes what is ready.  What a turn of the loop published is written
 * at once before it waits, and polled for only where the socket took no more.  Nothing is allocated
 * for a change of what is polled.
 *
 * Over TLS libnats waits, for ever, for the rest of a record and for room in the socket: so it is
 * let read only when a whole record is here, and write only what there is room for. */
#ifndef EVREP_NATS_LOOP_H
#define EVREP_NATS_LOOP_H

#include <nats/nats.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <uv.h>

struct nats_loop {
    uv_loop_t *loop;
    uv_async_t changed;
    uv_prepare_t before_wait;
    uv_poll_t *poll; /* Of a duplicate of the socket: libnats closes its own in any thread. */
    uv_thread_t thread;
    _Atomic(natsConnection *) nc; /* As attached. */
    atomic_int socket;            /* To be polled from now on; -1: none. */
    atomic_int events;
    atomic_bool ready;
    atomic_bool closed; /* The connection ended by itself. */
    int polled, polled_fd, low_water;
    bool heard, tls; /* As the first byte tells: libnats speaks it to a server that wants it. */
    int write_most;  /* Over TLS: so many bytes fit whenever the socket can be written to. */
    /* On the loop: something was read or written, or the connection has ended. */
    void (*on_io)(void *ctx);
    void *ctx;
};

/* Call on the loop's thread.  0 or a libuv error. */
int nats_loop_init(struct nats_loop *l, uv_loop_t *loop, void (*on_io)(void *ctx), void *ctx);
/* Before a connection is made with `o`, in any thread, while none lives. */
natsStatus nats_loop_use(struct nats_loop *l, natsOptions *o);
/* That is made, so that nobody but the loop reads from it any more. */
void nats_loop_begin(struct nats_loop *l);
/* Nothing more may be published now.  on_io is called once it may. */
bool nats_loop_full(const struct nats_loop *l);
/* On the loop, before the connection is destroyed (in any thread). */
void nats_loop_stop(struct nats_loop *l);
/* At least so many bytes will come: it need not be woken for fewer.  1: for any.  They must come:
 * nothing less is heard until then, but for the end of the connection.  Over TLS it is woken for
 * any. */
void nats_loop_expect(struct nats_loop *l, int bytes);
bool nats_loop_closed(const struct nats_loop *l);

#endif
