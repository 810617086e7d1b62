/* Between the files that decide. */
#ifndef EVDP_DECIDE_PARTS_H
#define EVDP_DECIDE_PARTS_H

#include "decide.h"

struct job { /* One frame on its way. */
    const struct rules *r;
    struct state *s;
    const struct arrival *at;
    uint8_t *frame;
    size_t room;
    uint64_t now_ns;
    struct packet p;
    struct flow flow;
    uint64_t hash;
    struct shard *shard; /* Locked. */
    uint8_t port_out;
    enum { CHALLENGE_NONE, CHALLENGE_STILL, CHALLENGE_NOW } challenge; /* Answer with a cookie. */
    struct event_where where;
    struct decision *d;
};

static inline uint16_t turn_of(const struct state *s, uint8_t group)
{
    return atomic_load_explicit(&s->turn[group], memory_order_relaxed);
}

/* The slot for one more event, of this node's current names. */
uint8_t *job_event(struct job *j);
void job_screened(struct job *j, uint32_t flag);
void job_forward(struct job *j, uint8_t port);
/* A refusal with an answer to the sender, as far as one may be given. */
void job_reject(struct job *j);
const struct zone *job_zone(const struct job *j);
void job_set_out(struct job *j, uint8_t port);

/* ---- decide_filter.c: false: the packet ends here ---- */

enum { PLACE_PBR, PLACE_INPUT, PLACE_OUTPUT, PLACES };
bool filter_place(struct job *j, enum filter_place place, uint16_t *index);
bool filter_session(struct job *j, struct session *s, int direction);
/* A packet that goes the way of a session and is not of its flow: no term of the session is its. */
bool filter_stray(struct job *j);

/* ---- decide_flow.c ---- */

void decide_flow(struct job *j);
/* The client's first packet, as far as a policy looks at it. */
struct packet as_first(const struct session *s);
/* Emits the close when its policy asks for it, and frees the session. */
void end_session(struct state *s, struct shard *h, struct session *e, uint8_t reason,
                 uint64_t now_ns, struct decision *d);

/* ---- decide_new.c ---- */

void decide_new(struct job *j);
/* The policy for the packet; false: it is refused. */
bool job_pass_policy(struct job *j, const struct policy **q, uint16_t *application);
/* What a session has of the policy that permits it. */
void job_fill(struct job *j, struct session *s, const struct policy *q, uint16_t application);

/* ---- proxy.c: TCP whose client proved itself by a SYN cookie ---- */

/* Whether a SYN is to be answered with a cookie.  exceeds: they come too fast at this moment. */
int proxy_state(struct job *j, bool exceeds);
/* Answers a SYN with a cookie. */
void proxy_challenge(struct job *j);
enum proxy_answer { PROXY_NOT_ASKED, PROXY_BAD, PROXY_GOOD };
/* Whether a segment without a session answers a cookie; good: mss is the client's. */
enum proxy_answer proxy_check(struct job *j, uint16_t *mss);
/* The session begins: the frame becomes the SYN to the server. */
void proxy_begin(struct job *j, struct session *s, uint16_t mss);
/* Its time is over and the server did not answer: the SYN is sent again.  false: often enough, and
 * the client is told by an RST. */
bool proxy_ask_again(struct shard *h, struct session *s, uint64_t now_ns, struct decision *d);
/* How long it waits for the first answer. */
#define PROXY_WAIT_NS 1000000000ull
/* A packet of such a session: numbers are shifted.  false: it does not go on. */
bool proxy_packet(struct job *j, struct session *s, int direction);
/* An ICMP error that is about a packet of such a session (q). */
void proxy_error(struct job *j, const struct packet *q, const struct session *s, int direction);

#endif
