#include "nets/halton.h"

#include <stdint.h>

/* floor(n * the digits of i in that base, mirrored behind the point). */
static int mirrored(uint32_t i, uint32_t base, int n) {
    uint64_t above = 0, below = 1;
    for (; i; i /= base, below *= base) above = above * base + i % base;
    return (int)(above * (uint64_t)n / below);
}

void ts_halton_order(int rows, int columns, int *order, bool *seen) {
    const int places = rows * columns;
    for (int p = 0; p < places; p++) seen[p] = false;
    for (uint32_t i = 1, found = 0; found < (uint32_t)places; i++) {
        const int p = mirrored(i, 2, rows) * columns + mirrored(i, 3, columns);
        if (!seen[p]) order[found++] = p;
        seen[p] = true;
    }
}
