/* A thread for what may wait for a disk: its caller waits too, but is called back meanwhile.  One
 * caller, one thread, so that the order of things stays what it is without it. */
#ifndef EVREP_BESIDE_H
#define EVREP_BESIDE_H

struct beside;

/* meanwhile(ctx): each BESIDE_MS of a wait, in the caller's thread.  NULL: no memory, no thread. */
struct beside *beside_open(void (*meanwhile)(void *ctx), void *ctx);
void beside_close(struct beside *b);
/* What work(arg) returns.  Not from within `meanwhile`. */
int beside_run(struct beside *b, int (*work)(void *arg), void *arg);

#endif
