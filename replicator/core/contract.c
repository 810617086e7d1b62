#include "contract.h"

const char *contract_type(uint8_t type)
{
    static const char *const names[] = {
        NULL, "SESSION_OPEN", "SESSION_CLOSE", "POLICY_DENY", "SCREEN_DROP", NULL, "FILTER_LOG"};

    return type < sizeof(names) / sizeof(names[0]) ? names[type] : NULL;
}

const char *contract_action(uint8_t action)
{
    static const char *const names[] = {"deny", "permit", "reject"};

    return action < 3 ? names[action] : NULL;
}

const char *contract_close_reason(uint8_t reason)
{
    static const char *const names[] = {"N/A",     "idle Timeout", "TCP FIN",
                                        "TCP RST", "aged out",     "Rejected by policy"};

    return reason < 6 ? names[reason] : "N/A";
}

const char *contract_protocol(uint8_t protocol)
{
    switch (protocol) {
    case 1:
        return "ICMP";
    case 6:
        return "TCP";
    case 17:
        return "UDP";
    case 58:
        return "ICMPv6";
    default:
        return NULL;
    }
}

const char *contract_filter_source(uint8_t source)
{
    static const char *const names[] = {"unknown", "pbr",           "input",
                                        "output",  "cached-output", "lo0"};

    return source < 6 ? names[source] : NULL;
}

/* The name at the bit that is the whole value. */
static const char *by_bit(const char *const *names, size_t count, uint32_t flag)
{
    for (size_t i = 0; i < count; i++) {
        if (flag == 1u << i)
            return names[i];
    }
    return NULL;
}

const char *contract_screen(uint32_t flag)
{
    static const char *const names[] = {"SYN flood",
                                        "ICMP flood",
                                        "UDP flood",
                                        "port scan",
                                        "IP sweep",
                                        "LAND attack",
                                        "ping of death",
                                        "tear drop",
                                        "TCP SYN+FIN",
                                        "TCP no-flag",
                                        "TCP FIN-no-ACK",
                                        "WinNuke",
                                        "IP source-route",
                                        "SYN fragment",
                                        "SYN cookie",
                                        "session limit (source)",
                                        "session limit (destination)"};

    return by_bit(names, sizeof(names) / sizeof(names[0]), flag);
}

/* Parsers in the field classify by these words. */
const char *contract_attack(uint32_t flag, uint8_t protocol)
{
    static const char *const names[] = {"SYN flood!",
                                        "ICMP flood!",
                                        "UDP flood!",
                                        "TCP port scan!",
                                        "Address sweep!",
                                        "Land attack!",
                                        "Ping of death!",
                                        "Tear-drop attack!",
                                        "SYN and FIN bits!",
                                        "No TCP flag!",
                                        "FIN but no ACK bit!",
                                        "WinNuke attack!",
                                        "Source route IP option!",
                                        "SYN fragment!",
                                        "SYN cookie!",
                                        "Src IP session limit!",
                                        "Dst IP session limit!",
                                        "ICMP fragment!"};

    if (flag == 0x8 && protocol == 17)
        return "UDP port scan!";
    if (flag == 0x10 && protocol == 6)
        return "TCP sweep!";
    if (flag == 0x10 && protocol == 17)
        return "UDP sweep!";
    return by_bit(names, sizeof(names) / sizeof(names[0]), flag);
}

uint8_t contract_severity(uint8_t type)
{
    return type == RECORD_SCREEN_DROP ? 3 : type == RECORD_POLICY_DENY ? 4 : 6;
}

uint8_t contract_category(uint8_t type)
{
    switch (type) {
    case RECORD_SESSION_OPEN:
    case RECORD_SESSION_CLOSE:
        return CATEGORY_SESSION;
    case RECORD_POLICY_DENY:
        return CATEGORY_POLICY;
    case RECORD_SCREEN_DROP:
        return CATEGORY_SCREEN;
    case RECORD_FILTER_LOG:
        return CATEGORY_FIREWALL;
    default:
        return CATEGORY_ALL;
    }
}

uint32_t contract_elapsed(const uint8_t *event)
{
    uint32_t now = (uint32_t)(get_le64(event + EVENT_TIME) / 1000000000ull);
    uint32_t created = get_le32(event + EVENT_CREATED);

    return event[EVENT_TYPE] == RECORD_SESSION_CLOSE && created > 0 && now > created ? now - created
                                                                                     : 0;
}
