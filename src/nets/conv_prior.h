/* conv_prior.h - a masked convolutional prior over residual tokens, for grids of any size: what transformers do on small
 * ones (prior.h), by a small U-Net (Ronneberger et al. 2015, arXiv:1505.04597).
 *
 * Of every place the first k levels are known, 0 <= k <= L. The net reads the sum of their code vectors over prior.scale,
 * then k as one of L + 1, and makes features; head l makes of a place's features the distribution of its code of level l.
 *
 *   a = full1(stem(x));  b = half1(down1(unshuffle(a)));  c = quarter(down2(unshuffle(b)))
 *   b = half2(b + shuffle(up2(silu(c))));  a = full2(a + shuffle(up1(silu(b))));  features = silu(a)
 *
 * stem is 3x3, down and up 1x1, shuffles are by 2, and full1 to quarter are lists of x + conv2(silu(conv1(silu(x)))), 3x3.
 * Parameters: prior.* (docs/FORMAT.md), declared once; the builders find them by name. */
#ifndef TS_NETS_CONV_PRIOR_H
#define TS_NETS_CONV_PRIOR_H

#include "graph/graph.h"
#include "nets/config.h"

enum { TS_CONV_PRIOR_ALIGN = 4 }; /* height and width of what it reads are multiples of this */

/* Declares the parameters for a quantizer. Errors: TOO_LARGE, MEMORY. */
tess_status ts_conv_prior_params(const ts_prior_config *config, const ts_quantizer_config *q, ts_params *params,
                                 ts_error *err);

/* Channels of what it reads: dim + levels + 1. */
int ts_conv_prior_channels(const ts_quantizer_config *q);
/* Fills one place of the input, [ts_conv_prior_channels]. sum: [dim], the code vectors of the `known` levels added up;
 * scale: prior.scale; sum may be out. What lies outside the picture is all zeros instead. */
void ts_conv_prior_place(const ts_quantizer_config *q, const float *sum, const float *scale, int known, float *out);

/* Appends the net. x: [1][height][width][channels] -> features [1][height][width][config->width]; faults are the graph's. */
ts_tensor ts_conv_prior_build(ts_graph *g, const ts_prior_config *config, ts_weights *weights, ts_tensor x);
/* Appends head `level`. features: [1][1][rows][config->width] -> logits [1][1][rows][codes]. */
ts_tensor ts_conv_prior_head(ts_graph *g, int level, ts_weights *weights, ts_tensor features);

#endif
