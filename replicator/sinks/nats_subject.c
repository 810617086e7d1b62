#include "nats_subject.h"

#include <stddef.h>
#include <string.h>

const char *nats_subject_wrong(const char *subject)
{
    if (strpbrk(subject, " \t\r\n") != NULL)
        return "it has blanks";
    if (strpbrk(subject, "*>") != NULL)
        return "it has wildcards, and a record goes to one subject";
    if (subject[0] == '$')
        return "what begins with $ is the server's own";
    if (subject[0] == '\0' || subject[0] == '.' || subject[strlen(subject) - 1] == '.' ||
        strstr(subject, "..") != NULL)
        return "there is nothing before, behind or between its dots";
    return NULL;
}
