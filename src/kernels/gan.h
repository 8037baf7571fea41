/* gan.h - adversarial losses over a discriminator's logits.
 *
 * Each of the first three functions returns the loss (a mean over the n logits, n >= 1) and, if grad is not NULL,
 * writes grad = weight * d loss / d t (overwritten). Logits of any size give finite losses. A logit that is NaN makes
 * the loss NaN. Sums run in order, in double: logit maps are small. */
#ifndef TS_KERNELS_GAN_H
#define TS_KERNELS_GAN_H

#include <stdbool.h>
#include <stddef.h>

typedef enum ts_gan_loss {
    TS_GAN_HINGE,        /* Lim and Ye 2017, arXiv:1705.02894; as in VQGAN */
    TS_GAN_NONSATURATING /* Goodfellow et al. 2014 */
} ts_gan_loss;

/* The discriminator's, of real pictures. hinge: mean relu(1 - t); nonsaturating: mean softplus(-t). */
double ts_gan_real(ts_gan_loss kind, float *grad, const float *t, size_t n, float weight);
/* The discriminator's, of reconstructions. hinge: mean relu(1 + t); nonsaturating: mean softplus(t). */
double ts_gan_fake(ts_gan_loss kind, float *grad, const float *t, size_t n, float weight);
/* The generator's, of its reconstructions. hinge: -mean t; nonsaturating: mean softplus(-t). */
double ts_gan_generator(ts_gan_loss kind, float *grad, const float *t, size_t n, float weight);
/* LeCam regularisation (Tseng et al. 2021, arXiv:2104.03310). real: mean relu(t - anchor)^2, anchor the moving average
 * of fake logits; else mean relu(anchor - t)^2, anchor that of real ones. If grad is not NULL, weight * d loss / d t is
 * ADDED to it. */
double ts_gan_lecam(float *grad, const float *t, size_t n, bool real, float anchor, float weight);

#endif
