/* op.c - the table of ops. A new op is a row here: it is then planned, run, trained and gradient-checked by
 * existing. */
#include "graph/node.h"

static const ts_op_row row_input = {.name = "input"};

const ts_op_row *ts_op_row_of(ts_op op) {
    static const ts_op_row *const table[TS_OP_COUNT] = {
        [TS_OP_INPUT] = &row_input,
        [TS_OP_CONV2D] = &ts_row_conv2d,
        [TS_OP_CONV_TRANSPOSE2D] = &ts_row_conv_transpose2d,
        [TS_OP_GROUP_NORM] = &ts_row_group_norm,
        [TS_OP_SILU] = &ts_row_silu,
        [TS_OP_GELU] = &ts_row_gelu,
        [TS_OP_RELU] = &ts_row_relu,
        [TS_OP_LEAKY_RELU] = &ts_row_leaky_relu,
        [TS_OP_TANH] = &ts_row_tanh,
        [TS_OP_ADD] = &ts_row_add,
        [TS_OP_MUL] = &ts_row_mul,
        [TS_OP_SCALE] = &ts_row_scale,
        [TS_OP_CONCAT] = &ts_row_concat,
        [TS_OP_SLICE] = &ts_row_slice,
        [TS_OP_PAD] = &ts_row_pad,
        [TS_OP_UPSAMPLE_NEAREST] = &ts_row_upsample_nearest,
        [TS_OP_PIXEL_SHUFFLE] = &ts_row_pixel_shuffle,
        [TS_OP_PIXEL_UNSHUFFLE] = &ts_row_pixel_unshuffle,
        [TS_OP_MAX_POOL] = &ts_row_max_pool,
        [TS_OP_MEAN_POOL] = &ts_row_mean_pool,
        [TS_OP_ATTENTION] = &ts_row_attention,
        [TS_OP_QUANTIZE] = &ts_row_quantize,
        [TS_OP_L1] = &ts_row_l1,
        [TS_OP_L2] = &ts_row_l2,
        [TS_OP_MS_SSIM] = &ts_row_ms_ssim,
        [TS_OP_LPIPS] = &ts_row_lpips,
        [TS_OP_LEAKY_RELU_TANGENT] = &ts_row_leaky_relu_tangent,
        [TS_OP_GROUP_NORM_TANGENT] = &ts_row_group_norm_tangent,
        [TS_OP_LAYER_NORM] = &ts_row_layer_norm,
        [TS_OP_EMBED] = &ts_row_embed,
        [TS_OP_PLACES] = &ts_row_places,
        [TS_OP_JOIN] = &ts_row_join,
        [TS_OP_PART] = &ts_row_part,
        [TS_OP_DEPTHWISE] = &ts_row_depthwise,
        [TS_OP_DROPOUT] = &ts_row_dropout,
        [TS_OP_CROSS_ENTROPY] = &ts_row_cross_entropy,
    };
    return table[op];
}

ts_act ts_op_act(ts_op op) {
    switch (op) {
    case TS_OP_SILU: return TS_ACT_SILU;
    case TS_OP_GELU: return TS_ACT_GELU;
    case TS_OP_RELU: return TS_ACT_RELU;
    case TS_OP_LEAKY_RELU: return TS_ACT_LEAKY_RELU;
    case TS_OP_TANH: return TS_ACT_TANH;
    default: return TS_ACT_NONE;
    }
}
