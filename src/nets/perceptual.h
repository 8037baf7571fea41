/* perceptual.h - LPIPS v0.1 (Zhang et al. 2018, arXiv:1801.03924) on the SqueezeNet 1.1 trunk.
 *
 * Tensor names are torchvision's: features.0, features.{3,4,6,7,9,10,11,12}.{squeeze,expand1x1,expand3x3} with
 * .weight and .bias; the seven heads are called lin0 .. lin6 here, one weight per channel. Channel counts come from
 * the file, so that small nets of the same form can stand in. */
#ifndef TS_NETS_PERCEPTUAL_H
#define TS_NETS_PERCEPTUAL_H

#include "graph/graph.h"

#define TS_PERCEPTUAL_HEADS 7
#define TS_PERCEPTUAL_SIDE 17 /* pixels: the shortest side that all pools take */
#define TS_PERCEPTUAL_STEP(tap) ((tap) < 3 ? 2 << (tap) : 16)

/* Tells the shape that a trunk file has for a tensor: writes up to 4 dims and returns the rank, or 0 if it is not
 * there. */
typedef struct ts_shape_source {
    void *self;
    int (*shape)(void *self, const char *name, int dims[4]);
} ts_shape_source;

/* Declares trunk (shapes as in the file) and heads (as wide as their taps). Errors: MODEL (a tensor is missing or
 * does not fit: the sentence names it), MEMORY. */
tess_status ts_perceptual_params(ts_params *params, ts_shape_source source, ts_error *err);

/* The index of head 0 .. TS_PERCEPTUAL_HEADS - 1 in the description: a weight for each channel of its tap. */
int ts_perceptual_head(const ts_params *params, int head);

/* Appends the trunk over x, [n][h][w][3] with values in range[0]..range[1]: taps are the maps that the heads compare. A
 * place of tap i lies TS_PERCEPTUAL_STEP(i) pixels from the next. weights: frozen, of the description above. */
void ts_perceptual_features(ts_graph *graph, ts_weights *weights, ts_tensor x, const float range[2],
                            ts_tensor taps[TS_PERCEPTUAL_HEADS]);

/* Appends LPIPS between x and target, [n][h][w][3] with values in range[0]..range[1]: the distance is the sum of the
 * seven losses written to heads (give all the same seed). weights: frozen, of the description above. */
void ts_perceptual_build(ts_graph *graph, ts_weights *weights, ts_tensor x, ts_tensor target, const float range[2],
                         ts_tensor heads[TS_PERCEPTUAL_HEADS]);

#endif
