/* size.h - size arithmetic that cannot wrap silently.
 *
 * The overflow flag is sticky: compute a whole layout, then look at it once.
 *     bool over = false;
 *     size_t bytes = ts_mul(ts_mul(width, height, &over), 4, &over);
 *     if (over) return ts_fail(...);
 */
#ifndef TS_BASE_SIZE_H
#define TS_BASE_SIZE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* a + b; on overflow sets *overflow and returns SIZE_MAX. */
static inline size_t ts_add(size_t a, size_t b, bool *overflow) {
    if (a > SIZE_MAX - b) {
        *overflow = true;
        return SIZE_MAX;
    }
    return a + b;
}

/* a * b; on overflow sets *overflow and returns SIZE_MAX. */
static inline size_t ts_mul(size_t a, size_t b, bool *overflow) {
    if (b != 0 && a > SIZE_MAX / b) {
        *overflow = true;
        return SIZE_MAX;
    }
    return a * b;
}

/* a rounded up to a multiple of `step` (> 0); on overflow sets *overflow and returns SIZE_MAX. */
static inline size_t ts_round_up(size_t a, size_t step, bool *overflow) {
    size_t rest = a % step;
    return rest == 0 ? a : ts_add(a, step - rest, overflow);
}

/* ceil(a / b) for b > 0; cannot overflow. */
static inline size_t ts_div_up(size_t a, size_t b) { return a / b + (a % b != 0); }

static inline size_t ts_min_size(size_t a, size_t b) { return b < a ? b : a; }

static inline size_t ts_max_size(size_t a, size_t b) { return b > a ? b : a; }

#endif
