/* image_loss.h - what a reconstruction is blamed for: l1, l2, MS-SSIM and LPIPS of a batch against its original, as a
 * graph of its own. Its gradient at the pixels is where an autoencoder's backward starts, alone or with others
 * (adversary.h). */
#ifndef TS_ENGINE_IMAGE_LOSS_H
#define TS_ENGINE_IMAGE_LOSS_H

#include "graph/graph.h"
#include "nets/config.h"

typedef struct ts_image_loss ts_image_loss;

/* Weights of the losses, or their values: NaN where a loss was off (weight 0; l1 and l2 are always measured). */
typedef struct ts_image_losses {
    double l1, l2, ms_ssim, lpips;
} ts_image_losses;

/* Planned, without memory, for batches of the config's batch x size x size x 3. `features`: the LPIPS net, borrowed, or NULL. The caller owns
 * *out, untouched on failure. Errors: MEMORY, TOO_LARGE, INPUT (crops too small for the feature net). */
tess_status ts_image_loss_new(const ts_config *config, ts_weights *features, int threads, ts_image_loss **out,
                              ts_error *err);
/* Takes ts_image_loss_bytes of `room` (ts_graph_alloc_in), or memory of its own. Errors: MEMORY. */
tess_status ts_image_loss_alloc(ts_image_loss *loss, float *room, ts_error *err);
size_t ts_image_loss_bytes(const ts_image_loss *loss);
void ts_image_loss_free(ts_image_loss *loss);
/* Measures y against x, both [batch][size][size][3] in the config's range. The weighted total. */
double ts_image_loss_forward(ts_image_loss *loss, const float *y, const float *x, const ts_image_losses *weights,
                             ts_image_losses *values, ts_pool *pool);
/* d total / d y of the last forward, shaped like y; valid until the next. */
const float *ts_image_loss_backward(ts_image_loss *loss, ts_pool *pool);

#endif
