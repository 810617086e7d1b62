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

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (flag == 1u << i)
            return names[i];
    }
    return NULL;
}

uint8_t contract_severity(uint8_t type)
{
    return type == RECORD_SCREEN_DROP ? 3 : type == RECORD_POLICY_DENY ? 4 : 6;
}
