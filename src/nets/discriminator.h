/* discriminator.h - the PatchGAN discriminator (Isola et al. 2017, arXiv:1611.07004; the layers of taming-transformers'
 * NLayerDiscriminator), at one or more scales (Wang et al. 2018, pix2pixHD).
 *
 * conv 4x4 stride 2, 3 -> width; leaky_relu .2; for i = 1 .. layers - 1: conv 4x4 stride 2 -> width * min(2^i, 8), norm,
 * leaky_relu; conv 4x4 stride 1 -> width * min(2^layers, 8), norm, leaky_relu; conv 4x4 stride 1 -> 1. Pads are 1, every
 * conv has a bias, norms are GroupNorm (eps 1e-6) or absent. Parameters are named as nn.Sequential counts:
 * "discriminator.{scale}.{i}.weight". Scale s sees the picture after s 2x2 mean pools. */
#ifndef TS_NETS_DISCRIMINATOR_H
#define TS_NETS_DISCRIMINATOR_H

#include "base/rng.h"
#include "graph/graph.h"
#include "nets/config.h"

#define TS_DISCRIMINATOR_SCALES 3
#define TS_DISCRIMINATOR_FEATURES 5 /* the most hidden activations per scale: layers + 1 */

typedef struct ts_discriminator {
    int scales, features;                       /* features: layers + 1 per scale */
    ts_tensor logits[TS_DISCRIMINATOR_SCALES];  /* [n][h'][w'][1], h' = h / 2^(s + layers) - 2 */
    ts_tensor tangent[TS_DISCRIMINATOR_SCALES]; /* d logits(x + e t) / d e at e = 0, of their shape, if t was given */
    ts_tensor feature[TS_DISCRIMINATOR_SCALES][TS_DISCRIMINATOR_FEATURES]; /* what the leaky_relus give */
} ts_discriminator;

/* Declares the parameters of all scales. */
tess_status ts_discriminator_params(const ts_discriminator_config *c, ts_params *params, ts_error *err);
/* Start values into a zeroed store: conv weights normal(0, 0.02), biases 0, norms 1 and 0. */
void ts_discriminator_init(const ts_discriminator_config *c, const ts_params *params, float *values, ts_rng *rng);
/* x: [n][h][w][3] in the config's range, h and w at least ts_discriminator_least; t: a tangent of its shape, or TS_NONE.
 * Roles are the caller's to give: mark logits, tangents and features as outputs or starts. */
ts_discriminator ts_discriminator_build(ts_graph *g, const ts_discriminator_config *c, ts_weights *weights, ts_tensor x,
                                        ts_tensor t);
/* The smallest side it takes, in pixels: one logit at the coarsest scale. */
int ts_discriminator_least(const ts_discriminator_config *c);

#endif
