/* training.h - small trainers for the tests of the trainer. */
#ifndef TS_TEST_TRAINING_H
#define TS_TEST_TRAINING_H

#include "tesserae.h"

/* Configs of the smallest nets that have every part (strides, residuals, shuffle; factor 4), 40 steps, one for each kind
 * of codes. The first: residual VQ by EMA, codes fitted at step 6. */
#define TRAINING_CONFIGS 7
extern const char *const training_configs[TRAINING_CONFIGS];

/* A trainer of a config, with five pictures to train on and two to validate with. */
tess_trainer *training_new(const char *config);
/* Config k with that text as its "adversarial" ("{...}"). */
tess_trainer *training_against(int k, const char *adversarial);
/* Smooth colour ramps with an edge, different for every i; channels 1, 3 or 4; sides over and under the crop. */
void training_pictures(tess_trainer *trainer, int validation, int count);
/* n steps; one that fails prints its sentence and stops the program. */
void training_steps(tess_trainer *trainer, int n);

#endif
