/* Adversarial and entropy losses, lookup-free codes and the mean pool, each alone, against the PyTorch twin
 * (tests/fixtures/twin/gan.safetensors). */
#include "test.h"

#include <stdlib.h>

#include "kernels/entropy.h"
#include "kernels/gan.h"
#include "kernels/resample.h"
#include "nets/learner.h"
#include "twin.h"

static twin_file fixture;

static float *floats(const char *name, size_t count) {
    size_t n = 0;
    float *x = twin_floats(&fixture, "", name, &n);
    test_row("%s", name);
    if (CHECK(x && n == count)) return x;
    free(x);
    return calloc(count, sizeof *x);
}

/* The fixture's tensor of that name, within float rounding of what was computed. */
static void check(const float *got, const char *name, size_t n) {
    float *want = floats(name, n);
    CHECK(twin_error(got, want, n) < 2e-6);
    free(want);
}

static void check_value(double got, const char *name) { check(&(float){(float)got}, name, 1); }

typedef double gan_function(ts_gan_loss kind, float *grad, const float *t, size_t n, float weight);

enum { LOGITS = 23 };

static void test_adversarial(void) {
    static const char *const kinds[] = {"hinge", "nonsaturating"}, *const sides[] = {"real", "fake", "generator"};
    static gan_function *const functions[] = {ts_gan_real, ts_gan_fake, ts_gan_generator};
    float *t = floats("logits", LOGITS), grad[LOGITS];
    for (int kind = 0; kind < 2; kind++) {
        for (int side = 0; side < 3; side++) {
            char name[64], of[64];
            snprintf(name, sizeof name, "%s.%s", kinds[kind], sides[side]);
            snprintf(of, sizeof of, "%s.%s.grad", kinds[kind], sides[side]);
            check_value(functions[side]((ts_gan_loss)kind, grad, t, LOGITS, 1), name);
            check(grad, of, LOGITS);
        }
    }
    free(t);
}

/* anchors: moving averages of real logits, then of fake ones. */
static void test_lecam(void) {
    float *t = floats("logits", LOGITS), *u = floats("logits.fake", LOGITS), *anchors = floats("anchors", 2);
    float real[LOGITS] = {0}, fake[LOGITS] = {0};
    double loss = ts_gan_lecam(real, t, LOGITS, true, anchors[1], 1);
    loss += ts_gan_lecam(fake, u, LOGITS, false, anchors[0], 1);
    check_value(loss, "lecam");
    check(real, "lecam.grad", LOGITS);
    check(fake, "lecam.grad.fake", LOGITS);
    free(t);
    free(u);
    free(anchors);
}

enum { ROWS = 29, DIM = 4, CODES = 11 };

static void test_entropy(void) {
    float *z = floats("z", ROWS * DIM), *book = floats("book", CODES * DIM), *weights = floats("weights", 2),
          *scratch = malloc(ts_code_entropy_scratch(ROWS, CODES, DIM) * sizeof *scratch);
    float dz[ROWS * DIM] = {0}, dbook[CODES * DIM] = {0}, dbits[ROWS * DIM] = {0};
    check_value(ts_code_entropy(dz, dbook, z, book, ROWS, CODES, DIM, weights[0], weights[1], 1, scratch, NULL),
                "entropy.codes");
    check(dz, "entropy.codes.dz", ROWS * DIM);
    check(dbook, "entropy.codes.dbook", CODES * DIM);
    check_value(ts_bit_entropy(dbits, z, ROWS, DIM, 0.5f, weights[0], weights[1], 1), "entropy.bits");
    check(dbits, "entropy.bits.dz", ROWS * DIM);
    free(z);
    free(book);
    free(weights);
    free(scratch);
}

static void test_lookup_free(void) {
    ts_quantizer_config c = {.type = TS_QUANTIZER_LFQ, .levels = 1, .size = 16, .dim = DIM};
    ts_quantizer *q = NULL;
    float *z = floats("z", ROWS * DIM), *want = floats("lfq.tokens", ROWS), zq[ROWS * DIM], scratch[ROWS * DIM + 16];
    uint16_t tokens[ROWS];
    double commitment = 0;
    CHECK_INT(ts_quantizer_new(&c, &q, NULL), TESS_OK);
    CHECK(ts_quantizer_scratch(q, ROWS) <= sizeof scratch / sizeof *scratch);
    ts_quantizer_encode(q, z, ROWS, 1, 0, tokens, zq, scratch, NULL);
    for (int i = 0; i < ROWS; i++) CHECK_INT(tokens[i], want[i]);
    check(zq, "lfq.zq", ROWS * DIM);
    for (int i = 0; i < ROWS * DIM; i++) commitment += ((double)z[i] - zq[i]) * ((double)z[i] - zq[i]) / (ROWS * DIM);
    check_value(commitment, "lfq.commitment");
    free(z);
    free(want);
    ts_quantizer_free(q);
}

static void test_mean_pool(void) {
    enum { B = 2, C = 3, H = 8, W = 12, LARGE = B * C * H * W, SMALL = LARGE / 4 };
    float *x = floats("pool.x", LARGE), *y = floats("pool.y", SMALL), *dy = floats("pool.dy", SMALL),
          *dx = floats("pool.dx", LARGE);
    float *in = twin_nhwc(x, B, C, H, W), *out = twin_nhwc(y, B, C, H / 2, W / 2),
          *back = twin_nhwc(dy, B, C, H / 2, W / 2), *to = twin_nhwc(dx, B, C, H, W), got[LARGE];
    ts_mean_pool(got, in, B, H, W, C, 2, NULL);
    CHECK(twin_error(got, out, SMALL) < 2e-6);
    ts_mean_pool_backward(got, back, B, H, W, C, 2, NULL);
    CHECK(twin_error(got, to, LARGE) < 2e-6);
    float *const all[] = {x, y, dy, dx, in, out, back, to};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
}

int main(void) {
    fixture = twin_open("gan");
    if (CHECK(fixture.bytes)) {
        RUN(test_adversarial);
        RUN(test_lecam);
        RUN(test_entropy);
        RUN(test_lookup_free);
        RUN(test_mean_pool);
    }
    twin_close(&fixture);
    return test_end();
}
