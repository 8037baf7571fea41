/* context.h - integer probability modelling: adaptive counters of bits, a logistic mixer, integer stretch and squash.
 *
 * The way of lpaq (Mahoney, "Adaptive weighing of context models", 2005): several counters, each under its own
 * context, predict the next bit; their predictions, as log-odds, are added with learned weights; the weights move down
 * the gradient of the coding cost. No float anywhere: every build computes the same probabilities. docs/FORMAT.md,
 * "Context model", is the normative text; >> of a negative number rounds down, as in every compiler we build with.
 */
#ifndef TS_CODEC_CONTEXT_H
#define TS_CODEC_CONTEXT_H

#include <stdint.h>

enum {
    TS_MIXER_ONE = 65536,   /* a weight of 1 */
    TS_COUNTER_LIMIT = 1023 /* bits that a counter remembers at most */
};
#define TS_COUNTER_START 0x80000000u /* probability 1/2, nothing seen */

/* The tables that all coders share, made by integer arithmetic alone. Log-odds are in 1/256 nat, -2047..2047. */
typedef struct ts_context_tables {
    int16_t stretch[4096];     /* ln(p / (1 - p)) of p = i / 4096 */
    uint16_t squash[4096];     /* 65536 / (1 + exp(-(i - 2048) / 256)), 16 bits */
    uint16_t cost[4096];       /* -log2((i + 1/2) / 4096), in 1/4096 bit */
    uint16_t reciprocal[1024]; /* 65536 / (i + 1.6): step of a counter that has seen i bits */
} ts_context_tables;

void ts_context_tables_init(ts_context_tables *tables);

/* Cost of coding `bit` when the probability of 1 is p / 65536, in 1/4096 bit. */
static inline uint32_t ts_context_cost(const ts_context_tables *tables, uint32_t p, int bit) {
    return tables->cost[(bit ? p : 65535 - p) >> 4];
}

/* ---- counters: the probability of a 1 in the high 22 bits, the number of bits seen in the low 10 --------------- */

static inline int32_t ts_counter_stretch(const ts_context_tables *tables, uint32_t counter) {
    return tables->stretch[counter >> 20];
}

/* Moves towards `bit` by the share that one bit has among those seen, at least 1 / limit. */
static inline uint32_t ts_counter_update(const ts_context_tables *tables, uint32_t counter, int bit, uint32_t limit) {
    uint32_t n = counter & 1023;
    int64_t p = counter >> 10, target = bit ? (1 << 22) - 1 : 0;
    p += (target - p) * tables->reciprocal[n] >> 16;
    return (uint32_t)p << 10 | (n < limit ? n + 1 : limit);
}

/* ---- mixer ------------------------------------------------------------------------------------------------------ */

/* One log-odds, -2047..2047, from `count` of them. */
static inline int32_t ts_mix(const int32_t *weights, const int32_t *inputs, int count) {
    int64_t sum = 0;
    for (int i = 0; i < count; i++) sum += (int64_t)weights[i] * inputs[i];
    sum >>= 16;
    return sum > 2047 ? 2047 : sum < -2047 ? -2047 : (int32_t)sum;
}

/* The probability of a 1, 22..65514, that log-odds stand for. */
static inline uint32_t ts_squash(const ts_context_tables *tables, int32_t odds) { return tables->squash[odds + 2048]; }

/* Moves the weights after `bit` was coded with probability p; rate 1..15. */
static inline void ts_mix_update(int32_t *weights, const int32_t *inputs, int count, uint32_t p, int bit, int rate) {
    int32_t error = ((bit << 16) - (int32_t)p) * rate;
    for (int i = 0; i < count; i++) {
        int64_t step = ((int64_t)inputs[i] * error + (1 << 19)) >> 20;
        weights[i] = (int32_t)((uint32_t)weights[i] + (uint32_t)step); /* wraps, should damaged bytes ever get there */
    }
}

#endif
