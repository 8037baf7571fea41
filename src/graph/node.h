/* node.h - inside the graph: nodes, storages and the table of ops. Only src/graph and its tests include this. */
#ifndef TS_GRAPH_NODE_H
#define TS_GRAPH_NODE_H

#include "graph/graph.h"
#include "graph/weights.h"

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
    TS_OP_QUANTIZE,
    TS_OP_L1,
    TS_OP_L2,
    TS_OP_MS_SSIM,
    TS_OP_LPIPS,
    TS_OP_COUNT
} ts_op;

/* One node makes one tensor; node i makes tensor i, and inputs have lower numbers. */
typedef struct ts_node {
    ts_op op;
    ts_tensor in[2];
    ts_shape shape;
    ts_weights *weights;
    int w, b; /* parameter indices, -1: none */
    /* attributes; which ones count is the op's business */
    int stride, pad, kernel, factor, groups, channel;
    int edge[4]; /* pad: top, left, bottom, right */
    float eps, slope, range;
    float *table; /* scale: [2][c] scale and shift, owned */
    ts_quantize_hooks hooks;
    /* roles */
    bool grad;   /* a gradient flows through this tensor */
    bool output; /* stays readable */
    float seed;  /* losses: d total / d loss */
    bool seeded; /* ts_graph_seed_tensor */
    /* plan */
    ts_op fused;        /* conv: activation applied while storing, or TS_OP_INPUT for none */
    ts_tensor residual; /* conv: tensor added while storing, or TS_NONE */
    ts_tensor store_as; /* conv: writes this tensor (the fused follower); itself when nothing is fused */
    bool skip;          /* forward done by a fused predecessor */
    int value, gradient, saved, work[2], spill[2]; /* storage indices or -1; work[backward], spill per input */
    /* run state */
    bool active, written;
} ts_node;

/* A piece of the arena with a lifetime in steps: forward of node i is step i, backward is step 2 n - 1 - i. */
typedef struct ts_storage {
    size_t floats, at;
    int birth, death;
} ts_storage;

struct ts_graph {
    ts_graph_mode mode;
    ts_node *nodes;
    int count, capacity;
    ts_storage *storages;
    int storage_count, storage_capacity;
    size_t floats; /* of the arena */
    float *arena;
    int threads;
    tess_status status; /* sticky */
    ts_error error;
    bool planned;
};

/* What a kernel call sees. forward: x, w, b -> y, saved. backward: dy and what `needs` names -> dx, dw, db.
 * dx[k] is NULL where no gradient is wanted; dw, db are NULL for frozen weights. */
typedef struct ts_call {
    const ts_graph *graph;
    const ts_node *node;
    ts_shape xs[2], ys;
    const float *x[2];
    float *y;
    const float *dy;
    float *dx[2];
    float *saved;
    float *work;
    const float *residual;
    ts_pool *pool;
} ts_call;

enum {
    TS_NEEDS_X = 1,     /* backward reads x[0] */
    TS_NEEDS_X1 = 2,    /* backward reads x[1] */
    TS_NEEDS_Y = 4,     /* backward reads y */
    TS_IN_PLACE = 8,    /* forward may write y over x[0] */
    TS_LOSS = 16,       /* y is one float; x[1] is a constant target */
    TS_PASS_THROUGH = 32 /* dx[0] and dx[1] equal dy: gradients may share memory */
};

/* One row of the table of ops. */
typedef struct ts_op_row {
    const char *name;
    int inputs;
    unsigned flags;
    tess_status (*shape)(const ts_graph *g, ts_node *node, ts_error *err);
    void (*forward)(const ts_call *call);
    void (*backward)(const ts_call *call);
    size_t (*saved)(const ts_graph *g, const ts_node *node);                             /* floats kept for backward */
    size_t (*work)(const ts_graph *g, const ts_node *node, bool backward, int threads); /* scratch floats */
    uint64_t (*macs)(const ts_graph *g, const ts_node *node);
} ts_op_row;

const ts_op_row *ts_op_row_of(ts_op op);

#endif
