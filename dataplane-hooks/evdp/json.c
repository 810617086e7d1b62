#include "json.h"

void json_name(FILE *to, const char *key, const char *name, size_t max)
{
    fprintf(to, "\"%s\":\"", key);
    for (size_t i = 0; i < max && name[i] != '\0'; i++) {
        if ((unsigned char)name[i] < ' ')
            continue;
        if (name[i] == '"' || name[i] == '\\')
            fputc('\\', to);
        fputc(name[i], to);
    }
    fputs("\",", to);
}
