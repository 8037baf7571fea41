#include "engine/image_loss.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "nets/perceptual.h"

struct ts_image_loss {
    ts_graph *graph;
    size_t floats;         /* of a batch */
    bool perceptual, used; /* the feature net is there; some weight was not 0 in the last forward */
    ts_tensor y, x, l1, l2, ms_ssim, lpips[TS_PERCEPTUAL_HEADS];
};

/* range -> [0, 1]: SSIM's luminance term counts from black. */
static ts_tensor to_unit(ts_graph *g, ts_tensor x, const float range[2]) {
    float scale = 1 / (range[1] - range[0]), shift = -range[0] * scale;
    return ts_graph_scale(g, x, (const float[3]){scale, scale, scale}, (const float[3]){shift, shift, shift});
}

static void build(ts_image_loss *loss, const ts_config *c, ts_weights *features) {
    ts_graph *g = loss->graph;
    const ts_shape shape = {c->train.batch, c->train.size, c->train.size, 3};
    loss->floats = ts_shape_count(shape);
    loss->perceptual = features != NULL;
    loss->y = ts_graph_input(g, shape, true);
    loss->x = ts_graph_input(g, shape, false);
    loss->l1 = ts_graph_l1(g, loss->y, loss->x);
    loss->l2 = ts_graph_l2(g, loss->y, loss->x);
    loss->ms_ssim = ts_graph_ms_ssim(g, to_unit(g, loss->y, c->range), to_unit(g, loss->x, c->range), 1);
    if (features) ts_perceptual_build(g, features, loss->y, loss->x, c->range, loss->lpips);
    ts_graph_output(g, loss->l1);
    ts_graph_output(g, loss->l2);
}

tess_status ts_image_loss_new(const ts_config *config, ts_weights *features, int threads, ts_image_loss **out,
                              ts_error *err) {
    if (features && config->train.size < TS_PERCEPTUAL_SIDE) {
        return ts_fail(err, TESS_ERR_INPUT, "LPIPS needs crops of at least %d pixels; train.size is %d.",
                       TS_PERCEPTUAL_SIDE, config->train.size);
    }
    ts_image_loss *loss = ts_calloc(1, sizeof *loss);
    if (!loss) return ts_fail_memory(err, sizeof *loss);
    tess_status status = ts_graph_new(TS_GRAPH_TRAINING, &loss->graph, err);
    if (status >= 0) {
        build(loss, config, features);
        status = ts_graph_plan(loss->graph, threads, err);
    }
    if (status >= 0) *out = loss;
    else ts_image_loss_free(loss);
    return status;
}

tess_status ts_image_loss_alloc(ts_image_loss *loss, float *room, ts_error *err) {
    return ts_graph_alloc_in(loss->graph, room, err);
}

size_t ts_image_loss_bytes(const ts_image_loss *loss) { return ts_graph_bytes(loss->graph); }

void ts_image_loss_free(ts_image_loss *loss) {
    if (!loss) return;
    ts_graph_free(loss->graph);
    ts_free(loss);
}

static double value(ts_image_loss *loss, ts_tensor t) { return (double)*ts_graph_data(loss->graph, t); }

double ts_image_loss_forward(ts_image_loss *loss, const float *y, const float *x, const ts_image_losses *weights,
                             ts_image_losses *values, ts_pool *pool) {
    ts_graph *g = loss->graph;
    const ts_image_losses *w = weights;
    const bool perceptual = loss->perceptual && w->lpips > 0;
    loss->used = w->l1 > 0 || w->l2 > 0 || w->ms_ssim > 0 || perceptual;
    ts_graph_seed(g, loss->l1, (float)w->l1);
    ts_graph_seed(g, loss->l2, (float)w->l2);
    ts_graph_seed(g, loss->ms_ssim, (float)w->ms_ssim);
    for (int i = 0; i < TS_PERCEPTUAL_HEADS && loss->perceptual; i++) ts_graph_seed(g, loss->lpips[i], (float)w->lpips);
    memcpy(ts_graph_data(g, loss->y), y, loss->floats * sizeof *y);
    memcpy(ts_graph_data(g, loss->x), x, loss->floats * sizeof *x);
    ts_graph_forward(g, pool);
    *values = (ts_image_losses){.l1 = value(loss, loss->l1),
                                .l2 = value(loss, loss->l2),
                                .ms_ssim = w->ms_ssim > 0 ? value(loss, loss->ms_ssim) : NAN,
                                .lpips = perceptual ? 0 : NAN};
    for (int i = 0; i < TS_PERCEPTUAL_HEADS && perceptual; i++) values->lpips += value(loss, loss->lpips[i]);
    double total = w->l1 * values->l1 + w->l2 * values->l2;
    if (w->ms_ssim > 0) total += w->ms_ssim * values->ms_ssim;
    if (perceptual) total += w->lpips * values->lpips;
    return total;
}

const float *ts_image_loss_backward(ts_image_loss *loss, ts_pool *pool) {
    float *dy = ts_graph_grad_data(loss->graph, loss->y);
    ts_graph_backward(loss->graph, pool);
    if (!loss->used) memset(dy, 0, loss->floats * sizeof *dy); /* backward had nothing to write */
    return dy;
}
