/* ladder.h - lambda in a model's own measure, so that a quality means about the same rate in every model.
 *
 * Step l of the ladder is the lambda at which level l of the quantizer just pays: the mean squared length of its codes
 * over their mean code length in bits. Places between the steps are read off in logarithms, and so are places beyond
 * the ends. */
#ifndef TS_ENGINE_LADDER_H
#define TS_ENGINE_LADDER_H

#include "engine/engine.h"

typedef struct ts_ladder {
    double log_lambda[TS_LEVELS_MAX]; /* base 2, falling */
    int steps;
} ts_ladder;

void ts_ladder_of(const tess_model *model, ts_ladder *ladder);
/* Lambda of a quality in 0..100; 0 at 100. */
double ts_ladder_quality(const ts_ladder *ladder, double quality);
/* About the lambda that spends this many bits on each place of the token grid, all levels together. */
double ts_ladder_rate(const ts_ladder *ladder, double bits);

#endif
