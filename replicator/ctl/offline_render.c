#include "contract.h"
#include "offline.h"
#include "render.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int add_table(struct names *n, char table, json_t *entries)
{
    const char *key;
    json_t *value;

    json_object_foreach(entries, key, value)
    {
        char *end;
        unsigned long id = strtoul(key, &end, 10);

        if (end == key || *end != '\0' || id > UINT32_MAX || !json_is_string(value) ||
            names_add(n, table, (uint32_t)id, (const uint8_t *)json_string_value(value),
                      json_string_length(value)) != 0)
            return -1;
    }
    return 0;
}

static int read_names(struct names *n, json_t *in)
{
    names_clear(n);
    return add_table(n, 'z', json_object_get(in, "zones")) != 0 ||
                   add_table(n, 'p', json_object_get(in, "policies")) != 0 ||
                   add_table(n, 'i', json_object_get(in, "interfaces")) != 0 ||
                   add_table(n, 'a', json_object_get(in, "applications")) != 0 ||
                   add_table(n, 'f', json_object_get(in, "filters")) != 0
               ? -1
               : 0;
}

struct job {
    struct render_options o;
    struct record r;
    struct names names;
    bool in_doubt;
};

static int set_tag(struct job *j, uint64_t origin, uint64_t epoch, uint64_t sequence)
{
    if (origin >= NODE_COUNT || epoch > UINT32_MAX || sequence < 1 || sequence > SEQUENCE_MAX)
        return -1;
    j->r.origin = (uint8_t)origin;
    j->r.epoch = (uint32_t)epoch;
    j->r.sequence = (uint32_t)sequence;
    return 0;
}

/* {"origin": 0, "epoch": 12, "seq": 345, "in-doubt": true} */
static int read_tag_object(struct job *j, json_t *tag)
{
    uint64_t origin, epoch, sequence;

    j->in_doubt = json_is_true(json_object_get(tag, "in-doubt"));
    if (offline_integer(json_object_get(tag, "origin"), &origin) != 0 ||
        offline_integer(json_object_get(tag, "epoch"), &epoch) != 0 ||
        offline_integer(json_object_get(tag, "seq"), &sequence) != 0)
        return -1;
    return set_tag(j, origin, epoch, sequence);
}

/* "ORIGIN/EPOCH/SEQUENCE", and "!" when in doubt. */
static int read_tag(struct job *j, json_t *tag)
{
    unsigned long origin, epoch, sequence;
    int end = 0;
    const char *s = json_string_value(tag);

    if (s == NULL || sscanf(s, "%1lu/%10lu/%10lu%n", &origin, &epoch, &sequence, &end) != 3)
        return -1;
    j->in_doubt = s[end] == '!';
    return s[end + j->in_doubt] == '\0' ? set_tag(j, origin, epoch, sequence) : -1;
}

/* The reference's userspace producer is known by its empty timestamp. */
static int read_source(struct job *j, json_t *source)
{
    static const char *const words[] = {"ring", "event-stream", "bpf"};

    if (source == NULL) {
        j->r.source = get_le64(j->r.event + EVENT_TIME) == 0 ? SOURCE_EVENT_STREAM : SOURCE_BPF;
        return 0;
    }
    for (uint8_t i = 0; i < 3; i++) {
        if (json_is_string(source) && strcmp(json_string_value(source), words[i]) == 0) {
            j->r.source = i;
            return 0;
        }
    }
    return -1;
}

static int hostname(struct job *j, json_t *name)
{
    const char *s = name != NULL ? json_string_value(name) : "-";

    if (s == NULL || strlen(s) >= sizeof(j->o.hostname) || s[0] == '\0')
        return -1;
    for (const char *c = s; *c != '\0'; c++) {
        if (*c <= ' ' || *c > '~')
            return -1;
    }
    strcpy(j->o.hostname, s);
    return 0;
}

static const char *read_job(struct job *j, json_t *in, const uint8_t *event)
{
    json_t *tag = json_object_get(in, "tag");
    json_t *form = json_object_get(in, "tag_form");

    memset(&j->o, 0, sizeof(j->o));
    memset(&j->r, 0, sizeof(j->r));
    memcpy(j->r.event, event, EVENT_SIZE);
    j->in_doubt = false;
    j->r.kind = RECORD_ALG_REQUEST; /* Of the contract's; the event has the type. */
    j->o.tag = TAG_NONE;
    j->o.verbatim = true; /* To be compared with what the reference renders. */
    if (offline_integer(json_object_get(in, "session_id"), &j->o.session_id) != 0)
        return "session_id: no integer";
    if (offline_integer(json_object_get(in, "time_ns"), &j->r.time_ns) != 0)
        return "time_ns: no integer";
    if (read_names(&j->names, json_object_get(in, "names")) != 0)
        return "names: no tables of decimal ids to strings";
    if (hostname(j, json_object_get(in, "hostname")) != 0)
        return "hostname: no host name";
    if (read_source(j, json_object_get(in, "source")) != 0)
        return "source: none of ring, event-stream, bpf";
    if (json_is_null(tag) || tag == NULL)
        return NULL;
    j->o.tag = json_is_string(form) && strcmp(json_string_value(form), "element") == 0 ? TAG_ELEMENT
                                                                                       : TAG_INLINE;
    return (json_is_object(tag) ? read_tag_object(j, tag) : read_tag(j, tag)) == 0
               ? NULL
               : "tag: not ORIGIN/EPOCH/SEQUENCE";
}

/* A text as it is, or NAME_hex when it is not UTF-8. */
static void set_text(json_t *out, struct job *j, enum render_format format, const char *name)
{
    static uint8_t bytes[RENDER_MAX];
    char hex_name[32];
    json_t *text;
    size_t len;

    j->o.format = format;
    j->o.bare = format != FORMAT_RFC5424;
    len = render_record(&j->o, &j->names, &j->r, j->in_doubt, bytes, sizeof(bytes));
    text = format != FORMAT_BINARY ? json_stringn((const char *)bytes, len) : NULL;
    if (text == NULL && format != FORMAT_BINARY) {
        snprintf(hex_name, sizeof(hex_name), "%s_hex", name);
        name = hex_name;
    }
    json_object_set_new(out, name, text != NULL ? text : offline_hex_string(bytes, len));
}

static json_t *type_string(uint8_t type)
{
    const char *name = contract_type(type);

    return name != NULL ? json_string(name) : json_sprintf("UNKNOWN(%u)", type);
}

json_t *offline_render(json_t *in)
{
    static const char *const keys[] = {"type",       "severity", "category", "standard",
                                       "structured", "binary",   "rfc5424"};
    static struct job job;
    static uint8_t event[65536];
    long len = offline_hex(json_object_get(in, "event"), event, sizeof(event));
    const char *wrong;
    json_t *out;

    if (len < 0)
        return offline_error("event: no hex");
    out = json_pack("{s:b}", "accepted", len >= EVENT_SIZE);
    if (len < EVENT_SIZE) {
        for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
            json_object_set_new(out, keys[i], json_null());
        return out;
    }
    wrong = read_job(&job, in, event);
    if (wrong != NULL) {
        json_decref(out);
        return offline_error(wrong);
    }
    json_object_set_new(out, "type", type_string(event[EVENT_TYPE]));
    json_object_set_new(out, "severity", json_integer(render_severity(&job.r)));
    json_object_set_new(out, "category", json_integer(render_category(&job.r)));
    set_text(out, &job, FORMAT_STANDARD, "standard");
    set_text(out, &job, FORMAT_STRUCTURED, "structured");
    set_text(out, &job, FORMAT_BINARY, "binary");
    set_text(out, &job, FORMAT_RFC5424, "rfc5424");
    return out;
}
