/* prior.h - a masked transformer over a grid of tokens (MaskGIT, Chang et al. 2022, arXiv:2202.04200): some tokens are
 * known, the others MASK; the net gives for every place the distribution of its code.
 *
 * Sequence: the condition's places (one for each word of a text, or one for a class, or none), then the grid row by row.
 * Layers are pre-norm: x += proj(attention(qkv(norm1(x)))), x += down(gelu(up(norm2(x)))). The head (norm, linear) reads
 * the grid's places. Parameters: prior.* (docs/FORMAT.md), declared once; the builder finds them by name. */
#ifndef TS_NETS_PRIOR_H
#define TS_NETS_PRIOR_H

#include "base/rng.h"
#include "graph/graph.h"
#include "nets/config.h"
#include "nets/text.h"

/* Declares the parameters of a prior over `codes` codes. Errors: TOO_LARGE, MEMORY. */
tess_status ts_prior_params(const ts_prior_config *config, int codes, ts_params *params, ts_error *err);

/* Random start values into a zeroed store: weights normal of deviation 0.02, proj and down of 0.02 / sqrt(2 layers),
 * norms 1. */
void ts_prior_init(const ts_prior_config *config, const ts_params *params, float *values, ts_rng *rng);

/* A prior in a graph. Inputs, all to be filled before every forward: tokens [n][rows][columns][1], each a code or, for
 * MASK, the number of codes; the others by ts_prior_condition (TS_NONE where the config has none of that kind). Output:
 * logits [n][rows][columns][codes]. */
typedef struct ts_prior {
    const ts_prior_config *config;
    ts_tensor tokens, logits;
    ts_tensor features, place,
        none;        /* text: [n][1][words][32], and which of two tables a place reads: [n][1][words][1] */
    ts_tensor label; /* class: [n][1][1][1] */
} ts_prior;

/* Appends the net for n grids; faults are the graph's. Dropout counts in training graphs. The config is borrowed. */
ts_prior ts_prior_build(ts_graph *g, const ts_prior_config *config, int codes, ts_weights *weights, int n);

/* What a grid is to show. */
typedef struct ts_condition {
    const int32_t *rows; /* ts_text_rows of the config's words and buckets; NULL or without a word: no text */
    int label;           /* a class, or -1: none */
} ts_condition;

/* Fills the condition's inputs for grid i of n. */
void ts_prior_condition(const ts_prior *p, ts_graph *g, int i, ts_condition condition);

/* How many of `count` places stay masked after step 0 <= step < steps of sampling, when `left` are masked before it:
 * count cos(pi/2 (step + 1) / steps), at least one fewer than before, 0 after the last. */
int ts_prior_masked_after(int step, int steps, int count, int left);

/* Is there anything in the condition that this prior reads? */
bool ts_condition_given(const ts_prior_config *config, ts_condition condition);

#endif
