/* graph.h - a static graph of nodes for fixed shapes: build, plan, allocate, run forward, run backward.
 *
 * Tensors are NHWC float32. A builder appends nodes; the graph infers shapes; ts_graph_plan decides which nodes run
 * fused or in place and where every tensor lies in one block of memory, by liveness; ts_graph_bytes tells what that
 * block takes before ts_graph_alloc takes it. After that a graph runs any number of times without allocating.
 * Build once per (net, shape): same-size tiles reuse a graph. Results never depend on the number of threads.
 *
 * Errors while building are sticky: a failing builder returns TS_NONE, later builders given TS_NONE do the same, and
 * ts_graph_plan reports the first fault. Gradients: parameter gradients accumulate (+=) into the weights' grads store,
 * which the caller zeroes; gradients of tensors are overwritten. A tensor that needs no gradient (nothing below it is
 * trainable) gets none computed. */
#ifndef TS_GRAPH_GRAPH_H
#define TS_GRAPH_GRAPH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "graph/params.h"

typedef struct ts_pool ts_pool;

typedef int ts_tensor; /* an index into its graph */
#define TS_NONE (-1)

typedef struct ts_shape {
    int n, h, w, c;
} ts_shape;

static inline size_t ts_shape_count(ts_shape s) { return (size_t)s.n * (size_t)s.h * (size_t)s.w * (size_t)s.c; }

typedef enum ts_graph_mode {
    TS_GRAPH_INFERENCE, /* memory is reused as soon as a tensor is dead; fusions on; no backward */
    TS_GRAPH_TRAINING   /* what some backward needs is kept */
} ts_graph_mode;

/* What TS_OP_QUANTIZE calls: z, zq, dzq, dz are [rows][dim]. The graph knows no quantizer. */
typedef struct ts_quantize_hooks {
    void *self;
    void (*forward)(void *self, const float *z, float *zq, size_t rows, int dim, ts_pool *pool);
    void (*backward)(void *self, const float *z, const float *dzq, float *dz, size_t rows, int dim, ts_pool *pool);
} ts_quantize_hooks;

typedef struct ts_graph ts_graph;

tess_status ts_graph_new(ts_graph_mode mode, ts_graph **out, ts_error *err);
void ts_graph_free(ts_graph *graph);

/* ---- building ---------------------------------------------------------------------------------------------- */
/* `grad`: also compute the gradient with respect to this input (ts_graph_grad). */
ts_tensor ts_graph_input(ts_graph *g, ts_shape shape, bool grad);
/* w: TS_PARAM_CONV [out][in][k][k], or of a linear layer (k = 1) [out][in]; b: [out] or -1. */
ts_tensor ts_graph_conv2d(ts_graph *g, ts_tensor x, ts_weights *weights, int w, int b, int stride, int pad);
/* w: TS_PARAM_CONV, file order [in][out][k][k]; output size (h - 1) * stride - 2 * pad + k, as PyTorch. */
ts_tensor ts_graph_conv_transpose2d(ts_graph *g, ts_tensor x, ts_weights *weights, int w, int b, int stride, int pad);
ts_tensor ts_graph_group_norm(ts_graph *g, ts_tensor x, ts_weights *weights, int gamma, int beta, int groups,
                              float eps);
ts_tensor ts_graph_silu(ts_graph *g, ts_tensor x);
ts_tensor ts_graph_gelu(ts_graph *g, ts_tensor x); /* tanh form */
ts_tensor ts_graph_relu(ts_graph *g, ts_tensor x);
ts_tensor ts_graph_leaky_relu(ts_graph *g, ts_tensor x, float slope);
ts_tensor ts_graph_tanh(ts_graph *g, ts_tensor x);
ts_tensor ts_graph_add(ts_graph *g, ts_tensor a, ts_tensor b);
ts_tensor ts_graph_mul(ts_graph *g, ts_tensor a, ts_tensor b);
/* y = x * scale[c] + shift[c]; the arrays hold c floats and are copied. */
ts_tensor ts_graph_scale(ts_graph *g, ts_tensor x, const float *scale, const float *shift);
ts_tensor ts_graph_concat(ts_graph *g, ts_tensor a, ts_tensor b); /* along channels */
/* Channels [channel, channel + channels). */
ts_tensor ts_graph_slice(ts_graph *g, ts_tensor x, int channel, int channels);
ts_tensor ts_graph_pad(ts_graph *g, ts_tensor x, int top, int left, int bottom, int right); /* zeros */
ts_tensor ts_graph_upsample_nearest(ts_graph *g, ts_tensor x, int factor);
ts_tensor ts_graph_pixel_shuffle(ts_graph *g, ts_tensor x, int factor); /* channel order c*f*f + fy*f + fx */
ts_tensor ts_graph_pixel_unshuffle(ts_graph *g, ts_tensor x, int factor);
/* No padding; the last window may overhang (PyTorch's ceil mode). */
ts_tensor ts_graph_max_pool(ts_graph *g, ts_tensor x, int kernel, int stride);
/* Means of factor x factor blocks; rows and columns at the end that fill no block are dropped (PyTorch's avg_pool2d). */
ts_tensor ts_graph_mean_pool(ts_graph *g, ts_tensor x, int factor);
/* Normalises the channels of each place (PyTorch's LayerNorm over the last axis). gamma, beta: [channels]. */
ts_tensor ts_graph_layer_norm(ts_graph *g, ts_tensor x, ts_weights *weights, int gamma, int beta, float eps);
/* ids: [n][h][w][k], whole numbers as floats. y: [n][h][w][channels] = the sum (`mean`: the mean) of the table's rows that
 * they name. An id below 0 counts for nothing, one past the last row is the last; 0 where none counts. Ids get no
 * gradient. table: a TS_PARAM_PLAIN entry [rows][channels]. */
ts_tensor ts_graph_embed(ts_graph *g, ts_tensor ids, ts_weights *weights, int table, int rows, int channels, bool mean);
/* y = x + table, for every picture. table: a TS_PARAM_PLAIN entry of h w c values, place by place ([h w][c]). */
ts_tensor ts_graph_places(ts_graph *g, ts_tensor x, ts_weights *weights, int table);
/* Places of a, then places of b, as one row: [n][1][a.h a.w + b.h b.w][c]. */
ts_tensor ts_graph_join(ts_graph *g, ts_tensor a, ts_tensor b);
/* Places [first, first + height width) of each picture of x, in its order, as [n][height][width][c]. */
ts_tensor ts_graph_part(ts_graph *g, ts_tensor x, int first, int height, int width);
/* Attention over the h w places of each picture: softmax over keys of scale q k, times v, for each of `heads` equal runs of
 * channels by itself. Equal shapes; heads divides the channels. */
ts_tensor ts_graph_attention(ts_graph *g, ts_tensor q, ts_tensor k, ts_tensor v, int heads, float scale);
/* One filter per channel, stride 1, zeros around: y has x's shape. w: TS_PARAM_CONV [c][1][kernel][kernel], kernel odd and
 * at most 15; b: [c] or -1. */
ts_tensor ts_graph_depthwise(ts_graph *g, ts_tensor x, ts_weights *weights, int w, int b, int kernel);
/* In a training graph: 0 with probability p (0 <= p < 1), x / (1 - p) else. In an inference graph, and for p = 0: x itself,
 * no node is made. */
ts_tensor ts_graph_dropout(ts_graph *g, ts_tensor x, float p);
ts_tensor ts_graph_quantize(ts_graph *g, ts_tensor z, ts_quantize_hooks hooks);
/* Losses are means, shape 1x1x1x1; the gradient goes to x, never to target (a constant: "stop gradient"). */
ts_tensor ts_graph_l1(ts_graph *g, ts_tensor x, ts_tensor target);
ts_tensor ts_graph_l2(ts_graph *g, ts_tensor x, ts_tensor target);
/* 1 - MS-SSIM, of values from 0 to range. */
ts_tensor ts_graph_ms_ssim(ts_graph *g, ts_tensor x, ts_tensor target, float range);
/* One LPIPS head: mean over n, h, w of sum_c lin[c] (x/|x| - target/|target|)^2; lin: a TS_PARAM_PLAIN entry, c floats. */
ts_tensor ts_graph_lpips(ts_graph *g, ts_tensor x, ts_tensor target, ts_weights *weights, int lin);
/* The tangent of a layer, d layer(x + e t) / d e at e = 0, to be built beside the layer; t has x's shape.
 * leaky_relu: x may also be what the layer gave, as its sign alone counts; no gradient goes to x. */
ts_tensor ts_graph_leaky_relu_tangent(ts_graph *g, ts_tensor t, ts_tensor x, float slope);
ts_tensor ts_graph_group_norm_tangent(ts_graph *g, ts_tensor t, ts_tensor x, ts_weights *weights, int gamma, int groups,
                                      float eps);
/* Mean over places whose target is not negative of the cross-entropy of softmax(logits), nats; `smoothing` of the label is
 * spread over all c classes (PyTorch's label_smoothing). target: [n][h][w][1], classes as floats. 0 if no place counts. */
ts_tensor ts_graph_cross_entropy(ts_graph *g, ts_tensor logits, ts_tensor target, float smoothing);

/* Keeps a tensor readable after forward (it is never placed under another), and always computed. */
void ts_graph_output(ts_graph *g, ts_tensor t);
/* Backward starts from this tensor too: its gradient comes from the caller, who fills ts_graph_grad_data before every
 * backward. Also makes it an output. */
void ts_graph_start(ts_graph *g, ts_tensor t);
/* What backward reads stays after it, so that backward may run several times after one forward, each time with other
 * starts. */
void ts_graph_keep(ts_graph *g);
/* Asks for room of `floats` floats for other work between forward and backward, in memory that is free then. */
void ts_graph_reserve(ts_graph *g, size_t floats);
ts_shape ts_graph_shape(const ts_graph *g, ts_tensor t);

/* Floats of the largest tensor built so far; 0 after a fault. */
size_t ts_graph_largest(const ts_graph *g);

/* ---- running ----------------------------------------------------------------------------------------------- */
/* Ends building. `threads`: workspace is kept for so many; a larger pool is not used (1 .. TS_MAX_THREADS). */
tess_status ts_graph_plan(ts_graph *g, int threads, ts_error *err);
size_t ts_graph_bytes(const ts_graph *g);               /* of ts_graph_alloc, known after plan */
tess_status ts_graph_alloc(ts_graph *g, ts_error *err); /* takes the memory and the weights' prepared forms */
/* The same in `memory`, ts_graph_bytes of the caller's, aligned as ts_alloc_floats gives it; NULL: in its own. */
tess_status ts_graph_alloc_in(ts_graph *g, float *memory, ts_error *err);
float *ts_graph_reserved(const ts_graph *g); /* the room of ts_graph_reserve, after alloc */
/* Where a tensor's values lie: inputs are written before every forward (their memory is reused), outputs and losses
 * read after it. NULL for a tensor that is neither. */
float *ts_graph_data(ts_graph *g, ts_tensor t);
/* The gradient of an input made with grad (after backward), or of a ts_graph_start tensor (to be filled); else NULL. */
float *ts_graph_grad_data(ts_graph *g, ts_tensor t);
/* d total / d loss = weight. 0 (the start) switches a loss off: in a training graph nodes that only serve it are not
 * run, unless the loss is an output. */
void ts_graph_seed(ts_graph *g, ts_tensor loss, float weight);
/* Draws dropout's masks: from this seed, the node and the value's index alone. Set before each forward (0 at first), left
 * alone until its last backward. */
void ts_graph_dropout_seed(ts_graph *g, uint64_t seed);
void ts_graph_forward(ts_graph *g, ts_pool *pool);
/* A part of forward, for work that is to stay interruptible: goes on from node *next (0 to begin with) for about `macs`
 * multiply-adds, at least one node; sets *next. True when forward is complete. */
bool ts_graph_forward_some(ts_graph *g, ts_pool *pool, int *next, uint64_t macs);
/* Only what output t is made from. */
void ts_graph_forward_to(ts_graph *g, ts_tensor t, ts_pool *pool);
void ts_graph_backward(ts_graph *g, ts_pool *pool);
typedef enum ts_gradients { TS_GRADIENTS_WEIGHTS = 1, TS_GRADIENTS_INPUTS = 2 } ts_gradients;
/* Backward for one kind of gradients (or their sum: both): what only the other needs is not computed. Gradients of inputs
 * hold until the next forward or backward. */
void ts_graph_backward_to(ts_graph *g, unsigned kinds, ts_pool *pool);
uint64_t ts_graph_macs(const ts_graph *g); /* multiply-adds of one forward */

#endif
