/* links: PkgConfig::NATS */
/* What a test does to a JetStream stream.
 *   jsstream URL make STREAM SUBJECT REPLICAS   creates it, waiting up to 20 s for the servers
 *   jsstream URL dump STREAM SUBJECT            prints its messages, one a line, in its order
 */
#include <nats/nats.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { TRIES = 200, PAUSE_NS = 100000000 };

static int fail(const char *what, natsStatus s)
{
    fprintf(stderr, "jsstream: %s: %s\n", what, natsStatus_GetText(s));
    return 1;
}

static natsStatus again(natsStatus s, int try)
{
    struct timespec t = {.tv_nsec = PAUSE_NS};

    if (s != NATS_OK && try + 1 < TRIES)
        nanosleep(&t, NULL);
    return s;
}

static int make(jsCtx *js, const char *stream, const char *subject, const char *replicas)
{
    jsStreamConfig c;
    jsStreamInfo *info = NULL;
    natsStatus s = NATS_ERR;

    jsStreamConfig_Init(&c);
    c.Name = stream;
    c.Subjects = &subject;
    c.SubjectsLen = 1;
    c.Replicas = atoi(replicas);
    for (int i = 0; i < TRIES && s != NATS_OK; i++)
        s = again(js_AddStream(&info, js, &c, NULL, NULL), i);
    jsStreamInfo_Destroy(info);
    return s == NATS_OK ? 0 : fail("cannot create the stream", s);
}

static int dump_message(natsMsg *m, uint64_t *sequence)
{
    jsMsgMetaData *meta = NULL;
    natsStatus s = natsMsg_GetMetaData(&meta, m);

    if (s != NATS_OK)
        return fail("a message without a place", s);
    *sequence = meta->Sequence.Stream;
    jsMsgMetaData_Destroy(meta);
    fwrite(natsMsg_GetData(m), 1, (size_t)natsMsg_GetDataLength(m), stdout);
    putchar('\n');
    return 0;
}

static int dump(jsCtx *js, const char *stream, const char *subject)
{
    natsSubscription *sub = NULL;
    jsStreamInfo *info = NULL;
    jsSubOptions so;
    uint64_t at = 0, last;
    natsStatus s = NATS_ERR;

    for (int i = 0; i < TRIES && s != NATS_OK; i++)
        s = again(js_GetStreamInfo(&info, js, stream, NULL, NULL), i);
    if (s != NATS_OK)
        return fail("no such stream", s);
    last = info->State.LastSeq;
    jsStreamInfo_Destroy(info);
    jsSubOptions_Init(&so);
    so.Stream = stream;
    so.Ordered = true;
    s = js_SubscribeSync(&sub, js, subject, NULL, &so, NULL);
    while (s == NATS_OK && at < last) {
        natsMsg *m = NULL;

        s = natsSubscription_NextMsg(&m, sub, 10000);
        if (s == NATS_OK && dump_message(m, &at) != 0)
            return 1;
        natsMsg_Destroy(m);
    }
    natsSubscription_Destroy(sub);
    return s == NATS_OK ? 0 : fail("cannot read the stream", s);
}

int main(int argc, char **argv)
{
    natsConnection *nc = NULL;
    jsCtx *js = NULL;
    natsStatus s = NATS_ERR;
    int rc;

    if (argc != 5 + (argc > 2 && strcmp(argv[2], "make") == 0)) {
        fputs("usage: jsstream URL make STREAM SUBJECT REPLICAS | dump STREAM SUBJECT\n", stderr);
        return 2;
    }
    for (int i = 0; i < TRIES && s != NATS_OK; i++)
        s = again(natsConnection_ConnectTo(&nc, argv[1]), i);
    if (s == NATS_OK)
        s = natsConnection_JetStream(&js, nc, NULL);
    if (s != NATS_OK)
        return fail("cannot connect", s);
    rc = argc == 6 ? make(js, argv[3], argv[4], argv[5]) : dump(js, argv[3], argv[4]);
    jsCtx_Destroy(js);
    natsConnection_Destroy(nc);
    nats_Close();
    return rc;
}
