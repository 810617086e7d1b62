#include "relp_frame.h"

#include <string.h>

enum { IN_TXNR, IN_COMMAND, IN_LENGTH, IN_DATA, AT_END, REFUSED };

static int number(struct relp_reader *r, uint8_t byte, size_t max, size_t *value)
{
    if (byte < '0' || byte > '9' || r->digits == 9)
        return -1;
    r->digits++;
    *value = *value * 10 + (size_t)(byte - '0');
    return *value <= max ? 0 : -1;
}

static int in_txnr(struct relp_reader *r, uint8_t byte)
{
    size_t value = r->frame.txnr;

    if (byte == ' ' && r->digits > 0) {
        r->state = IN_COMMAND;
        return 0;
    }
    if (number(r, byte, RELP_TXNR_MAX, &value) != 0)
        return -1;
    r->frame.txnr = (uint32_t)value;
    return 0;
}

static int in_command(struct relp_reader *r, uint8_t byte)
{
    if (byte == ' ' && r->command_len > 0) {
        r->frame.command[r->command_len] = '\0';
        r->digits = 0;
        r->state = IN_LENGTH;
        return 0;
    }
    if (byte < 'A' || byte > 'z' || r->command_len == RELP_COMMAND_MAX)
        return -1;
    r->frame.command[r->command_len++] = (char)byte;
    return 0;
}

/* Without data a blank may still come, as some send it. */
static int in_length(struct relp_reader *r, uint8_t byte)
{
    if (r->digits == 0 || (byte != ' ' && byte != '\n'))
        return number(r, byte, RELP_DATA_MAX, &r->frame.len);
    if (byte == '\n') {
        r->state = IN_TXNR;
        return r->frame.len == 0 ? 1 : -1;
    }
    r->state = r->frame.len > 0 ? IN_DATA : AT_END;
    return 0;
}

static int in_data(struct relp_reader *r, uint8_t byte)
{
    if (r->frame.kept < RELP_DATA_KEPT)
        r->frame.data[r->frame.kept++] = (char)byte;
    if (++r->seen == r->frame.len)
        r->state = AT_END;
    return 0;
}

static int take(struct relp_reader *r, uint8_t byte)
{
    switch (r->state) {
    case IN_TXNR:
        return in_txnr(r, byte);
    case IN_COMMAND:
        return in_command(r, byte);
    case IN_LENGTH:
        return in_length(r, byte);
    case IN_DATA:
        return in_data(r, byte);
    case AT_END:
        r->state = IN_TXNR;
        return byte == '\n' ? 1 : -1;
    default:
        return -1;
    }
}

static void start(struct relp_reader *r)
{
    r->digits = r->command_len = r->seen = 0;
    r->frame.txnr = 0;
    r->frame.len = r->frame.kept = 0;
}

int relp_read(struct relp_reader *r, const uint8_t **at, const uint8_t *end)
{
    while (*at < end) {
        int rc;

        if (r->state == IN_TXNR && r->digits == 0)
            start(r);
        rc = take(r, *(*at)++);
        if (rc < 0)
            r->state = REFUSED;
        if (rc == 1) {
            r->digits = 0;
            r->frame.data[r->frame.kept] = '\0';
        }
        if (rc != 0)
            return rc;
    }
    return 0;
}

int relp_response_code(const struct relp_frame *f)
{
    int code = 0;

    if (strcmp(f->command, "rsp") != 0 || f->kept < 3)
        return -1;
    for (int i = 0; i < 3; i++) {
        if (f->data[i] < '0' || f->data[i] > '9')
            return -1;
        code = code * 10 + (f->data[i] - '0');
    }
    return code;
}
