/* masking.h - where in a picture errors are seen less, so that bits may be saved there. */
#ifndef TS_ENGINE_MASKING_H
#define TS_ENGINE_MASKING_H

/* What lambda is multiplied by at each latent: above 1 where latents differ a lot from their eight neighbours (texture
 * hides errors), below 1 where they hardly do. The logarithm has mean 0 over the picture, before clamping to
 * 0.4 .. 2.5.
 * latents: [height][width][dim]; weights: [height][width]. */
void ts_masking(const float *latents, int height, int width, int dim, float *weights);

#endif
