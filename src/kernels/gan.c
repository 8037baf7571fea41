/* gan.c - adversarial losses. */
#include "kernels/gan.h"

#include <math.h>

#define LN2 0.69314718055994530942

/* log(1 + e^x) and its slope 1 / (1 + e^-x), by e^-|x|: nothing overflows. */
static double softplus(double x, double *slope) {
    const double e = exp2(-fabs(x) / LN2);
    *slope = (x < 0 ? e : 1) / (1 + e);
    return fmax(x, 0) + log2(1 + e) * LN2;
}

/* All three losses are mean f(sign t), f one of x, relu(1 + x), softplus(x). */
typedef enum shape { LINE, HINGE, SOFTPLUS } shape;

static double mean(shape kind, float *grad, const float *t, size_t n, double sign, float weight) {
    const double scale = sign * (double)weight / (double)n;
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        const double x = sign * (double)t[i];
        double slope = 1, loss = x;
        if (kind == HINGE) {
            slope = x > -1;
            loss = x <= -1 ? 0 : 1 + x; /* NaN stays */
        } else if (kind == SOFTPLUS) {
            loss = isnan(x) ? x : softplus(x, &slope);
        }
        sum += loss;
        if (grad) grad[i] = (float)(scale * slope);
    }
    return sum / (double)n;
}

static shape of(ts_gan_loss kind, shape hinge) { return kind == TS_GAN_HINGE ? hinge : SOFTPLUS; }

double ts_gan_real(ts_gan_loss kind, float *grad, const float *t, size_t n, float weight) {
    return mean(of(kind, HINGE), grad, t, n, -1, weight);
}

double ts_gan_fake(ts_gan_loss kind, float *grad, const float *t, size_t n, float weight) {
    return mean(of(kind, HINGE), grad, t, n, 1, weight);
}

double ts_gan_generator(ts_gan_loss kind, float *grad, const float *t, size_t n, float weight) {
    return mean(of(kind, LINE), grad, t, n, -1, weight);
}

double ts_gan_lecam(float *grad, const float *t, size_t n, bool real, float anchor, float weight) {
    const double sign = real ? 1 : -1, scale = 2 * sign * (double)weight / (double)n;
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        const double d = sign * ((double)t[i] - (double)anchor), over = d <= 0 ? 0 : d;
        sum += over * over;
        if (grad) grad[i] += (float)(scale * over);
    }
    return sum / (double)n;
}
