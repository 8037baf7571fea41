/* upscaler.h - a net from a small picture to a large one: what bicubic enlargement lacks, for an answer of least error, and
 * the large picture's latents, from which the model's decoder makes a sharp answer.
 *
 * It works on the grid of a quarter of the large picture: stem, residual blocks and join make features; `smooth` reads
 * them there, in, tail and out at half that grid. Parameters: upscaler.FACTOR.* (docs/FORMAT.md), declared once; the
 * builder finds them by name. */
#ifndef TS_NETS_UPSCALER_H
#define TS_NETS_UPSCALER_H

#include "graph/graph.h"
#include "nets/config.h"

/* The net for a factor, or NULL: there is none. */
const ts_upscaler_net *ts_upscaler_of(const ts_upscaler_config *config, int factor);

/* Declares the parameters of all factors' nets; dim: channels of the model's latents. Errors: TOO_LARGE, MEMORY. */
tess_status ts_upscaler_params(const ts_upscaler_config *config, int dim, ts_params *params, ts_error *err);

/* The outputs that are wanted, else TS_NONE. */
typedef struct ts_upscaler {
    ts_tensor smooth;  /* [n][h f][w f][3]: to be added to the bicubic enlargement of x */
    ts_tensor latents; /* [n][h f / 8][w f / 8][dim]: ahead of the quantizer */
} ts_upscaler;

/* Appends the net for a factor f that the config has. x: [n][h][w][3] in the config's range, sides multiples of 8 / f.
 * Faults are the graph's. */
ts_upscaler ts_upscaler_build(ts_graph *g, const ts_config *config, int factor, ts_weights *weights, ts_tensor x,
                              bool smooth, bool latents);

/* How far an output reaches into its input on any side, in latents (8 pixels of the large picture), rounded up. */
int ts_upscaler_radius(const ts_upscaler_net *net, bool latents);

#endif
