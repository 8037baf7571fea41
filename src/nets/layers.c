#include "nets/layers.h"

#include <stdio.h>

#include "nets/config_read.h"

static const char *const kind_names[] = {"conv", "tconv", "res", "silu",    "relu",      "leaky_relu", "gelu",
                                         "tanh", "norm",  "up",  "shuffle", "unshuffle", NULL};

bool ts_layer_is_activation(ts_layer_kind kind) { return kind >= TS_LAYER_SILU && kind <= TS_LAYER_TANH; }

/* ---- reading ------------------------------------------------------------------------------------------------- */

/* Sizes must divide exactly: n pixels become n / stride (conv) or n * stride (tconv) for every n that fits. */
static void read_conv(ts_section *s, ts_layer *l) {
    ts_section_int(s, "out", 1, TS_CHANNELS_MAX, true, &l->out);
    ts_section_int(s, "kernel", 1, 15, true, &l->kernel);
    ts_section_int(s, "stride", 1, 8, false, &l->stride);
    l->pad = (l->kernel - 1) / 2;
    ts_section_int(s, "pad", 0, 15, false, &l->pad);
    ts_section_bool(s, "bias", &l->bias);
    int over = l->kernel - 2 * l->pad; /* 1..stride keeps floor((n + 2 pad - kernel) / stride) + 1 = n / stride */
    if (over < 1 || over > l->stride)
        ts_section_fail(s, "pad", "does not fit kernel and stride (output must be input / stride)");
}

static void read_tconv(ts_section *s, ts_layer *l) {
    ts_section_int(s, "out", 1, TS_CHANNELS_MAX, true, &l->out);
    ts_section_int(s, "kernel", 1, 15, true, &l->kernel);
    ts_section_int(s, "stride", 1, 8, true, &l->stride);
    l->pad = l->kernel > l->stride ? (l->kernel - l->stride) / 2 : 0;
    ts_section_int(s, "pad", 0, 15, false, &l->pad);
    ts_section_bool(s, "bias", &l->bias);
    if (l->kernel - 2 * l->pad != l->stride) {
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

static void read_norm(ts_section *s, ts_layer *l) {
    ts_section_int(s, "groups", 1, TS_CHANNELS_MAX, true, &l->groups);
    ts_section_float(s, "eps", 1e-12, 1, &l->eps);
    if (l->groups > 0 && l->in % l->groups != 0) ts_section_fail(s, "groups", "must divide the channels");
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
                    .factor = 2};
    switch (l->kind) {
    case TS_LAYER_CONV: read_conv(s, l); break;
    case TS_LAYER_TCONV: read_tconv(s, l); break;
    case TS_LAYER_RES: read_res(s, l); break;
    case TS_LAYER_NORM: read_norm(s, l); break;
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

/* The inputs [*lo, *hi] that outputs [*lo, *hi] of a layer are made from. False: all of them. */
static bool needed(const ts_layer *l, int *lo, int *hi) {
    switch (l->kind) {
    case TS_LAYER_CONV:
        *lo = *lo * l->stride - l->pad;
        *hi = *hi * l->stride - l->pad + l->kernel - 1;
        return true;
    case TS_LAYER_TCONV: /* output o = i stride - pad + t, t in 0..kernel-1 */
        *lo = -floor_div(-(*lo + l->pad - l->kernel + 1), l->stride);
        *hi = floor_div(*hi + l->pad, l->stride);
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
    case TS_LAYER_NORM: return false;
    default: return true;
    }
}

int ts_layers_radius(const ts_layer *layers, int count) {
    ts_ratio r = ts_layers_ratio(layers, count);
    int radius = 0;
    /* A block of num outputs is made of den inputs; its needs repeat with the coarsest grid inside the net, so blocks
     * at several offsets are tried and the furthest reach counts. */
    for (int block = 0; block < 64; block++) {
        int lo = block * r.num, hi = lo + r.num - 1;
        for (int i = count - 1; i >= 0; i--) {
            if (!needed(&layers[i], &lo, &hi)) return TS_RADIUS_WHOLE;
        }
        int left = block * r.den - lo, right = hi - (block * r.den + r.den - 1);
        if (left > radius) radius = left;
        if (right > radius) radius = right;
    }
    return radius;
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
        if (l->kind == TS_LAYER_RES) {
            total += ((double)l->kernels[0] * l->kernels[0] + (double)l->kernels[1] * l->kernels[1]) * l->in *
                     l->hidden * in_area;
        }
    }
    return total;
}
