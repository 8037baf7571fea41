/* predictor.h - an integer net that says how likely each code of one level is, from the tokens around it.
 *
 * A causal net over a window of code vectors: those of the level itself before the place (4 rows of 9, and 4 to the
 * left), and the sums of the lower levels' vectors around it (5 x 5). Three hidden layers with ReLU lead to a query;
 * its products with one learned vector per code are the codes' log-likelihoods (a softmax as in PixelCNN, van den Oord
 * et al., arXiv:1601.06759, in one place at a time). Weights are int8, sums int32, activations int16: all is exact
 * integer arithmetic, the same in every build, and bounds on all sums are proved when the weights are read.
 * docs/FORMAT.md, "Predictor", is the normative text. Trained by tools/train_predictor.py.
 */
#ifndef TS_CODEC_PREDICTOR_H
#define TS_CODEC_PREDICTOR_H

#include "codec/entropy.h"

enum {
    TS_PREDICTOR_SIZE = 2048,  /* codes at most: their masses are summed in 32 bits */
    TS_PREDICTOR_ODDS = 2047,  /* the largest log-odds, in 1/256 nat */
    TS_PREDICTOR_MIX = 3,      /* inputs of the last mixer: the context model's odds, the net's, a constant */
    TS_PREDICTOR_MIX_UNIT = 16 /* of its stored weights, as in the tables */
};

/* ---- the net of one level: immutable, may be shared by threads ------------------------------------------------- */
typedef struct ts_predictor ts_predictor;

/* Reads the net of level `level` of a quantizer with `size` codes in every level, whose tokens take `depths` decisions. On success
 * *predictor is owned by the caller. Errors: MODEL (not a net of this level, or one whose sums could overflow),
 * MEMORY. */
tess_status ts_predictor_new(ts_predictor **predictor, int level, int size, int depths, const uint8_t *bytes,
                             size_t count, ts_error *err);
void ts_predictor_free(ts_predictor *predictor); /* NULL is fine */
/* [depths][TS_PREDICTOR_MIX]: where the last mixer's weights start, TS_MIXER_ONE is 1. */
const int32_t *ts_predictor_mix(const ts_predictor *predictor);

/* ---- what it says about one tile: for one thread --------------------------------------------------------------- */
typedef struct ts_prediction ts_prediction;

tess_status ts_prediction_new(ts_prediction **prediction, ts_error *err);
void ts_prediction_free(ts_prediction *prediction); /* NULL is fine */

/* Starts the predictor's level of a tile; tokens of lower levels are there, and below their sizes. `frequent`: the code
 * that is decided before the others, -1 if none is. Predictor and view are borrowed. Errors: MEMORY. */
tess_status ts_prediction_begin(ts_prediction *prediction, const ts_predictor *predictor, const ts_token_view *view,
                                int frequent, ts_error *err);
/* Works out the likelihoods at (y, x), all places before it put. About 6 microseconds. */
void ts_prediction_place(ts_prediction *prediction, int y, int x);
/* Log-odds, in 1/256 nat, that the token is `frequent`. */
int32_t ts_prediction_frequent(const ts_prediction *prediction);
/* Log-odds that the token lies in [first + half, first + 2 half), given that it lies in [first, first + 2 half) and is
 * not `frequent`. Codes past the last count for nothing. */
int32_t ts_prediction_odds(const ts_prediction *prediction, uint32_t first, uint32_t half);
/* The token at (y, x) is known now. */
void ts_prediction_put(ts_prediction *prediction, int y, int x, uint32_t token);

#endif
