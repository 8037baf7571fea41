/* node.h - inside the graph: nodes, storages and the table of ops. Only src/graph and its tests include this. */
#ifndef TS_GRAPH_NODE_H
#define TS_GRAPH_NODE_H

#include "graph/graph.h"
#include "graph/weights.h"
#include "kernels/conv.h"

typedef enum ts_op {
    TS_OP_INPUT,
    TS_OP_CONV2D,
    TS_OP_CONV_TRANSPOSE2D,
    TS_OP_GROUP_NORM,
    TS_OP_SILU,
    TS_OP_GELU,
    TS_OP_RELU,
    TS_OP_LEAKY_RELU,
    TS_OP_TANH,
    TS_OP_ADD,
    TS_OP_MUL,
    TS_OP_SCALE,
    TS_OP_CONCAT,
    TS_OP_SLICE,
    TS_OP_PAD,
    TS_OP_UPSAMPLE_NEAREST,
    TS_OP_PIXEL_SHUFFLE,
    TS_OP_PIXEL_UNSHUFFLE,
    TS_OP_MAX_POOL,
    TS_OP_MEAN_POOL,
    TS_OP_ATTENTION,
    TS_OP_QUANTIZE,
    TS_OP_L1,
    TS_OP_L2,
    TS_OP_MS_SSIM,
    TS_OP_LPIPS,
    TS_OP_LEAKY_RELU_TANGENT,
    TS_OP_GROUP_NORM_TANGENT,
    TS_OP_LAYER_NORM,
    TS_OP_EMBED,
    TS_OP_PLACES,
    TS_OP_JOIN,
    TS_OP_PART,
    TS_OP_DEPTHWISE,
    TS_OP_DROPOUT,
    TS_OP_CROSS_ENTROPY,
    TS_OP_COUNT
} ts_op;

#define TS_INPUTS 3 /* the most that an op takes */

/* One node makes one tensor; node i makes tensor i, and inputs have lower numbers. */
typedef struct ts_node {
    ts_op op;
    ts_tensor in[TS_INPUTS];
    ts_shape shape;
    ts_weights *weights;
    int w, b; /* parameter indices, -1: none */
    /* attributes; which ones count is the op's business */
    int stride, pad, kernel, factor, groups, channel, channels;
    int edge[4];     /* pad: top, left, bottom, right; part: first, height, width */
    int heads, rows; /* attention; embed: of its table */
    bool mean;       /* embed */
    float eps, slope, range;
    float share;  /* dropout: what is dropped; cross_entropy: the smoothing */
    float logits; /* attention: what q k is multiplied with */
    float *table; /* scale: [2][c] scale and shift, owned */
    ts_quantize_hooks hooks;
    ts_conv conv;  /* conv and transposed conv (there: the conv from its output to its input) */
    int panels[2]; /* slots in weights: [0] ts_conv_pack, [1] ts_conv_pack_back; -1 */
    /* roles */
    bool grad;   /* a gradient flows through this tensor */
    bool output; /* stays readable */
    float seed;  /* losses: d total / d loss */
    bool start;  /* ts_graph_start */
    /* plan */
    ts_tensor act;                       /* conv, norm: the activation node applied while storing, or TS_NONE */
    ts_tensor sum;                       /* conv: the add node applied while storing, or TS_NONE */
    ts_tensor residual;                  /* conv: what that add node adds, or TS_NONE */
    ts_tensor norm;                      /* conv: the norm applied while loading, or TS_NONE */
    ts_tensor load;                      /* conv: the activation node applied while loading, or TS_NONE */
    ts_tensor host;                      /* the earlier node that makes this tensor while storing its own, or TS_NONE */
    bool gone;                           /* nothing of this node is left: its reader does it while loading */
    bool affine;                         /* norm: the value is scale [n][c] and shift [n][c] for its readers to apply */
    int takers;                          /* norm: readers that could */
    int value, gradient, saved, work[2]; /* storage indices or -1; work[backward] */
    int spill[TS_INPUTS];                /* the same, per input */
    /* run state */
    bool active, written;
    bool wanted; /* this backward needs a gradient that flows through this tensor */
} ts_node;

/* A piece of the arena with a lifetime in steps: forward of node i is step i, backward is step 2 n - 1 - i. */
typedef struct ts_storage {
    size_t floats, at;
    int birth, death;
    int changed; /* gradients: the last step that adds to a tensor sharing this storage; -1: none */
} ts_storage;

struct ts_graph {
    ts_graph_mode mode;
    ts_node *nodes;
    int count, capacity;
    ts_storage *storages;
    int storage_count, storage_capacity;
    size_t floats; /* of the arena */
    float *arena;
    bool borrowed;  /* the arena is the caller's */
    size_t reserve; /* ts_graph_reserve: floats, */
    int room;       /* and their storage or -1 */
    int threads;
    tess_status status; /* sticky */
    ts_error error;
    bool planned;
    bool keep; /* ts_graph_keep */
    uint64_t dropout_seed;
    unsigned kinds; /* of gradients that this backward computes, of ts_gradients */
};

/* What a kernel call sees. forward: x, w, b -> y, saved. backward: dy and what `needs` names -> dx, dw, db.
 * dx[k] is NULL where no gradient is wanted; dw, db are NULL for frozen weights. */
typedef struct ts_call {
    const ts_graph *graph;
    const ts_node *node;
    ts_shape xs[TS_INPUTS], ys;
    const float *x[TS_INPUTS];
    float *y;
    const float *dy;
    float *dx[TS_INPUTS];
    float *saved;
    float *work;
    const float *residual; /* conv: fused addend or NULL */
    const float *affine;   /* conv: scale and shift of the fused norm, or NULL */
    ts_act act, load;      /* fused activations */
    float slope;           /* of either */
    ts_pool *pool;
} ts_call;

enum {
    TS_NEEDS_X = 1,       /* backward reads x[0] */
    TS_NEEDS_X1 = 2,      /* ... x[1] */
    TS_NEEDS_X2 = 4,      /* ... x[2] */
    TS_NEEDS_Y = 8,       /* ... y */
    TS_IN_PLACE = 16,     /* forward may write y over any x of y's shape */
    TS_LOSS = 32,         /* y is one float */
    TS_PASS_THROUGH = 64, /* every dx equals dy: gradients may share memory */
    TS_BY_PRODUCT = 128,  /* backward needs a place for dx, asked for or not, unless x has no gradient at all */
    TS_CONSTANT_X1 = 256  /* x[1] is a constant to backward: no gradient goes there */
};

/* One row of the table of ops. */
typedef struct ts_op_row {
    const char *name;
    int inputs;
    unsigned flags;
    tess_status (*shape)(const ts_graph *g, ts_node *node, ts_error *err);
    void (*forward)(const ts_call *call);
    void (*backward)(const ts_call *call);
    size_t (*saved)(const ts_graph *g, const ts_node *node);                            /* floats kept for backward */
    size_t (*work)(const ts_graph *g, const ts_node *node, bool backward, int threads); /* scratch floats */
    uint64_t (*macs)(const ts_graph *g, const ts_node *node);
} ts_op_row;

const ts_op_row *ts_op_row_of(ts_op op);
unsigned ts_node_needs(const ts_node *node); /* what backward of this node will read, of TS_NEEDS_* */
bool ts_node_trains(const ts_node *node);
void ts_graph_fuse(ts_graph *g);
ts_act ts_op_act(ts_op op); /* the kernel's name of an activation op, TS_ACT_NONE for others */

static inline ts_shape ts_node_input(const ts_graph *g, const ts_node *node, int k) {
    return g->nodes[node->in[k]].shape;
}

/* May a gradient go from the node to its input k? */
static inline bool ts_node_gives(const ts_node *node, int k) {
    return k != 1 || !(ts_op_row_of(node->op)->flags & TS_CONSTANT_X1);
}

/* Where the gradient of parameter `param` of the call's node is added; NULL: none is wanted. */
static inline float *ts_call_grads(const ts_call *c, int param) {
    return c->graph->kinds & TS_GRADIENTS_WEIGHTS ? ts_weights_grads(c->node->weights, param) : NULL;
}

/* Is input k of the node an earlier input of it too? */
static inline bool ts_node_repeats(const ts_node *node, int k) {
    bool found = false;
    for (int i = 0; i < k; i++) found |= node->in[i] == node->in[k];
    return found;
}

/* The rows of the table, in op_*.c. */
extern const ts_op_row ts_row_conv2d, ts_row_conv_transpose2d, ts_row_group_norm;
extern const ts_op_row ts_row_silu, ts_row_gelu, ts_row_relu, ts_row_leaky_relu, ts_row_tanh;
extern const ts_op_row ts_row_add, ts_row_mul, ts_row_scale, ts_row_attention, ts_row_quantize;
extern const ts_op_row ts_row_concat, ts_row_slice, ts_row_pad, ts_row_upsample_nearest, ts_row_pixel_shuffle;
extern const ts_op_row ts_row_pixel_unshuffle, ts_row_max_pool, ts_row_mean_pool;
extern const ts_op_row ts_row_leaky_relu_tangent, ts_row_group_norm_tangent;
extern const ts_op_row ts_row_l1, ts_row_l2, ts_row_ms_ssim, ts_row_lpips, ts_row_cross_entropy;
extern const ts_op_row ts_row_layer_norm, ts_row_embed, ts_row_places, ts_row_join, ts_row_part;
extern const ts_op_row ts_row_depthwise, ts_row_dropout;

#endif
