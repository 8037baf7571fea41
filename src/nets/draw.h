/* draw.h - drawing a code from logits. */
#ifndef TS_NETS_DRAW_H
#define TS_NETS_DRAW_H

#include "base/rng.h"

typedef struct ts_draw {
    double temperature; /* logits are divided by it; 0: always the largest */
    int top_k;          /* of the largest logits only; 0: all */
    double top_p;       /* of the fewest largest of those whose probabilities reach this sum; 1: all */
} ts_draw;

/* The place of the largest of n >= 1 logits, the first one if several. */
int ts_draw_largest(const float *logits, int n);
/* ln of the probability of code k under softmax(logits). */
double ts_draw_log(const float *logits, int n, int k);
/* The probabilities of all codes under softmax(logits); may be written over the logits. */
void ts_draw_odds(const float *logits, int n, float *odds);
/* A code drawn from n >= 1 finite logits; takes one number of the generator. room: n ints. */
int ts_draw_code(const float *logits, int n, const ts_draw *draw, ts_rng *rng, int *room);

#endif
