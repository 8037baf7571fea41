/* test_gan.c - adversarial losses against double precision, gradients against central differences of the double
 * reference, logits beyond all measure. */
#include "kernels/gan.h"
#include "support.h"

typedef enum side { REAL, FAKE, GENERATOR } side;

static const char *const side_names[] = {"real", "fake", "generator"};

static double run(ts_gan_loss kind, side which, float *grad, const float *t, size_t n, float weight) {
    return which == REAL   ? ts_gan_real(kind, grad, t, n, weight)
           : which == FAKE ? ts_gan_fake(kind, grad, t, n, weight)
                           : ts_gan_generator(kind, grad, t, n, weight);
}

/* One logit's loss, as the papers write it. */
static double reference(ts_gan_loss kind, side which, double t) {
    if (kind == TS_GAN_HINGE) return which == REAL ? fmax(0, 1 - t) : which == FAKE ? fmax(0, 1 + t) : -t;
    return which == FAKE ? log(1 + exp(t)) : log(1 + exp(-t));
}

static void test_losses(void) {
    for (int kind = TS_GAN_HINGE; kind <= TS_GAN_NONSATURATING; kind++) {
        for (int which = REAL; which <= GENERATOR; which++) {
            for (size_t n = 1; n < 3000; n = n * 7 + 2) {
                test_row("loss %d %s n %d", kind, side_names[which], (int)n);
                float *t = make_random(n, 3), *grad = make_skewed(n, 1);
                double want = 0;
                for (size_t i = 0; i < n; i++) want += reference((ts_gan_loss)kind, (side)which, t[i]) / (double)n;
                CHECK_NEAR(run((ts_gan_loss)kind, (side)which, grad, t, n, 0.3f), want, 1e-12 * fmax(1, fabs(want)));
                CHECK(run((ts_gan_loss)kind, (side)which, NULL, t, n, 7) ==
                      run((ts_gan_loss)kind, (side)which, NULL, t, n, 1));
                for (size_t i = 0; i < n; i++) {
                    const double h = 1e-6, x = t[i];
                    if (fabs(fabs(x) - 1) < 1e-4) continue; /* the hinge's corner */
                    const double slope = (reference((ts_gan_loss)kind, (side)which, x + h) -
                                          reference((ts_gan_loss)kind, (side)which, x - h)) /
                                         (2 * h);
                    CHECK_NEAR(grad[i] * (double)n, 0.3 * slope, 1e-7);
                }
                release();
            }
        }
    }
}

/* Logits of any size: finite losses, slopes at their limits; NaN stays visible. */
static void test_extremes(void) {
    const float t[4] = {-3e38f, -200, 200, 3e38f};
    float grad[4];
    const double far = 3e38f;
    CHECK_NEAR(ts_gan_real(TS_GAN_NONSATURATING, grad, t, 4, 4) / far, 0.25, 1e-12);
    for (int i = 0; i < 4; i++) CHECK_NEAR(grad[i], i < 2 ? -1 : 0, 1e-30);
    CHECK_NEAR(ts_gan_fake(TS_GAN_NONSATURATING, grad, t, 4, 4) / far, 0.25, 1e-12);
    for (int i = 0; i < 4; i++) CHECK_NEAR(grad[i], i < 2 ? 0 : 1, 1e-30);
    CHECK_NEAR(ts_gan_real(TS_GAN_HINGE, grad, t, 4, 4) / far, 0.25, 1e-12);
    for (int i = 0; i < 4; i++) CHECK_NEAR(grad[i], i < 2 ? -1 : 0, 0);
    CHECK_NEAR(ts_gan_generator(TS_GAN_HINGE, grad, t, 4, 4), 0, 0);
    for (int i = 0; i < 4; i++) CHECK_NEAR(grad[i], -1, 0);
    CHECK_NEAR(ts_gan_real(TS_GAN_NONSATURATING, NULL, (float[]){40}, 1, 1), exp(-40), 1e-15);
    for (int kind = TS_GAN_HINGE; kind <= TS_GAN_NONSATURATING; kind++) {
        for (int which = REAL; which <= GENERATOR; which++) {
            const float sick[2] = {1, NAN};
            CHECK(isnan(run((ts_gan_loss)kind, (side)which, NULL, sick, 2, 1)));
        }
    }
    CHECK(isnan(ts_gan_lecam(NULL, (float[]){NAN}, 1, true, 0, 1)));
}

/* Zero on the anchor's good side, a parabola on the other; the gradient is added to what is there. */
static void test_lecam(void) {
    enum { N = 100 };
    float *t = make_random(N, 2), *grad = make_skewed(N, 3);
    for (int real = 0; real < 2; real++) {
        double want = 0;
        test_row("real %d", real);
        for (int i = 0; i < N; i++) {
            const double d = fmax(0, real ? (double)t[i] - 0.25 : 0.25 - (double)t[i]);
            want += d * d / N;
            grad[i] = (float)i;
        }
        CHECK_NEAR(ts_gan_lecam(grad, t, N, real != 0, 0.25f, 3), want, 1e-12);
        for (int i = 0; i < N; i++) {
            const double d = real ? fmax(0, (double)t[i] - 0.25) : fmin(0, (double)t[i] - 0.25);
            CHECK_NEAR(grad[i], i + 3 * 2 * d / N, 1e-5);
        }
        CHECK_NEAR(ts_gan_lecam(NULL, t, N, real != 0, 0.25f, 3), want, 1e-12);
    }
    release();
}

int main(void) {
    RUN(test_losses);
    RUN(test_extremes);
    RUN(test_lecam);
    return test_end();
}
