/* predictor_net.h - internal: the inside of a predictor. */
#ifndef TS_CODEC_PREDICTOR_NET_H
#define TS_CODEC_PREDICTOR_NET_H

#include "codec/context.h"
#include "codec/predictor.h"

enum {
    TS_OWN_ROWS = 4,  /* rows of the own level above the place */
    TS_OWN_REACH = 4, /* columns to either side of it */
    TS_LOW_REACH = 2, /* rows and columns of the lower levels around it */
    TS_OWN_ACROSS = 2 * TS_OWN_REACH + 1,
    TS_LOW_ACROSS = 2 * TS_LOW_REACH + 1,
    TS_ABOVE_TAPS = TS_OWN_ROWS * TS_OWN_ACROSS,
    TS_OWN_TAPS = TS_ABOVE_TAPS + TS_OWN_REACH,
    TS_LOW_TAPS = TS_LOW_ACROSS * TS_LOW_ACROSS,
    TS_MASSES = 4096 /* of log-likelihoods below the best, in 1/256 nat */
};

/* out = W in + b in int32, then for hidden layers clamp(out * scale >> shift). */
typedef struct ts_dense {
    int rows, columns; /* rows: rounded up to whole blocks with zeros; columns: even */
    int16_t *weights;  /* [blocks][columns / 2][TS_BLOCK][TS_VF][2]: outputs along lanes; owned */
    int32_t *bias;     /* [rows]; owned */
    uint16_t *scale;   /* [rows], NULL for the last layer; owned */
    int shift;
} ts_dense;

enum { TS_BLOCK = 4 }; /* vectors of outputs that are worked out together */

/* out[rows] = from[rows] + W in; from may be out or the layer's bias. */
void ts_dense_run(const ts_dense *layer, const int16_t *in, const int32_t *from, int32_t *out);
/* The same twice from the bias, for inputs and outputs that lie in_step and out_step apart: less to load. */
void ts_dense_run_two(const ts_dense *layer, const int16_t *in, size_t in_step, int32_t *out, size_t out_step);
/* One activation from a sum: rounded, within -32767..32767. */
int32_t ts_dense_scale(const ts_dense *layer, int row, int32_t sum);

/* The first layer in two parts: what is known before a row begins (the rows above, the lower levels), and what is to the
 * left. Biases and scales are the former's. */
enum { TS_HIDDEN_AHEAD, TS_HIDDEN_LEFT, TS_HIDDEN_IN, TS_HIDDEN_OUT, TS_QUERY, TS_LIKELIHOOD, TS_LAYERS };

struct ts_predictor {
    int level, size, dim;
    int16_t *codes; /* [level + 1][size + 1][dim]: vectors of every level's codes and of "outside"; owned */
    ts_dense layers[TS_LAYERS];
    int32_t *mix;             /* [depths][TS_PREDICTOR_MIX]; owned */
    uint32_t mass[TS_MASSES]; /* 2^20 exp(-i / 256), at least 1 */
    ts_context_tables tables; /* for logarithms */
};

#endif
