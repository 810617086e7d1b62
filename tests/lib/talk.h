/* One TCP connection through a box.  After cmocka.h. */
#ifndef EVREP_TEST_TALK_H
#define EVREP_TEST_TALK_H

#include "box.h"

#define OUT                                                                                        \
    .from = "10.0.0.1", .to = "10.0.0.2", .protocol = 6, .source_port = 1024, .destination_port = 80
#define BACK                                                                                       \
    .from = "10.0.0.2", .to = "10.0.0.1", .protocol = 6, .source_port = 80, .destination_port = 1024

/* The frame passes, and goes out on the other side. */
static inline void say(struct box *b, uint8_t port, struct frame f)
{
    assert_true(box_send(b, port, &f));
    assert_int_equal(b->d.port, port ^ 1);
}

#endif
