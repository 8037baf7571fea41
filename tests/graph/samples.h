/* samples.h - small instances of every op of the table, for tests that go through the table. */
#ifndef TS_TEST_SAMPLES_H
#define TS_TEST_SAMPLES_H

#include "graph/node.h"

#define SAMPLE_INPUTS TS_INPUTS

typedef struct ts_sample {
    ts_params *params;
    float *values, *grads;
    ts_weights *weights;
    ts_graph *graph;
    ts_tensor x[SAMPLE_INPUTS]; /* TS_NONE where unused */
    float *in[SAMPLE_INPUTS]; /* their values: a graph may reuse its inputs' memory, so every forward gets them anew */
    ts_tensor y;
} ts_sample;

/* Instances there are of an op; 0 for one that nobody wrote samples for (the tests then fail). */
int sample_count(ts_op op);
/* Builds, plans and allocates instance i; inputs and parameters hold random values away from kinks. `threads`: of
 * plan. */
ts_sample sample_new(ts_op op, int i, int threads);
void sample_forward(ts_sample *s, ts_pool *pool);
void sample_free(ts_sample *s);

#endif
