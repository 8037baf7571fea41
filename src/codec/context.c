#include "codec/context.h"

/* exp(i / 256) in 32.32 bits for i = 0..2048: each is the one before times 1 + 65664 / 2^24 = exp(1 / 256), rounded
 * down. */
static uint64_t next_power(uint64_t power) { return power + (power * 65664 >> 24); }

/* squash(x) = 65536 / (1 + e^-x): for x >= 0 it is 65536 * e^x / (1 + e^x), and squash(-x) = 65536 - squash(x). */
static void init_squash(uint16_t *squash) {
    const uint64_t one = (uint64_t)1 << 32;
    uint64_t power = one;
    for (int i = 0; i < 2048; i++, power = next_power(power)) {
        uint32_t p = (uint32_t)(((power << 16) + (power + one) / 2) / (power + one));
        squash[2048 + i] = (uint16_t)p;
        squash[2048 - i] = (uint16_t)(65536 - p);
    }
    squash[0] = squash[1];
}

/* stretch(p) = the least x whose squash reaches p. */
static void init_stretch(int16_t *stretch, const uint16_t *squash) {
    int x = -2047;
    for (int i = 0; i < 4096; i++) {
        while (x < 2047 && squash[x + 2048] < 16 * i + 8) x++;
        stretch[i] = (int16_t)x;
    }
}

/* log2(x) * 4096 for x >= 1, rounded down: the whole part by shifting, twelve more bits by squaring. */
static uint32_t log2_4096(uint32_t x) {
    uint32_t whole = 0;
    for (uint32_t y = x; y > 1; y >>= 1) whole++;
    uint64_t mantissa = ((uint64_t)x << 31) >> whole; /* 1..2 in 1.31 bits */
    uint32_t result = whole;
    for (int i = 0; i < 12; i++) {
        mantissa = mantissa * mantissa >> 31;
        uint32_t bit = mantissa >= (uint64_t)1 << 32;
        mantissa >>= bit;
        result = result << 1 | bit;
    }
    return result;
}

void ts_context_tables_init(ts_context_tables *tables) {
    init_squash(tables->squash);
    init_stretch(tables->stretch, tables->squash);
    for (uint32_t i = 0; i < 4096; i++) tables->cost[i] = (uint16_t)(13 * 4096 - log2_4096(2 * i + 1));
    for (uint32_t i = 0; i < 1024; i++) tables->reciprocal[i] = (uint16_t)(655360 / (10 * i + 16));
}
