/* Quantizers: choice, residuals, rate, FSQ and LFQ against their formulas, straight-through gradients, entropy loss,
 * codes from data, EMA, restart. */
#include "test.h"

#include <stdlib.h>

#include "base/rng.h"
#include "kernels/entropy.h"
#include "nets/learner.h"
#include "nets/unit.h"

#define ROWS 300
#define DIM 4

static ts_quantizer_config vq(int levels, int size, bool gradient) {
    return (ts_quantizer_config){.type = TS_QUANTIZER_VQ,
                                 .gradient = gradient,
                                 .levels = levels,
                                 .size = size,
                                 .dim = DIM,
                                 .decay = 0.9f,
                                 .commitment = 0.25f,
                                 .restart = 0};
}

static ts_quantizer_config fsq(void) {
    return (ts_quantizer_config){
        .type = TS_QUANTIZER_FSQ, .levels = 1, .size = 8 * 5 * 4 * 3, .dim = 4, .decay = 0.9f, .bins = {8, 5, 4, 3}};
}

static ts_quantizer_config lfq(void) {
    return (ts_quantizer_config){
        .type = TS_QUANTIZER_LFQ, .levels = 1, .size = 16, .dim = 4, .decay = 0.9f, .commitment = 0.25f};
}

static ts_quantizer *make(const ts_quantizer_config *c, uint64_t seed) {
    ts_quantizer *q = NULL;
    ts_rng rng = ts_rng_new(seed, 1);
    CHECK_INT(ts_quantizer_new(c, &q, NULL), TESS_OK);
    if (c->type == TS_QUANTIZER_VQ) {
        float *codes = ts_quantizer_codebook(q);
        for (int l = 0; l < c->levels; l++) {
            for (int i = 0; i < c->size * DIM; i++)
                codes[l * c->size * DIM + i] = ts_rng_normal(&rng) / (float)(1 << l);
            if (l) memset(codes + l * c->size * DIM, 0, DIM * sizeof *codes);
        }
    }
    for (int i = 0; i < c->levels * c->size; i++) ts_quantizer_bits(q)[i] = 8 * ts_rng_uniform(&rng);
    return q;
}

static void latents(float *z, uint64_t seed) {
    ts_rng rng = ts_rng_new(seed, 2);
    ts_rng_fill_normal(&rng, z, ROWS * DIM, 1);
}

/* ---- coding ------------------------------------------------------------------------------------------------------ */

static double cost(const float *r, const float *e, double bits, double lambda) {
    double sum = lambda * bits;
    for (int i = 0; i < DIM; i++) sum += ((double)r[i] - e[i]) * ((double)r[i] - e[i]);
    return sum;
}

/* Every token is the cheapest code for its residual (within rounding), at every level, for several lambdas. */
static void test_residual_choice(void) {
    static const float lambdas[] = {0, 0.03f, 0.5f};
    ts_quantizer_config c = vq(3, 37, false);
    ts_quantizer *q = make(&c, 1);
    float z[ROWS * DIM], zq[ROWS * DIM], again[ROWS * DIM],
        *scratch = malloc(ts_quantizer_scratch(q, ROWS) * sizeof *scratch);
    uint16_t tokens[3 * ROWS];
    double spent[3] = {0, 0, 0};
    latents(z, 1);
    for (int k = 0; k < 3; k++) {
        test_row("lambda %g", (double)lambdas[k]);
        ts_quantizer_encode(q, z, ROWS, 3, lambdas[k], tokens, zq, scratch, NULL);
        for (int i = 0; i < ROWS; i++) {
            float r[DIM];
            memcpy(r, z + i * DIM, sizeof r);
            for (int l = 0; l < 3; l++) {
                const float *codes = ts_quantizer_codebook(q) + l * 37 * DIM, *bits = ts_quantizer_bits(q) + l * 37;
                double best = 1e30,
                       mine = cost(r, codes + tokens[l * ROWS + i] * DIM, bits[tokens[l * ROWS + i]], lambdas[k]);
                for (int e = 0; e < 37; e++) best = fmin(best, cost(r, codes + e * DIM, bits[e], lambdas[k]));
                CHECK(mine <= best + 1e-5);
                spent[k] += bits[tokens[l * ROWS + i]];
                for (int d = 0; d < DIM; d++) r[d] -= codes[tokens[l * ROWS + i] * DIM + d];
            }
            for (int d = 0; d < DIM; d++) CHECK_NEAR(zq[i * DIM + d], z[i * DIM + d] - r[d], 1e-5);
        }
        ts_quantizer_decode(q, tokens, ROWS, 3, again, NULL);
        CHECK_BYTES(again, zq, sizeof zq);
    }
    CHECK(spent[0] > spent[1] * 1.02 && spent[1] > spent[2] * 1.02); /* lambda buys bits */
    uint16_t one[3 * ROWS];
    ts_quantizer_encode(q, z, ROWS, 1, 0.5f, one, z, scratch, NULL); /* a prefix of the levels; in place */
    CHECK_BYTES(one, tokens, ROWS * sizeof *one);
    ts_quantizer_decode(q, tokens, ROWS, 1, again, NULL);
    CHECK_BYTES(again, z, sizeof zq);
    free(scratch);
    ts_quantizer_free(q);
}

/* digit = round(tanh(z + shift) reach - offset) + bins / 2, first channel fastest; latent = (digit - bins / 2) /
 * (bins / 2). */
static void test_fsq_formula(void) {
    ts_quantizer_config c = fsq();
    ts_quantizer *q = make(&c, 1);
    float z[ROWS * DIM], zq[ROWS * DIM], *scratch = malloc(ts_quantizer_scratch(q, ROWS) * sizeof *scratch);
    uint16_t tokens[ROWS];
    int seen[480] = {0}, used = 0;
    latents(z, 5);
    for (int i = 0; i < ROWS * DIM; i++) z[i] *= 2;
    z[0] = 1e30f, z[1] = -1e30f, z[2] = NAN;
    ts_quantizer_encode(q, z, ROWS, 1, 0, tokens, zq, scratch, NULL);
    for (int i = 0; i < ROWS; i++) {
        unsigned want = 0, basis = 1;
        for (int d = 0; d < DIM; d++) {
            double bins = c.bins[d], reach = (bins - 1) * 1.001 / 2, offset = c.bins[d] % 2 ? 0 : 0.5,
                   half = c.bins[d] / 2;
            double bounded = tanh(z[i * DIM + d] + atanh(offset / reach)) * reach - offset,
                   digit = round(bounded) + half;
            if (isnan(digit)) digit = 0;
            if (fabs(bounded - floor(bounded) - 0.5) < 1e-5)
                digit = zq[i * DIM + d] * half + half; /* a tie of rounding */
            CHECK_NEAR(zq[i * DIM + d], (digit - half) / half, 1e-6);
            want += (unsigned)digit * basis;
            basis *= (unsigned)c.bins[d];
        }
        CHECK_INT(tokens[i], want);
        used += seen[tokens[i]]++ == 0;
    }
    CHECK(used > 150);

    /* latents that are codes already are their own nearest ones, and a little beside them still; beyond the ends, the ends */
    uint16_t nearest[ROWS];
    for (int i = 0; i < ROWS * DIM; i++) zq[i] += zq[i] > 0 ? 0.05f : -0.05f;
    ts_quantizer_nearest(q, zq, ROWS, 1, nearest, scratch, NULL);
    CHECK_BYTES(nearest, tokens, sizeof nearest);
    free(scratch);
    ts_quantizer_free(q);
}

/* Bit i of the token is the sign of channel i, a latent +-1/2 in each of four channels; nothing moves in training. */
static void test_lfq_formula(void) {
    ts_quantizer_config c = lfq();
    ts_quantizer *q = make(&c, 1);
    ts_learner *t = NULL;
    ts_rng rng = ts_rng_new(1, 1);
    float z[ROWS * DIM], zq[ROWS * DIM], again[ROWS * DIM], grid[16 * DIM],
        *scratch = malloc(ts_quantizer_scratch(q, ROWS) * sizeof *scratch);
    uint16_t tokens[ROWS];
    latents(z, 5);
    z[0] = 1e30f, z[1] = -1e30f, z[2] = NAN, z[3] = 0;
    ts_quantizer_encode(q, z, ROWS, 1, 0.5f, tokens, zq, scratch, NULL);
    CHECK_INT(tokens[0], 1);
    for (int i = 0; i < ROWS; i++) {
        unsigned want = 0;
        for (int d = 0; d < DIM; d++) {
            if (z[i * DIM + d] > 0) want += 1u << d;
            CHECK_NEAR(zq[i * DIM + d], z[i * DIM + d] > 0 ? 0.5 : -0.5, 0);
        }
        CHECK_INT(tokens[i], want);
    }
    ts_quantizer_decode(q, tokens, ROWS, 1, again, NULL);
    CHECK_BYTES(again, zq, sizeof zq);
    memcpy(grid, ts_quantizer_codebook(q), sizeof grid);
    CHECK_INT(ts_learner_new(q, ROWS, &t, NULL), TESS_OK);
    ts_learner_choose(t, true, 1, 0);
    ts_learner_hooks(t).forward(t, z, zq, ROWS, DIM, NULL);
    ts_learner_update(t, &rng);
    CHECK_INT(ts_learner_fit(t, z, ROWS, 2, &rng, NULL, NULL), TESS_OK);
    CHECK_BYTES(grid, ts_quantizer_codebook(q), sizeof grid);
    CHECK_INT(ts_learner_usage(t).used, 16);
    CHECK_NEAR(ts_quantizer_bits(q)[3], 4, 1); /* code lengths follow the counts */
    free(scratch);
    ts_learner_free(t);
    ts_quantizer_free(q);
}

/* ---- gradients --------------------------------------------------------------------------------------------------- */

static void test_straight_through(void) {
    ts_quantizer_config configs[3] = {vq(2, 16, false), fsq(), lfq()};
    float z[ROWS * DIM], dzq[ROWS * DIM], dz[ROWS * DIM];
    latents(z, 3);
    latents(dzq, 4);
    for (int k = 0; k < 3; k++) {
        ts_quantizer *q = make(&configs[k], 1);
        ts_quantizer_backward(q, z, dzq, dz, ROWS, NULL);
        for (int i = 0; i < ROWS * DIM; i++) {
            double want = dzq[i]; /* VQ, LFQ: as it comes */
            if (k == 1) {         /* FSQ: rounding has slope one, the bound its own */
                int bins = configs[k].bins[i % DIM], half = bins / 2;
                double reach = (bins - 1) * 1.001 / 2, offset = bins % 2 ? 0 : 0.5,
                       t = tanh(z[i] + atanh(offset / reach));
                want *= reach / half * (1 - t * t);
            }
            CHECK_NEAR(dz[i], want, 1e-5 * (1 + fabs(want)));
        }
        ts_quantizer_free(q);
    }
}

static ts_learner *learner(ts_quantizer *q) {
    ts_learner *t = NULL;
    CHECK_INT(ts_learner_new(q, ROWS, &t, NULL), TESS_OK);
    return t;
}

static void forward(ts_learner *t, const float *z, float *zq) {
    ts_quantize_hooks h = ts_learner_hooks(t);
    h.forward(h.self, z, zq, ROWS, DIM, NULL);
}

/* d/de of sum_l mean((r_l - e_l)^2) with choices and residuals held fixed, against differences of just that. This is
 * what the classic bug loses: with the loss taken after the straight-through patch the codes never get a gradient. */
static void test_codebook_gradient(void) {
    ts_quantizer_config c = vq(2, 8, true);
    ts_quantizer *q = make(&c, 2);
    ts_learner *t = learner(q);
    float z[ROWS * DIM], zq[ROWS * DIM], grad[2 * 8 * DIM] = {0}, *codes = ts_quantizer_codebook(q);
    uint16_t tokens[2 * ROWS];
    float *scratch = malloc(ts_quantizer_scratch(q, ROWS) * sizeof *scratch);
    double loss = -1, want = 0, size = 0;
    latents(z, 6);
    ts_learner_choose(t, true, 2, 0);
    forward(t, z, zq);
    ts_learner_codebook_loss(t, 0.5f, &loss, grad);
    ts_quantizer_encode(q, z, ROWS, 2, 0, tokens, NULL, scratch, NULL);
    double sums[2 * 8 * DIM] = {0};
    for (int i = 0; i < ROWS; i++) {
        float r[DIM];
        memcpy(r, z + i * DIM, sizeof r);
        for (int l = 0; l < 2; l++) {
            int at = (l * 8 + tokens[l * ROWS + i]) * DIM;
            for (int d = 0; d < DIM; d++) {
                r[d] -= codes[at + d];
                want += (double)r[d] * r[d] / (ROWS * DIM);
                sums[at + d] -= 0.5 * 2 * (double)r[d] / (ROWS * DIM);
            }
        }
    }
    CHECK_NEAR(loss, want, 1e-5);
    for (int i = 0; i < 2 * 8 * DIM; i++) {
        bool pinned = i >= 8 * DIM && i < 9 * DIM;
        CHECK_NEAR(grad[i], pinned ? 0 : sums[i], 1e-5);
        size += fabs((double)grad[i]);
    }
    CHECK(size > 0.1);
    free(scratch);
    ts_learner_free(t);
    ts_quantizer_free(q);
}

/* ---- entropy ----------------------------------------------------------------------------------------------------- */

static double entropy_of(ts_learner *t, const ts_loss_config *c, const float *z) {
    float zq[ROWS * DIM], dz[ROWS * DIM] = {0};
    double loss = -1;
    forward(t, z, zq);
    CHECK_INT(ts_learner_entropy(t, c, 1, &loss, dz, NULL, NULL, NULL), TESS_OK);
    return loss;
}

/* The last level's codes moved along twice their gradient (its weight was a half): choices do not depend on them. */
static void check_code_gradient(ts_quantizer *q, ts_learner *t, const ts_loss_config *c, const float *z,
                                const float *grad) {
    const ts_quantizer_config *config = ts_quantizer_config_of(q);
    float *e = ts_quantizer_codebook(q) + (config->levels - 1) * 16 * DIM, was[16 * DIM];
    double along = 0, ends[2];
    memcpy(was, e, sizeof was);
    for (int row = 0; row < 16 && config->normalize; row++) {
        double across = 0;
        for (int i = 0; i < DIM; i++) across += (double)grad[row * DIM + i] * was[row * DIM + i];
        CHECK_NEAR(across, 0, 1e-6);
    }
    for (int i = 0; i < 16 * DIM; i++) along += 2 * (double)grad[i] * grad[i];
    for (int side = 0; side < 2; side++) {
        for (int i = 0; i < 16 * DIM; i++) e[i] = was[i] + (side ? -0.01f : 0.01f) * grad[i];
        ts_quantizer_settle(q);
        ends[side] = entropy_of(t, c, z);
    }
    CHECK_NEAR((ends[0] - ends[1]) / 0.02, along, 0.02 * along);
}

/* Two levels: the loss of the latents and that of what the first code leaves. */
static void check_levels(ts_quantizer *q, const ts_loss_config *c, const float *z, double loss, const float *dz) {
    float r[ROWS * DIM], want[ROWS * DIM] = {0}, *scratch = malloc(ts_quantizer_scratch(q, ROWS) * sizeof *scratch),
                                     *room = malloc(ts_code_entropy_scratch(ROWS, 16, DIM) * sizeof *room);
    uint16_t tokens[ROWS];
    double sum = 0;
    memcpy(r, z, sizeof r);
    for (int l = 0; l < 2; l++) {
        sum += ts_code_entropy(want, NULL, r, ts_quantizer_codebook(q) + l * 16 * DIM, ROWS, 16, DIM, c->temperature,
                               c->entropy_gamma, 0.5f, room, NULL);
        ts_quantizer_encode(q, z, ROWS, 1, 0, tokens, NULL, scratch, NULL);
        ts_quantizer_residual(q, 0, r, tokens, ROWS);
    }
    CHECK_NEAR(loss, sum, 1e-6);
    for (int i = 0; i < ROWS * DIM; i++) CHECK_NEAR(dz[i], want[i], 1e-6);
    free(scratch);
    free(room);
}

/* Latents and codes moved a little along the signs of their gradients change the loss by what these say. FSQ and latents that pass give nothing. */
static void test_entropy_loss(void) {
    ts_quantizer_config configs[5] = {vq(1, 16, false), vq(2, 16, true), vq(1, 16, true), lfq(), fsq()};
    ts_loss_config c = {.temperature = 0.7f, .entropy_gamma = 1.5f};
    const float h = 1e-4f;
    configs[2].normalize = true;
    for (int k = 0; k < 5; k++) {
        ts_quantizer *q = make(&configs[k], 2);
        ts_quantizer_settle(q);
        ts_learner *t = learner(q);
        float z[ROWS * DIM], zq[ROWS * DIM], moved[ROWS * DIM], dz[ROWS * DIM] = {0}, grad[2 * 16 * DIM] = {0};
        size_t codes = (size_t)configs[k].levels * 16 * DIM;
        double loss = -1, along = 0, ends[2];
        bool trains = configs[k].gradient;
        test_row("config %d", k);
        latents(z, 6);
        if (configs[k].normalize) ts_unit_rows(z, ROWS, DIM);
        ts_learner_choose(t, false, configs[k].levels, 0);
        CHECK_NEAR(entropy_of(t, &c, z), 0, 0);
        ts_learner_choose(t, true, configs[k].levels, 0);
        forward(t, z, zq);
        CHECK_INT(ts_learner_entropy(t, &c, 0.5f, &loss, dz, grad, NULL, NULL), TESS_OK);
        CHECK_NEAR(loss, entropy_of(t, &c, z), 1e-12);
        for (int i = 0; i < ROWS * DIM; i++) along += 2 * fabs((double)dz[i]);
        CHECK((along > 0.01) == (k < 4) && (fabs(loss) > 0.01) == (k < 4));
        for (int side = 0; side < 2 && k != 1; side++) {
            for (int i = 0; i < ROWS * DIM; i++) moved[i] = z[i] + (side ? -h : h) * (dz[i] > 0 ? 1.0f : -1.0f);
            ends[side] = entropy_of(t, &c, moved);
        }
        if (k == 1) check_levels(q, &c, z, loss, dz);
        else CHECK_NEAR((ends[0] - ends[1]) / (2 * (double)h), along, 0.02 * along + 1e-12);
        double size = 0;
        for (size_t i = 0; i < codes && k < 4; i++) size += fabs((double)grad[i]);
        CHECK((size > 0.01) == trains);
        for (int i = 16 * DIM; i < 17 * DIM; i++) CHECK_NEAR(grad[i], 0, 0); /* pinned */
        if (trains) check_code_gradient(q, t, &c, z, grad + codes - 16 * DIM);
        ts_learner_free(t);
        ts_quantizer_free(q);
    }
}

/* ---- codes that move --------------------------------------------------------------------------------------------- */

/* One EMA step against the formulas of ARCHITECTURE.md in double; only the levels in use move; code 0 of level 1
 * stays. */
static void test_ema_step(void) {
    ts_quantizer_config c = vq(2, 8, false);
    for (int levels = 1; levels <= 2; levels++) {
        ts_quantizer *q = make(&c, 3);
        ts_learner *t = learner(q);
        float z[ROWS * DIM], zq[ROWS * DIM], before[2 * 8 * DIM], *codes = ts_quantizer_codebook(q);
        uint16_t tokens[2 * ROWS];
        float *scratch = malloc(ts_quantizer_scratch(q, ROWS) * sizeof *scratch);
        ts_rng rng = ts_rng_new(1, 1);
        test_row("%d levels", levels);
        latents(z, 7);
        memcpy(before, codes, sizeof before);
        ts_quantizer_encode(q, z, ROWS, 2, 0, tokens, NULL, scratch, NULL);
        ts_learner_choose(t, true, levels, 0);
        forward(t, z, zq);
        CHECK_BYTES(before, codes, sizeof before); /* nothing moves before the step is known to be good */
        ts_learner_update(t, &rng);
        for (int l = 0; l < 2; l++) {
            double n[8], s[8][DIM], total = 0;
            for (int k = 0; k < 8; k++) {
                n[k] = 0.9;
                for (int d = 0; d < DIM; d++) s[k][d] = 0.9 * before[(l * 8 + k) * DIM + d];
            }
            for (int i = 0; i < ROWS; i++) {
                int k = tokens[l * ROWS + i];
                n[k] += 0.1;
                for (int d = 0; d < DIM; d++)
                    s[k][d] += 0.1 * ((double)z[i * DIM + d] - (l ? before[tokens[i] * DIM + d] : 0));
            }
            for (int k = 0; k < 8; k++) total += n[k];
            for (int k = 0; k < 8; k++) {
                double smooth = (n[k] + 1e-5) / (total + 8e-5) * total;
                for (int d = 0; d < DIM; d++) {
                    bool still = l >= levels || (l && k == 0);
                    double want = still ? before[(l * 8 + k) * DIM + d] : s[k][d] / smooth;
                    CHECK_NEAR(codes[(l * 8 + k) * DIM + d], want, 1e-4);
                }
                double a = 0.01 * total / 8, bits = -log2((n[k] + a) / (total + 8 * a));
                if (l < levels) CHECK_NEAR(ts_quantizer_bits(q)[l * 8 + k], fmax(0, bits), 1e-4);
            }
        }
        free(scratch);
        ts_learner_free(t);
        ts_quantizer_free(q);
    }
}

/* Codes far from all data are brought back; the pinned one is not. */
static void test_restart(void) {
    ts_quantizer_config c = vq(2, 8, false);
    c.restart = 0.5f;
    ts_quantizer *q = make(&c, 4);
    ts_learner *t = learner(q);
    float z[ROWS * DIM], zq[ROWS * DIM], *codes = ts_quantizer_codebook(q);
    ts_rng rng = ts_rng_new(1, 1);
    latents(z, 8);
    for (int l = 0; l < 2; l++) {
        for (int i = 4 * DIM; i < 8 * DIM; i++) codes[l * 8 * DIM + i] = ts_learner_sum(t)[l * 8 * DIM + i] = 1000;
    }
    for (int i = 0; i < 30; i++) {
        ts_learner_choose(t, true, 2, 0);
        forward(t, z, zq);
        ts_learner_update(t, &rng);
    }
    for (int i = 0; i < 2 * 8 * DIM; i++) CHECK(fabsf(codes[i]) < 10);
    for (int i = 0; i < DIM; i++) CHECK_NEAR(codes[8 * DIM + i], 0, 0);
    ts_usage u = ts_learner_usage(t);
    CHECK_INT(u.used + u.dead, 16);
    CHECK(u.used >= 15);
    ts_learner_free(t);
    ts_quantizer_free(q);
}

/* Codes that nobody chose restart once when asked to, though the config restarts none. */
static void test_revive(void) {
    ts_quantizer_config c = vq(2, 8, false);
    c.restart = 0;
    ts_quantizer *q = make(&c, 4);
    ts_learner *t = learner(q);
    float z[ROWS * DIM], zq[ROWS * DIM], *codes = ts_quantizer_codebook(q);
    ts_rng rng = ts_rng_new(1, 1);
    latents(z, 8);
    for (int l = 0; l < 2; l++) {
        for (int i = 4 * DIM; i < 8 * DIM; i++) codes[l * 8 * DIM + i] = ts_learner_sum(t)[l * 8 * DIM + i] = 1000;
    }
    for (int i = 0; i < 30; i++) {
        if (i == 20) ts_learner_revive(t);
        ts_learner_choose(t, true, i < 25 ? 1 : 2, 0); /* the second level is asked when it comes */
        forward(t, z, zq);
        ts_learner_update(t, &rng);
        for (int l = 0; l < 2; l++) CHECK_INT(fabsf(codes[(l * 8 + 5) * DIM]) < 10, i >= (l ? 25 : 20));
    }
    for (int i = 0; i < DIM; i++) CHECK_NEAR(codes[8 * DIM + i], 0, 0);
    CHECK(ts_learner_usage(t).used >= 12);
    for (int i = 4 * DIM; i < 8 * DIM; i++) codes[i] = ts_learner_sum(t)[i] = 1000;
    ts_learner_forget(t);
    forward(t, z, zq);
    ts_learner_update(t, &rng);
    CHECK(codes[5 * DIM] > 10); /* once is once */
    ts_learner_free(t);
    ts_quantizer_free(q);
}

/* Codes that are only observed stand still to the bit while their uses are counted; statistics can start anew. */
static void test_observe(void) {
    ts_quantizer_config c = vq(2, 8, false);
    c.restart = 0.5f;
    ts_quantizer *q = make(&c, 4);
    ts_learner *t = learner(q);
    float z[ROWS * DIM], zq[ROWS * DIM], codes[2 * 8 * DIM], count[16], bits[16];
    latents(z, 8);
    memcpy(codes, ts_quantizer_codebook(q), sizeof codes);
    memcpy(count, ts_learner_count(t), sizeof count);
    memcpy(bits, ts_quantizer_bits(q), sizeof bits);
    for (int i = 0; i < 5; i++) {
        ts_learner_choose(t, true, 2, 0);
        forward(t, z, zq);
        if (i == 2) ts_learner_forget(t);
        ts_learner_observe(t);
    }
    CHECK_BYTES(ts_quantizer_codebook(q), codes, sizeof codes);
    CHECK_BYTES(ts_learner_count(t), count, sizeof count);
    CHECK_BYTES(ts_quantizer_bits(q), bits, sizeof bits);
    CHECK_INT(ts_learner_filled(t)[0], 3 * ROWS);
    CHECK_INT(ts_learner_filled(t)[2], 3 * ROWS);
    ts_learner_free(t);
    ts_quantizer_free(q);
}

/* Latents in tight clumps: k-means must find them, and the second level what is left. */
static void test_codes_from_data(void) {
    ts_quantizer_config c = vq(2, 16, false);
    ts_quantizer *q = make(&c, 5);
    ts_learner *t = learner(q);
    float centre[16][DIM], z[ROWS * DIM], copy[ROWS * DIM], zq[ROWS * DIM];
    ts_rng rng = ts_rng_new(11, 1);
    double errors[3] = {0, 0, 0};
    uint16_t tokens[2 * ROWS];
    float *scratch = malloc(ts_quantizer_scratch(q, ROWS) * sizeof *scratch);
    for (int k = 0; k < 16; k++) ts_rng_fill_normal(&rng, centre[k], DIM, 3);
    for (int i = 0; i < ROWS; i++) {
        for (int d = 0; d < DIM; d++) z[i * DIM + d] = centre[i % 16][d] + 0.3f * ts_rng_normal(&rng);
    }
    memcpy(copy, z, sizeof copy);
    CHECK_INT(ts_learner_fit(t, copy, ROWS, 12, &rng, NULL, NULL), TESS_OK);
    for (int levels = 0; levels <= 2; levels++) {
        memset(zq, 0, sizeof zq);
        if (levels) ts_quantizer_encode(q, z, ROWS, levels, 0, tokens, zq, scratch, NULL);
        for (int i = 0; i < ROWS * DIM; i++)
            errors[levels] += ((double)z[i] - zq[i]) * ((double)z[i] - zq[i]) / (ROWS * DIM);
    }
    test_check(errors[1] < errors[0] / 8 && errors[2] < errors[1] * 0.75, __FILE__, __LINE__, "errors %g %g %g",
               errors[0], errors[1], errors[2]);
    for (int i = 0; i < DIM; i++) CHECK_NEAR(ts_quantizer_codebook(q)[16 * DIM + i], 0, 0);
    free(scratch);
    ts_learner_free(t);
    ts_quantizer_free(q);
}

/* Tokens leave the window when TS_WINDOW newer ones have come. */
static void test_window(void) {
    ts_quantizer_config c = vq(1, 4, false);
    ts_quantizer *q = make(&c, 6);
    ts_learner *t = learner(q);
    float z[ROWS * DIM], zq[ROWS * DIM];
    ts_rng rng = ts_rng_new(1, 1);
    unsigned long total = 0;
    for (int round = 0; round < 260; round++) { /* the last 219 rounds fill the window */
        float *codes = ts_quantizer_codebook(q);
        for (int k = 0; k < 4; k++) {
            for (int d = 0; d < DIM; d++) codes[k * DIM + d] = (float)k;
        }
        for (int i = 0; i < ROWS * DIM; i++) z[i] = round < 30 ? 3.0f : (float)(round % 2);
        ts_learner_choose(t, true, 1, 0);
        forward(t, z, zq);
        ts_learner_update(t, &rng);
    }
    const uint32_t *counts = ts_learner_counts(t, 0);
    for (int k = 0; k < 4; k++) total += counts[k];
    CHECK_INT(total, TS_WINDOW);
    CHECK_INT(counts[3], 0);
    ts_usage u = ts_learner_usage(t);
    CHECK_NEAR(u.perplexity, 2, 0.01);
    CHECK_INT(u.used, 2);
    ts_learner_free(t);
    ts_quantizer_free(q);
}

int main(void) {
    RUN(test_residual_choice);
    RUN(test_fsq_formula);
    RUN(test_lfq_formula);
    RUN(test_straight_through);
    RUN(test_codebook_gradient);
    RUN(test_entropy_loss);
    RUN(test_ema_step);
    RUN(test_restart);
    RUN(test_revive);
    RUN(test_observe);
    RUN(test_codes_from_data);
    RUN(test_window);
    return test_end();
}
