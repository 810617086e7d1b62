/* What a client of the operator's socket asks for; pure. */
#include "control.h"

#include <stdint.h>
#include <string.h>

static int refuse(struct control_request *r, const char **why, const char *text)
{
    *why = text;
    control_parse_free(r);
    return -1;
}

int control_parse(const char *line, size_t len, struct control_request *out, const char **why)
{
    json_t *args, *arg;
    size_t i;

    memset(out, 0, sizeof(*out));
    out->root = json_loadb(line, len, JSON_REJECT_DUPLICATES, NULL);
    out->command = json_string_value(json_object_get(out->root, "command"));
    if (out->command == NULL)
        return refuse(out, why, "not a request: {\"command\": \"watermark\", \"args\": []}");
    args = json_object_get(out->root, "args");
    if (args != NULL && !json_is_array(args))
        return refuse(out, why, "\"args\" is not a list");
    if (json_array_size(args) > REQUEST_ARGS_MAX)
        return refuse(out, why, "too many arguments");
    json_array_foreach(args, i, arg)
    {
        out->argv[out->argc] = json_string_value(arg);
        if (out->argv[out->argc++] == NULL)
            return refuse(out, why, "an argument that is not a string");
    }
    return 0;
}

void control_parse_free(struct control_request *r)
{
    json_decref(r->root);
    memset(r, 0, sizeof(*r));
}

/* Digits only, up to one that is none: that is where *text points then. */
static bool take_number(const char **text, unsigned max, unsigned *out)
{
    const char *from = *text;
    uint64_t v = 0;

    for (; **text >= '0' && **text <= '9' && v <= max; (*text)++)
        v = v * 10 + (uint64_t)(**text - '0');
    *out = (unsigned)v;
    return *text != from && v <= max;
}

bool control_number(const char *text, unsigned max, unsigned *out)
{
    return text != NULL && take_number(&text, max, out) && *text == '\0';
}

bool control_position(const char *text, unsigned *origin, unsigned *epoch, unsigned *sequence)
{
    return take_number(&text, 1, origin) && *text++ == '/' &&
           take_number(&text, UINT32_MAX, epoch) && *text++ == '/' &&
           take_number(&text, UINT32_MAX, sequence) && *text == '\0' && *sequence != 0;
}
