/* context.h - integer probability modelling: adaptive bit counters, a logistic mixer, integer stretch and squash.
 *
 * The way of lpaq (Mahoney, "Adaptive weighing of context models", 2005): several counters, each under its own context,
 * predict the next bit; their predictions, as log-odds, are added with learned weights; the weights move down the gradient
 * of the coding cost. No float anywhere: every build computes the same probabilities. docs/FORMAT.md, "Context model",
 * is the normative text.
 */
#ifndef TS_CODEC_CONTEXT_H
#define TS_CODEC_CONTEXT_H

#include <stdint.h>

enum {
    TS_CONTEXT_INPUTS = 8, /* inputs of a mixer at most */
    TS_STRETCH_ONE = 256   /* log-odds are in 1/256 nat: -2047..2047 is -8..8 */
};

/* The tables all coders share: built by integer arithmetic alone in ts_context_tables_init. Immutable afterwards. */
typedef struct ts_context_tables {
    int16_t stretch[4096];    /* ln(p / (1 - p)) * 256 for p = (i + 1/2) / 4096 */
    uint16_t squash[4096];    /* 65536 / (1 + exp(-(i - 2048) / 256)), in 1..65535 */
    uint16_t cost[4096];      /* -log2((i + 1/2) / 4096) * 256: bits, in 1/256 */
    uint16_t reciprocal[256]; /* 65536 / (i + 1.5): step of a counter that has seen i bits */
} ts_context_tables;

void ts_context_tables_init(ts_context_tables *tables);

/* Cost of coding `bit` when the probability of 1 is p / 65536, in 1/256 bit. */
static inline uint32_t ts_context_cost(const ts_context_tables *tables, uint32_t p, int bit) {
    return tables->cost[(bit ? p : 65536u - p) >> 4 & 4095u];
}

#endif
