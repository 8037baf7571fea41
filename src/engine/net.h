/* net.h - a net, such as a half of the autoencoder, run over a picture in windows that fit in memory.
 *
 * A window is a tile plus the receptive field around it, clipped at the picture's borders. A picture's tiles follow from
 * its size and the model alone, never from the region that is wanted, from threads or from memory: fast convolutions
 * round a value a little differently when its window lies elsewhere, so the same tiles everywhere is what makes a
 * region, a thread pool and a pool of workers give the same bits. All positions are in latents.
 */
#ifndef TS_ENGINE_NET_H
#define TS_ENGINE_NET_H

#include "engine/engine.h"
#include "graph/graph.h"

typedef struct ts_span {
    int x, y, width, height;
} ts_span;

typedef struct ts_net ts_net;

/* What a net is, besides its weights. */
typedef struct ts_net_kind {
    int scale, channels; /* of its input: places along a side of a latent, and their channels */
    int halo;            /* in latents; TS_RADIUS_WHOLE if the net looks across the picture */
    /* Appends the net to net->graph: from net->in to net->out, and to net->more if it gives two tensors. */
    void (*build)(ts_net *net);
    const void *context; /* of build; borrowed */
} ts_net_kind;

struct ts_net {
    const ts_config *config;
    ts_net_kind kind;
    int factor; /* pixels along a side of a latent */
    ts_weights *weights;
    ts_graph *graph; /* for windows of the size below */
    int width, height, threads;
    ts_tensor in, out, more;
    int next;      /* node of the graph to go on from */
    uint64_t done; /* multiply-adds of the running window, about */
    /* tiles of the current picture: columns x rows, of which `wanted` (in tiles) are run */
    int grid_width, grid_height;
    int columns, rows;
    ts_span wanted;
};

/* An encoder or a decoder; it borrows the model. Free with ts_net_free whatever this returned. */
tess_status ts_net_init(ts_net *net, const tess_model *model, bool encoder, ts_error *err);
/* The same for a net of another kind, over parameters of its own. */
tess_status ts_net_init_kind(ts_net *net, const tess_model *model, ts_net_kind kind, const ts_params *params,
                             ts_store store, ts_error *err);
void ts_net_free(ts_net *net);

/* Cuts a grid into tiles of at most side x side latents and takes those that `area` touches; side 0: the largest of a
 * few sides for which no tensor exceeds TS_NET_TENSOR. A net that looks across the picture takes it in one piece.
 * Errors: MEMORY; TOO_LARGE where that piece would take more than TS_NET_WHOLE, with a size that fits. */
tess_status ts_net_tile(ts_net *net, int grid_width, int grid_height, ts_span area, int side, int threads,
                        ts_error *err);
int ts_net_tiles(const ts_net *net);                /* taken */
ts_span ts_net_core(const ts_net *net, int tile);   /* the part of the grid that a tile makes */
ts_span ts_net_window(const ts_net *net, int tile); /* what it looks at */

/* Makes ready for windows of this size: NHWC input and output of the graph. Keeps the graph of the last size. */
tess_status ts_net_prepare(ts_net *net, ts_span window, ts_error *err);
float *ts_net_input(ts_net *net);
const float *ts_net_output(ts_net *net);
const float *ts_net_more(ts_net *net); /* the second output, if there is one */
/* Does some tens of milliseconds of work; true when the output is complete. The next call starts anew. */
bool ts_net_run(ts_net *net, ts_pool *pool);
/* How much of the running window is done: 0 before its input is wanted, below 1. */
double ts_net_fraction(const ts_net *net);

#define TS_NET_TENSOR ((size_t)8 << 20) /* floats */
#if SIZE_MAX > UINT32_MAX
#define TS_NET_WHOLE ((size_t)12 << 30) /* bytes of tensors: what a large machine has to spare */
#else
#define TS_NET_WHOLE ((size_t)3 << 29) /* of wasm32's two gigabytes; the rest holds weights and the picture */
#endif
#define TS_NET_MACS (UINT64_C(400) << 20) /* of one call per thread, about */

#endif
