/* Fields and code points of the 136-byte event (reference contract, sections 4 and 5). */
#ifndef EVREP_CONTRACT_H
#define EVREP_CONTRACT_H

#include "bytes.h"
#include "record.h"

enum {
    EVENT_TIME = 0,
    EVENT_SOURCE = 8,
    EVENT_DESTINATION = 24,
    EVENT_SOURCE_PORT = 40, /* big-endian */
    EVENT_DESTINATION_PORT = 42,
    EVENT_POLICY = 44,
    EVENT_ZONE_IN = 48,
    EVENT_ZONE_OUT = 50,
    EVENT_TYPE = 52,
    EVENT_PROTOCOL = 53,
    EVENT_ACTION = 54,
    EVENT_FAMILY = 55,
    EVENT_RULE = 56,
    EVENT_TERM = 60,
    EVENT_OWNER_GROUP = 64,
    EVENT_PACKETS_OUT = 56,
    EVENT_BYTES_OUT = 64,
    EVENT_NAT_SOURCE = 72,
    EVENT_NAT_DESTINATION = 88,
    EVENT_NAT_SOURCE_PORT = 104,
    EVENT_NAT_DESTINATION_PORT = 106,
    EVENT_CREATED = 108,
    EVENT_PACKETS_IN = 112,
    EVENT_BYTES_IN = 120,
    EVENT_IFINDEX = 128,
    EVENT_APPLICATION = 132,
    EVENT_REASON = 134,
};

static inline uint16_t event_be16(const uint8_t *event, size_t at)
{
    return (uint16_t)(event[at] << 8 | event[at + 1]);
}

const char *contract_type(uint8_t type);     /* NULL: unknown */
const char *contract_action(uint8_t action); /* NULL: unknown */
const char *contract_close_reason(uint8_t reason);
const char *contract_protocol(uint8_t protocol);    /* NULL: shown as its number */
const char *contract_filter_source(uint8_t source); /* NULL: unknown */
const char *contract_screen(uint32_t flag);         /* NULL: shown in hex */
/* Of rfc5424: what a vSRX calls the screen that this flag stands for; NULL: none. */
const char *contract_attack(uint32_t flag, uint8_t protocol);

enum contract_category { /* Bits; contract 5.1. */
                         CATEGORY_SESSION = 1,
                         CATEGORY_POLICY = 2,
                         CATEGORY_SCREEN = 4,
                         CATEGORY_FIREWALL = 8,
                         CATEGORY_ALL = 15,
};

uint8_t contract_severity(uint8_t type); /* As syslog counts: 3 error, 4 warning, 6 info. */
uint8_t contract_category(uint8_t type); /* CATEGORY_ALL, which passes every filter: unknown. */
/* Seconds from a closed session's creation to its end, 0 when unknown or no close. */
uint32_t contract_elapsed(const uint8_t *event);

#endif
