#include "jetstream_link.h"
#include "jetstream_config.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static int open_inbox(struct jetstream_link *k, char *err)
{
    natsInbox *inbox = NULL;
    char pattern[80];
    jsOptions o;
    natsStatus s = natsInbox_Create(&inbox);

    if (s == NATS_OK) {
        snprintf(k->inbox, sizeof(k->inbox), "%s", inbox);
        snprintf(pattern, sizeof(pattern), "%s.*", k->inbox);
        s = natsConnection_SubscribeSync(&k->acks, k->nc, pattern);
    }
    natsInbox_Destroy(inbox);
    jsOptions_Init(&o);
    o.Wait = JETSTREAM_CALL_MS;
    if (s == NATS_OK)
        s = natsConnection_JetStream(&k->js, k->nc, &o);
    return s == NATS_OK ? 0
                        : jetstream_fail_asked(err, "cannot subscribe to the answers", s, k->nc);
}

static int check_payload(const struct jetstream_link *k, char *err)
{
    int64_t most = natsConnection_GetMaxPayload(k->nc);

    if (most <= 0 || most >= JETSTREAM_MESSAGE_MAX)
        return 0;
    snprintf(err, JETSTREAM_ERROR_MAX,
             "the server takes %" PRId64 " bytes a message (max_payload), and a record may have "
             "%d: raise it",
             most, JETSTREAM_MESSAGE_MAX);
    return -1;
}

static int check_stream(struct jetstream_link *k, struct jetstream_place *p, char *err)
{
    jsStreamInfo *info = NULL;
    jsErrCode code = 0;
    natsStatus s = js_GetStreamInfo(&info, k->js, p->stream, NULL, &code);
    int rc;

    if (s == NATS_NOT_FOUND && code == JSStreamNotFoundErr) {
        snprintf(err, JETSTREAM_ERROR_MAX, "stream %s does not exist: create it, for subject %s",
                 p->stream, p->subject);
        return -1;
    }
    if (s == NATS_NO_RESPONDERS || code == JSNotEnabledErr || code == JSNotEnabledForAccountErr) {
        snprintf(err, JETSTREAM_ERROR_MAX, "JetStream is not enabled, or has no leader now");
        return -1;
    }
    if (s != NATS_OK)
        return jetstream_fail_asked(err, p->stream, s, k->nc);
    rc = jetstream_config_check(p, info->Config, err);
    jetstream_config_note(p, info->Config);
    p->replicated = info->Config->Replicas > 1;
    jsStreamInfo_Destroy(info);
    return rc;
}

int jetstream_read_last(struct jetstream_link *k, const struct jetstream_place *p, uint64_t *last,
                        natsMsg **m, char err[JETSTREAM_ERROR_MAX])
{
    jsErrCode code = 0;
    natsStatus s = js_GetLastMsg(m, k->js, p->stream, p->subject, NULL, &code);

    *last = 0;
    if (s == NATS_NOT_FOUND && code == JSNoMessageFoundErr)
        return 0;
    if (s != NATS_OK)
        return jetstream_fail_asked(err, "cannot read the last message", s, k->nc);
    *last = natsMsg_GetSequence(*m);
    return 0;
}

int jetstream_read_end(struct jetstream_link *k, struct jetstream_place *p,
                       char err[JETSTREAM_ERROR_MAX])
{
    natsMsg *m = NULL;
    int rc = jetstream_read_last(k, p, &p->last, &m, err);

    natsMsg_Destroy(m);
    return rc;
}

int jetstream_link_open(struct jetstream_link *k, struct nats_loop *l,
                        char err[JETSTREAM_ERROR_MAX])
{
    if (jetstream_connect(&k->nc, k->o, l, err) != 0 || open_inbox(k, err) != 0 ||
        check_payload(k, err) != 0)
        return -1;
    for (int i = 0; i < NODE_COUNT; i++) {
        struct jetstream_place *p = &k->place[i];
        uint64_t before = p->last; /* Of the connection before. */

        if (check_stream(k, p, err) != 0 || jetstream_read_end(k, p, err) != 0)
            return -1;
        if (p->last < before)
            snprintf(p->note, sizeof(p->note),
                     "stream %.64s has lost records: the last of %.48s is %" PRIu64 ", and was "
                     "%" PRIu64 "; evrepctl sinks replay sends them again",
                     p->stream, p->subject, p->last, before);
        place_look_anew(p);
    }
    return 0;
}

void jetstream_link_tidy(struct jetstream_link *k)
{
    while (k->spent_count > 0)
        natsSubscription_Destroy(k->spent[--k->spent_count]);
}

/* Nothing reads from the connection any more. */
void jetstream_link_close(struct jetstream_link *k)
{
    jetstream_link_tidy(k);
    jsCtx_Destroy(k->js);
    natsSubscription_Destroy(k->acks);
    natsConnection_Destroy(k->nc);
    k->js = NULL;
    k->acks = NULL;
    k->nc = NULL;
}
