#include "nets/layers.h"

#include <stdio.h>

#include "nets/config_read.h"

static const char *const kind_names[] = {"conv",   "tconv",     "res",  "silu",       "relu",    "leaky_relu",
                                         "gelu",   "tanh",      "norm", "up",         "shuffle", "unshuffle",
                                         "resnet", "attention", "tiny", "soft_clamp", NULL};

bool ts_layer_is_activation(ts_layer_kind kind) { return kind >= TS_LAYER_SILU && kind <= TS_LAYER_TANH; }

/* ---- reading ------------------------------------------------------------------------------------------------- */

static void set_pad(ts_layer *l, int pad) {
    for (int i = 0; i < 4; i++) l->pad[i] = pad;
}

/* "pad": a number, or top, left, bottom, right. */
static void read_pad(ts_section *s, ts_layer *l) {
    int value = ts_section_get(s, "pad"), count = 0;
    float pad[4];
    if (ts_json_typeof(s->doc, value) != TS_JSON_ARRAY) {
        int all = l->pad[0];
        ts_section_int(s, "pad", 0, 15, false, &all);
        set_pad(l, all);
        return;
    }
    ts_section_floats(s, "pad", 4, 4, 0, 15, pad, &count);
    for (int i = 0; i < count; i++) {
        l->pad[i] = (int)pad[i];
        if ((float)l->pad[i] != pad[i]) ts_section_fail(s, "pad", "must be whole numbers");
    }
}

/* Sizes must divide exactly: n pixels become n / stride (conv) or n * stride (tconv) for every n that fits. */
static void read_conv(ts_section *s, ts_layer *l) {
    ts_section_int(s, "out", 1, TS_CHANNELS_MAX, true, &l->out);
    ts_section_int(s, "kernel", 1, 15, true, &l->kernel);
    ts_section_int(s, "stride", 1, 8, false, &l->stride);
    set_pad(l, (l->kernel - 1) / 2);
    read_pad(s, l);
    ts_section_bool(s, "bias", &l->bias);
    for (int axis = 0; axis < 2; axis++) {
        /* 1..stride keeps floor((n + both pads - kernel) / stride) + 1 = n / stride */
        int over = l->kernel - l->pad[axis] - l->pad[axis + 2];
        if (over < 1 || over > l->stride || l->pad[axis] >= l->kernel || l->pad[axis + 2] >= l->kernel)
            ts_section_fail(s, "pad", "does not fit kernel and stride (output must be input / stride)");
    }
}

static void read_tconv(ts_section *s, ts_layer *l) {
    ts_section_int(s, "out", 1, TS_CHANNELS_MAX, true, &l->out);
    ts_section_int(s, "kernel", 1, 15, true, &l->kernel);
    ts_section_int(s, "stride", 1, 8, true, &l->stride);
    int pad = l->kernel > l->stride ? (l->kernel - l->stride) / 2 : 0;
    ts_section_int(s, "pad", 0, 15, false, &pad);
    ts_section_bool(s, "bias", &l->bias);
    set_pad(l, pad);
    if (l->kernel - 2 * pad != l->stride) {
        ts_section_fail(s, "pad", "does not fit kernel and stride (kernel - 2 pad must be stride)");
    }
}

static void read_res(ts_section *s, ts_layer *l) {
    float kernels[2] = {3, 3};
    int count = 2, act = 0;
    l->hidden = l->in;
    ts_section_floats(s, "kernels", 2, 2, 1, 15, kernels, &count);
    for (int i = 0; i < 2; i++) {
        l->kernels[i] = (int)kernels[i];
        if (l->kernels[i] % 2 == 0 || (float)l->kernels[i] != kernels[i])
            ts_section_fail(s, "kernels", "must be odd whole numbers");
    }
    ts_section_choice(s, "act", kind_names + TS_LAYER_SILU, false, &act);
    l->act = (ts_layer_kind)(TS_LAYER_SILU + act);
    if (!ts_layer_is_activation(l->act)) ts_section_fail(s, "act", "must be an activation");
    ts_section_int(s, "hidden", 1, TS_CHANNELS_MAX, false, &l->hidden);
}

/* norm; attention and resnet, where 32 groups are usual. */
static void read_norm(ts_section *s, ts_layer *l) {
    bool block = l->kind != TS_LAYER_NORM;
    l->groups = block ? 32 : 0;
    if (l->kind == TS_LAYER_RESNET) ts_section_int(s, "out", 1, TS_CHANNELS_MAX, false, &l->out);
    ts_section_int(s, "groups", 1, TS_CHANNELS_MAX, !block, &l->groups);
    ts_section_float(s, "eps", 1e-12, 1, &l->eps);
    if (l->groups > 0 && (l->in % l->groups != 0 || l->out % l->groups != 0))
        ts_section_fail(s, "groups", block ? "(32 if not given) must divide the channels" : "must divide the channels");
}

static void read_tiny(ts_section *s, ts_layer *l) {
    ts_section_int(s, "out", 1, TS_CHANNELS_MAX, false, &l->out);
    ts_section_int(s, "pool", 0, TS_CHANNELS_MAX, false, &l->pool);
    if (l->pool > 0 && (4 * l->in % l->pool != 0 || 4 * l->in > TS_CHANNELS_MAX))
        ts_section_fail(s, "pool", "must divide four times the channels, at most 4096");
}

static void read_soft_clamp(ts_section *s, ts_layer *l) {
    ts_section_float(s, "limit", 1e-3, 1e6, &l->limit);
    if (l->in > TS_CLAMP_CHANNELS) ts_section_fail(s, "op", "soft_clamp takes at most 256 channels");
}

static void read_factor(ts_section *s, ts_layer *l, bool required) {
    ts_section_int(s, "factor", 2, 16, required, &l->factor);
    int area = l->factor * l->factor;
    if (l->kind == TS_LAYER_UNSHUFFLE) {
        l->out = l->in * area;
        if (l->out > TS_CHANNELS_MAX) ts_section_fail(s, "factor", "gives too many channels");
    }
    if (l->kind == TS_LAYER_SHUFFLE) {
        if (l->in % area) ts_section_fail(s, "factor", "squared must divide the channels");
        l->out = l->in / area;
    }
}

static void read_layer(ts_section *s, ts_layer *l, int channels) {
    int kind = 0;
    ts_section_choice(s, "op", kind_names, true, &kind);
    *l = (ts_layer){.kind = (ts_layer_kind)kind,
                    .in = channels,
                    .out = channels,
                    .kernel = 1,
                    .stride = 1,
                    .bias = true,
                    .eps = 1e-6f,
                    .factor = 2,
                    .limit = 3};
    switch (l->kind) {
    case TS_LAYER_CONV: read_conv(s, l); break;
    case TS_LAYER_TCONV: read_tconv(s, l); break;
    case TS_LAYER_RES: read_res(s, l); break;
    case TS_LAYER_NORM:
    case TS_LAYER_ATTENTION:
    case TS_LAYER_RESNET: read_norm(s, l); break;
    case TS_LAYER_TINY: read_tiny(s, l); break;
    case TS_LAYER_SOFT_CLAMP: read_soft_clamp(s, l); break;
    case TS_LAYER_UP: read_factor(s, l, false); break;
    case TS_LAYER_SHUFFLE:
    case TS_LAYER_UNSHUFFLE: read_factor(s, l, true); break;
    default: break; /* activations have no members */
    }
}

tess_status ts_layers_parse(const ts_json *doc, int array, const char *path, int channels, ts_layer *layers, int *count,
                            ts_error *err) {
    tess_status status = TESS_OK;
    int length = ts_json_length(doc, array), i = 0;
    if (ts_json_typeof(doc, array) != TS_JSON_ARRAY || length < 1 || length > TS_LAYERS_MAX) {
        return ts_fail(err, TESS_ERR_INPUT, "Config: %s must be a list of 1 to %d layers.", path, TS_LAYERS_MAX);
    }
    for (int it = ts_json_first(doc, array); it != TS_JSON_NONE; it = ts_json_next(doc, array, it), i++) {
        char name[32];
        snprintf(name, sizeof name, "%s[%d]", path, i);
        ts_section s = ts_section_open(doc, it, name, false, &status, err);
        if (status < 0) return status;
        read_layer(&s, &layers[i], channels);
        ts_section_close(&s);
        if (status < 0) return status;
        channels = layers[i].out;
    }
    *count = i;
    return TESS_OK;
}

/* ---- what follows from a list ---------------------------------------------------------------------------------- */

static int gcd(int a, int b) { return b == 0 ? a : gcd(b, a % b); }

static void ratio_step(const ts_layer *l, ts_ratio *r) {
    if (l->kind == TS_LAYER_CONV) r->den *= l->stride;
    if (l->kind == TS_LAYER_UNSHUFFLE) r->den *= l->factor;
    if (l->kind == TS_LAYER_TCONV) r->num *= l->stride;
    if (l->kind == TS_LAYER_UP || l->kind == TS_LAYER_SHUFFLE) r->num *= l->factor;
    int g = gcd(r->num, r->den);
    r->num /= g;
    r->den /= g;
    if (r->num > 4096) r->num = 4096; /* far past any accepted factor, and no overflow */
    if (r->den > 4096) r->den = 4096;
}

ts_ratio ts_layers_ratio(const ts_layer *layers, int count) {
    ts_ratio r = {1, 1};
    for (int i = 0; i < count; i++) ratio_step(&layers[i], &r);
    return r;
}

static int floor_div(int a, int b) { return a / b - (a % b != 0 && (a < 0) != (b < 0)); }

/* The inputs [*lo, *hi] that outputs [*lo, *hi] of a layer are made from, along y (axis 0) or x (1). False: all of
 * them. */
static bool needed(const ts_layer *l, int axis, int *lo, int *hi) {
    switch (l->kind) {
    case TS_LAYER_CONV:
        *lo = *lo * l->stride - l->pad[axis];
        *hi = *hi * l->stride - l->pad[axis] + l->kernel - 1;
        return true;
    case TS_LAYER_TCONV: /* output o = i stride - pad + t, t in 0..kernel-1 */
        *lo = -floor_div(-(*lo + l->pad[axis] - l->kernel + 1), l->stride);
        *hi = floor_div(*hi + l->pad[axis], l->stride);
        return true;
    case TS_LAYER_RES: {
        int reach = (l->kernels[0] - 1) / 2 + (l->kernels[1] - 1) / 2;
        *lo -= reach;
        *hi += reach;
        return true;
    }
    case TS_LAYER_UP:
    case TS_LAYER_SHUFFLE:
        *lo = floor_div(*lo, l->factor);
        *hi = floor_div(*hi, l->factor);
        return true;
    case TS_LAYER_UNSHUFFLE:
        *lo *= l->factor;
        *hi = *hi * l->factor + l->factor - 1;
        return true;
    case TS_LAYER_TINY:
        *lo -= 3;
        *hi += 3;
        return l->pool == 0;
    case TS_LAYER_NORM:
    case TS_LAYER_RESNET:
    case TS_LAYER_ATTENTION: return false;
    default: return true;
    }
}

static int radius_along(const ts_layer *layers, int count, int axis) {
    ts_ratio r = ts_layers_ratio(layers, count);
    int radius = 0;
    /* A block of num outputs is made of den inputs; its needs repeat with the coarsest grid inside the net, so blocks
     * at several offsets are tried and the furthest reach counts. */
    for (int block = 0; block < 64; block++) {
        int lo = block * r.num, hi = lo + r.num - 1;
        for (int i = count - 1; i >= 0; i--) {
            if (!needed(&layers[i], axis, &lo, &hi)) return TS_RADIUS_WHOLE;
        }
        int left = block * r.den - lo, right = hi - (block * r.den + r.den - 1);
        if (left > radius) radius = left;
        if (right > radius) radius = right;
    }
    return radius;
}

int ts_layers_radius(const ts_layer *layers, int count) {
    int y = radius_along(layers, count, 0), x = radius_along(layers, count, 1);
    return y > x ? y : x;
}

/* Multiply-adds of a block of convolutions per pixel of its own. */
static double block_macs(const ts_layer *l) {
    double in = l->in, out = l->out, shortcut = l->in == l->out ? 0 : in * out;
    switch (l->kind) {
    case TS_LAYER_RES:
        return ((double)l->kernels[0] * l->kernels[0] + (double)l->kernels[1] * l->kernels[1]) * in * l->hidden;
    case TS_LAYER_RESNET: return 9 * (in * out + out * out) + shortcut;
    case TS_LAYER_ATTENTION: return 4 * in * in;
    case TS_LAYER_TINY: return 9 * (in * out + 2 * out * out) + shortcut + (l->pool ? 8 * in * in : 0);
    default: return 0;
    }
}

double ts_layers_macs(const ts_layer *layers, int count) {
    double total = 0;
    ts_ratio r = {1, 1};
    for (int i = 0; i < count; i++) {
        const ts_layer *l = &layers[i];
        double side = (double)r.num / r.den, in_area = side * side;
        ratio_step(l, &r);
        side = (double)r.num / r.den;
        double taps = (double)l->kernel * l->kernel * l->in * l->out;
        if (l->kind == TS_LAYER_CONV) total += taps * side * side;
        if (l->kind == TS_LAYER_TCONV) total += taps * in_area;
        total += block_macs(l) * in_area;
    }
    return total;
}
