#include "nets/conv_prior.h"

#include <stdio.h>

enum { PART = 32 }; /* bytes of a part's name, such as "quarter.2.conv1" */

/* ---- parameters -------------------------------------------------------------------------------------------------- */

typedef struct declaration {
    ts_params *params;
    ts_error *err;
    tess_status status; /* sticky */
} declaration;

/* prior.{part}.weight and .bias; kernel 0: a linear layer's. */
static void declare(declaration *d, const char *part, int out, int in, int kernel) {
    char name[TS_PARAM_NAME];
    snprintf(name, sizeof name, "prior.%s.weight", part);
    if (d->status >= 0)
        d->status = ts_params_add(d->params, name, TS_PARAM_CONV, kernel ? 4 : 2, (int[]){out, in, kernel, kernel},
                                  d->err);
    snprintf(name, sizeof name, "prior.%s.bias", part);
    if (d->status >= 0) d->status = ts_params_add(d->params, name, TS_PARAM_PLAIN, 1, &out, d->err);
}

static void declare_blocks(declaration *d, const char *part, int count, int channels) {
    for (int i = 0; i < count; i++)
        for (int k = 1; k <= 2; k++) {
            char name[PART];
            snprintf(name, sizeof name, "%s.%d.conv%d", part, i, k);
            declare(d, name, channels, channels, 3);
        }
}

tess_status ts_conv_prior_params(const ts_prior_config *c, const ts_quantizer_config *q, ts_params *params,
                                 ts_error *err) {
    const int width = c->width, mid = c->mid;
    declaration d = {params, err, ts_params_add(params, "prior.scale", TS_PARAM_PLAIN, 1, &q->dim, err)};
    declare(&d, "stem", width, ts_conv_prior_channels(q), 3);
    declare_blocks(&d, "full1", c->full[0], width);
    declare(&d, "down1", mid, 4 * width, 1);
    declare_blocks(&d, "half1", c->half[0], mid);
    declare(&d, "down2", mid, 4 * mid, 1);
    declare_blocks(&d, "quarter", c->quarter, mid);
    declare(&d, "up2", 4 * mid, mid, 1);
    declare_blocks(&d, "half2", c->half[1], mid);
    declare(&d, "up1", 4 * width, mid, 1);
    declare_blocks(&d, "full2", c->full[1], width);
    for (int level = 0; level < c->levels; level++) {
        char name[PART];
        snprintf(name, sizeof name, "head.%d", level);
        declare(&d, name, q->size, width, 0);
    }
    return d.status;
}

/* ---- input ------------------------------------------------------------------------------------------------------- */

int ts_conv_prior_channels(const ts_quantizer_config *q) { return q->dim + q->levels + 1; }

void ts_conv_prior_place(const ts_quantizer_config *q, const float *sum, const float *scale, int known, float *out) {
    for (int i = 0; i < q->dim; i++) *out++ = sum[i] / scale[i];
    for (int k = 0; k <= q->levels; k++) *out++ = (float)(k == known);
}

/* ---- graph ------------------------------------------------------------------------------------------------------- */

typedef struct builder {
    ts_graph *g;
    ts_weights *weights;
} builder;

static ts_tensor conv(const builder *b, ts_tensor x, const char *part, int pad) {
    char weight[TS_PARAM_NAME], bias[TS_PARAM_NAME];
    const ts_params *params = ts_weights_params(b->weights);
    snprintf(weight, sizeof weight, "prior.%s.weight", part);
    snprintf(bias, sizeof bias, "prior.%s.bias", part);
    return ts_graph_conv2d(b->g, x, b->weights, ts_params_find(params, weight), ts_params_find(params, bias), 1, pad);
}

static ts_tensor blocks(const builder *b, ts_tensor x, const char *part, int count) {
    for (int i = 0; i < count; i++) {
        ts_tensor h = x;
        for (int k = 1; k <= 2; k++) {
            char name[PART];
            snprintf(name, sizeof name, "%s.%d.conv%d", part, i, k);
            h = conv(b, ts_graph_silu(b->g, h), name, 1);
        }
        x = ts_graph_add(b->g, x, h);
    }
    return x;
}

static ts_tensor down(const builder *b, ts_tensor x, const char *part) {
    return conv(b, ts_graph_pixel_unshuffle(b->g, x, 2), part, 0);
}

/* What lies twice as fine, with what comes up to it. */
static ts_tensor up(const builder *b, ts_tensor fine, ts_tensor x, const char *part) {
    x = conv(b, ts_graph_silu(b->g, x), part, 0);
    return ts_graph_add(b->g, fine, ts_graph_pixel_shuffle(b->g, x, 2));
}

ts_tensor ts_conv_prior_build(ts_graph *g, const ts_prior_config *c, ts_weights *weights, ts_tensor x) {
    const builder b = {g, weights};
    ts_tensor full = blocks(&b, conv(&b, x, "stem", 1), "full1", c->full[0]);
    ts_tensor half = blocks(&b, down(&b, full, "down1"), "half1", c->half[0]);
    ts_tensor quarter = blocks(&b, down(&b, half, "down2"), "quarter", c->quarter);
    half = blocks(&b, up(&b, half, quarter, "up2"), "half2", c->half[1]);
    full = blocks(&b, up(&b, full, half, "up1"), "full2", c->full[1]);
    return ts_graph_silu(g, full);
}

ts_tensor ts_conv_prior_head(ts_graph *g, int level, ts_weights *weights, ts_tensor features) {
    const builder b = {g, weights};
    char name[PART];
    snprintf(name, sizeof name, "head.%d", level);
    return conv(&b, features, name, 0);
}
