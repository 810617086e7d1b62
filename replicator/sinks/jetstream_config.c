#include "jetstream_config.h"
#include "jetstream_ack.h"

#include <inttypes.h>
#include <stdio.h>

enum { LIMITS = 4, SECOND_NS = 1000000000 };

struct limit {
    const char *name, *unit;
    int64_t value, least;
    bool removes; /* What is older; else it refuses what is new, and says so. */
};

static void read_limits(const jsStreamConfig *c, struct limit l[LIMITS])
{
    bool old = c->Discard == js_DiscardOld;

    l[0] = (struct limit){"max_msgs_per_subject", "", c->MaxMsgsPerSubject,
                          JETSTREAM_LEAST_MESSAGES, old || !c->DiscardNewPerSubject};
    l[1] = (struct limit){"max_msgs", "", c->MaxMsgs, JETSTREAM_LEAST_MESSAGES, old};
    l[2] = (struct limit){"max_bytes", "", c->MaxBytes, JETSTREAM_LEAST_BYTES, old};
    l[3] = (struct limit){"max_age", " s", c->MaxAge > 0 ? c->MaxAge / SECOND_NS : -1,
                          JETSTREAM_LEAST_AGE_S, true};
}

static int check_limits(const struct jetstream_place *p, const jsStreamConfig *c, char *err)
{
    struct limit l[LIMITS];

    read_limits(c, l);
    for (int i = 0; i < LIMITS; i++) {
        bool set = l[i].value > 0 || (i == LIMITS - 1 && l[i].value == 0);

        if (!set || !l[i].removes || l[i].value >= l[i].least)
            continue;
        snprintf(err, JETSTREAM_ERROR_MAX,
                 "stream %.64s removes records before anybody may have read them (%s is %" PRId64
                 "%s): raise it to %" PRId64 "%s at least",
                 p->stream, l[i].name, l[i].value, l[i].unit, l[i].least, l[i].unit);
        return -1;
    }
    return 0;
}

static bool covers(const jsStreamConfig *c, const char *subject)
{
    for (int i = 0; i < c->SubjectsLen; i++) {
        if (jetstream_matches(c->Subjects[i], subject))
            return true;
    }
    return false;
}

static const char *what_is_wrong(const jsStreamConfig *c)
{
    if (c->Retention != js_LimitsPolicy)
        return "has another retention than limits, so that its last record says nothing";
    if (c->NoAck)
        return "does not acknowledge (no_ack)";
    if (c->Sealed)
        return "is sealed";
    return c->Mirror != NULL ? "is a mirror" : NULL;
}

int jetstream_config_check(const struct jetstream_place *p, const jsStreamConfig *c,
                           char err[JETSTREAM_ERROR_MAX])
{
    const char *wrong = what_is_wrong(c);

    if (wrong != NULL) {
        snprintf(err, JETSTREAM_ERROR_MAX, "stream %.64s %s: use another stream", p->stream, wrong);
        return -1;
    }
    if (c->MaxMsgSize > 0 && c->MaxMsgSize < JETSTREAM_MESSAGE_MAX) {
        snprintf(err, JETSTREAM_ERROR_MAX,
                 "stream %.64s takes %" PRId32 " bytes a message (max_msg_size), and a record may "
                 "have %d: raise it",
                 p->stream, c->MaxMsgSize, JETSTREAM_MESSAGE_MAX);
        return -1;
    }
    if (check_limits(p, c, err) != 0)
        return -1;
    if (covers(c, p->subject))
        return 0;
    snprintf(err, JETSTREAM_ERROR_MAX,
             "stream %.64s does not take subject %.100s: add it to its subjects", p->stream,
             p->subject);
    return -1;
}

void jetstream_config_note(struct jetstream_place *p, const jsStreamConfig *c)
{
    struct limit l[LIMITS];
    char which[128] = "";
    size_t n = 0;

    read_limits(c, l);
    for (int i = 0; i < LIMITS; i++) {
        if (l[i].value > 0 && l[i].removes)
            n += (size_t)snprintf(which + n, sizeof(which) - n, "%s%s %" PRId64 "%s",
                                  n > 0 ? ", " : "", l[i].name, l[i].value, l[i].unit);
    }
    p->note[0] = '\0';
    if (c->Storage == js_MemoryStorage)
        snprintf(p->note, sizeof(p->note),
                 "stream %.64s is kept in memory: what it acknowledges goes with its servers",
                 p->stream);
    else if (n > 0)
        snprintf(p->note, sizeof(p->note),
                 "stream %.64s removes its oldest records, read or not: %s", p->stream, which);
}
