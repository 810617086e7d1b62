/* A TCP connection of a sink: to an address of a name that takes it, and again after a pause when
 * it ends.  The name is resolved anew at each try, its addresses are tried in turn, from the one on
 * that took it last; or behind that, if it ended soon and confirmed nothing. */
#ifndef EVREP_SINK_CONN_H
#define EVREP_SINK_CONN_H

#include "address.h"
#include "sink.h"

enum { CONN_CONNECT_MS = 10000, CONN_READ_BYTES = 16384 };

struct conn;

struct conn_ops { /* All from the loop. */
    /* Before each try; NULL: nothing to do.  false, with one line in why: it would be in vain. */
    bool (*prepare)(struct conn *c, char why[SINK_ERROR_MAX]);
    void (*connected)(struct conn *c);
    void (*adopted)(struct conn *c);                           /* Instead, when it is `adopt`. */
    void (*data)(struct conn *c, const uint8_t *at, size_t n); /* NULL: what comes is dropped. */
    void (*drained)(struct conn *c);                           /* conn_send() takes more. */
    void (*poll)(struct conn *c); /* Every CONN_POLL_MS while conn_poll() asked for it. */
    /* It is over: take what is certain; nothing can be sent any more. */
    void (*ending)(struct conn *c);
};

struct conn {
    struct sink *sink;
    const struct conn_ops *ops;
    uv_tcp_t tcp;
    uv_timer_t retry, limit, poll;
    uv_getaddrinfo_t resolve;
    uv_connect_t connect;
    uv_write_t write;
    char host[ADDRESS_HOST_MAX], port[ADDRESS_PORT_MAX];
    char shown[INET6_ADDRSTRLEN + ADDRESS_PORT_MAX]; /* The address that was tried last. */
    int adopt; /* A connection of another process to go on with; -1: none. */
    bool busy, has_tcp, timed_out, open, writing;
    bool finished; /* The other side ended it in order (FIN), not by a reset. */
    struct addrinfo *list;
    size_t addresses, first, tried; /* first: which one is tried first. */
    bool slow;                      /* One of them did not answer, which was said. */
    uint64_t began_ms, confirmed;   /* When it connected, and what the sink had confirmed then. */
    uint8_t read[CONN_READ_BYTES];
};

/* 0, or -1 with one line in err; the first try starts from the loop. */
int conn_open(struct conn *c, struct sink *s, const struct conn_ops *ops, char *err,
              size_t err_size);
/* Ends the connection, tells the sink's host once, and tries again after a pause. */
void conn_end(struct conn *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Read before write: takes what has come; false: it has ended, so that bytes would go into the
 * void. */
bool conn_read_now(struct conn *c);
/* The bytes have to stay until `drained` when it returns with `writing` set.  Only while not
 * `writing`.  false: it has ended. */
bool conn_send(struct conn *c, const uint8_t *at, size_t n);
/* Bytes that the other side's TCP stack has acknowledged; 0 when that is unknown.  Ends a
 * connection whose other side has been gone for long; one that only stalls is waited for. */
uint64_t conn_acked(struct conn *c);
int conn_fd(const struct conn *c);
void conn_poll(struct conn *c, bool on);

#endif
