/* What the core needs of string.h, where there is no C library: the compiler's own, of constant
 * sizes. */
#ifndef EVBPF_STRING_H
#define EVBPF_STRING_H

#include <stddef.h>

#define memcpy __builtin_memcpy
#define memset __builtin_memset

static inline int memcmp(const void *a, const void *b, size_t n)
{
    const unsigned char *x = a, *y = b;
    int differ = 0;

    for (size_t i = 0; i < n; i++)
        differ |= x[i] ^ y[i];
    return differ;
}

#endif
