/* Frames of the reference's event stream (contract sections 1 and 2), as bytes to structs. */
#ifndef EVREP_STREAM_FRAME_H
#define EVREP_STREAM_FRAME_H

#include "record.h"

enum { STREAM_HEADER_SIZE = 16, STREAM_PAYLOAD_MAX = 1024 };

enum stream_type {
    STREAM_SESSION_OPEN = 1,
    STREAM_SESSION_CLOSE = 2,
    STREAM_SESSION_UPDATE = 3,
    STREAM_ACK = 4,
    STREAM_PAUSE = 5,
    STREAM_RESUME = 6,
    STREAM_DRAIN_REQUEST = 7,
    STREAM_DRAIN_COMPLETE = 8,
    STREAM_FULL_RESYNC = 9,
    STREAM_KEEPALIVE = 10,
    STREAM_POLICY_DENY = 11,
    STREAM_SCREEN_DROP = 12,
    STREAM_FILTER_LOG = 13,
};

struct stream_header {
    uint32_t length; /* Of the payload. */
    uint8_t type;
    uint64_t sequence;
};

/* Payload of SESSION_OPEN, _UPDATE and _CLOSE; what a close does not carry is zero.  Addresses are
 * in network order, IPv4 in the first 4 bytes; zero: none. */
struct stream_session {
    uint8_t family; /* 2 or 10, as in the event. */
    uint8_t protocol, flags, zone_in, zone_out, disposition;
    uint16_t source_port, destination_port, nat_source_port, nat_destination_port;
    int16_t owner_group, egress_ifindex, transmit_ifindex;
    uint16_t tunnel_endpoint, transmit_vlan;
    uint8_t source[16], destination[16], nat_source[16], nat_destination[16], next_hop[16];
    uint8_t neighbour_mac[6], source_mac[6];
};

enum { STREAM_FABRIC_REDIRECT = 1, STREAM_FABRIC_INGRESS = 2, STREAM_LOCAL_DELIVERY = 1 };

const char *stream_type_name(uint8_t type); /* NULL: unknown */
/* 0, or -1: longer than a frame may be. */
int stream_header_decode(struct stream_header *h, const uint8_t in[STREAM_HEADER_SIZE]);
/* type: SESSION_OPEN, _UPDATE or _CLOSE.  0, or -1: too short, or no such family.  A longer tail is
 * ignored. */
int stream_session_decode(struct stream_session *s, uint8_t type, const uint8_t *at, size_t len);
/* What it came from, byte for byte; the size.  size: of `out`, 116 are always enough.  close_zones:
 * false as old helpers send a close. */
size_t stream_session_encode(const struct stream_session *s, uint8_t type, bool close_zones,
                             uint8_t *out, size_t size);
void stream_header_encode(const struct stream_header *h, uint8_t out[STREAM_HEADER_SIZE]);
/* The 136-byte event that stands for a session frame; len: of its payload.  What a frame does not
 * tell is zero (the action: 255), and rendered as unknown (record_unknown()). */
void stream_session_event(const struct stream_session *s, uint8_t type, size_t len,
                          uint8_t event[EVENT_SIZE]);
/* The event in the payload of POLICY_DENY, SCREEN_DROP or FILTER_LOG; NULL: too short, the event's
 * own type does not match, or no such family. */
const uint8_t *stream_event(uint8_t type, const uint8_t *at, size_t len);

#endif
