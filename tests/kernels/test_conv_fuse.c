/* test_conv_fuse.c - what a convolution does while it loads and stores is what separate passes do. */
#include "kernels/conv_job.h"
#include "kernels/pointwise.h"
#include "kernels/resample.h"
#include "support.h"

typedef struct fuse_case {
    ts_conv_shape shape;
    ts_act load_act, act;
    bool affine, add;
} fuse_case;

static const fuse_case CASES[] = {
    {{2, 9, 7, 12, 21, 3, 3, 1, 1, 1, 1, 1}, TS_ACT_SILU, TS_ACT_NONE, true, true},
    {{2, 9, 7, 16, 3, 3, 3, 1, 1, 1, 1, 1}, TS_ACT_SILU, TS_ACT_TANH, true, true},
    {{1, 5, 40, 33, 16, 1, 1, 1, 0, 0, 0, 0}, TS_ACT_NONE, TS_ACT_RELU, true, true},
    {{1, 5, 40, 33, 40, 1, 1, 1, 0, 0, 0, 0}, TS_ACT_RELU, TS_ACT_GELU, false, false},
    {{2, 12, 10, 8, 12, 4, 4, 2, 1, 1, 1, 1}, TS_ACT_LEAKY_RELU, TS_ACT_LEAKY_RELU, true, true},
    {{2, 6, 8, 48, 20, 3, 3, 1, 1, 1, 1, 1, .unshuffle = 4}, TS_ACT_NONE, TS_ACT_NONE, false, false},
    {{2, 6, 8, 28, 48, 3, 3, 1, 1, 1, 1, 1, .unshuffle = 2, .shuffle = 4}, TS_ACT_SILU, TS_ACT_SILU, true, true},
    {{1, 7, 5, 20, 36, 1, 1, 1, 0, 0, 0, 0, .unshuffle = 1, .shuffle = 3}, TS_ACT_NONE, TS_ACT_NONE, false, true},
    {{1, 16, 16, 64, 64, 3, 3, 1, 1, 1, 1, 1, .shuffle = 2}, TS_ACT_NONE, TS_ACT_NONE, false, false},
    /* wide enough for windows across */
    {{1, 11, 160, 96, 8, 3, 3, 1, 1, 1, 1, 1, .unshuffle = 2, .shuffle = 2}, TS_ACT_RELU, TS_ACT_NONE, true, true},
    {{2, 19, 300, 64, 3, 3, 3, 1, 1, 1, 1, 1}, TS_ACT_SILU, TS_ACT_NONE, true, true},
};
enum { CASE_COUNT = sizeof CASES / sizeof CASES[0] };

typedef struct pass {
    ts_conv plan;
    size_t nx, ny;
    float *x, *weights, *panels, *scratch, *y;
    ts_conv_fuse fuse;
} pass;

static int at_least_1(int factor) { return factor > 1 ? factor : 1; }

static pass pass_of(const ts_conv_shape *s, const fuse_case *k, int threads) {
    pass p = {.nx = (size_t)(s->batch * s->height * s->width * s->in)};
    ts_error err = {""};
    if (!CHECK(ts_conv_plan_direct(&p.plan, s, &err) == TESS_OK)) printf("%s\n", err.text);
    if (s->upsample == 2) p.nx /= 4;
    p.ny = (size_t)(s->batch * p.plan.out_h * p.plan.out_w * s->out);
    p.x = make_random(p.nx, 1);
    p.panels = make(p.plan.panels);
    p.scratch = make(ts_conv_scratch_forward(&p.plan, threads));
    p.weights = make_random((size_t)(s->kernel_h * s->kernel_w * s->in * s->out), 0.3f);
    ts_conv_pack(&p.plan, p.panels, p.weights, NULL);
    p.fuse.bias = make_random((size_t)s->out, 1);
    p.fuse.slope = 0.3f;
    p.fuse.act = k->act;
    p.fuse.load_act = k->load_act;
    if (k->affine) {
        p.fuse.scale = make_random((size_t)(s->batch * s->in), 2);
        p.fuse.shift = make_random((size_t)(s->batch * s->in), 1);
    }
    if (k->add) p.fuse.add = make_random(p.ny, 1);
    p.y = make_skewed(p.ny, 1);
    return p;
}

/* The same result by one pass after another, with a plan that joins nothing. */
static const float *separately(const pass *p) {
    const ts_conv_shape *s = &p->plan.shape;
    const int f = at_least_1(s->unshuffle), up = at_least_1(s->shuffle);
    const size_t image = (size_t)(s->height * s->width * s->in);
    float *x = make(p->nx), *y = make(p->ny), *out = make(p->ny);
    ts_conv_shape plain = *s;
    ts_conv plan;
    plain.unshuffle = plain.shuffle = 0;
    CHECK_INT(ts_conv_plan_direct(&plan, &plain, NULL), TESS_OK);
    memcpy(x, p->x, p->nx * sizeof(float));
    if (f > 1) ts_pixel_unshuffle(x, p->x, s->batch, s->height, s->width, s->in / (f * f), f, NULL);
    for (int n = 0; n < s->batch && p->fuse.scale; n++)
        ts_act_affine(x + (size_t)n * image, x + (size_t)n * image, p->fuse.scale + n * s->in,
                      p->fuse.shift + n * s->in, image / (size_t)s->in, s->in, TS_ACT_NONE, 0);
    ts_act_forward(x, x, p->nx, p->fuse.load_act, p->fuse.slope, NULL);
    float *panels = make(plan.panels); /* a shuffle's panels are in another order */
    ts_conv_pack(&plan, panels, p->weights, NULL);
    ts_conv_forward(&plan, y, x, (ts_filter){.panels = panels}, &(ts_conv_fuse){.bias = p->fuse.bias}, p->scratch,
                    NULL);
    ts_act_forward(y, y, p->ny, p->fuse.act, p->fuse.slope, NULL);
    memcpy(out, y, p->ny * sizeof(float));
    if (up > 1) ts_pixel_shuffle(out, y, s->batch, plan.out_h, plan.out_w, s->out / (up * up), up, NULL);
    if (p->fuse.add) ts_vadd(out, out, p->fuse.add, p->ny, NULL);
    return out;
}

static void run(const pass *p, int threads) {
    ts_pool *pool = threads > 1 ? ts_pool_new(threads) : NULL;
    ts_conv_forward(&p->plan, p->y, p->x, (ts_filter){.panels = p->panels}, &p->fuse, p->scratch, pool);
    ts_pool_free(pool);
}

/* With one thread and with three, and with y given as the addend. */
static void test_fused(void) {
    for (int i = 0; i < CASE_COUNT; i++) {
        test_row("case %d", i);
        pass p = pass_of(&CASES[i].shape, &CASES[i], 3);
        const float *want = separately(&p);
        run(&p, 1);
        CHECK_BYTES(p.y, want, p.ny * sizeof(float));
        memset(p.y, 0, p.ny * sizeof(float));
        if (p.fuse.add) {
            memcpy(p.y, p.fuse.add, p.ny * sizeof(float));
            p.fuse.add = p.y;
        }
        run(&p, 3);
        CHECK_BYTES(p.y, want, p.ny * sizeof(float));
        release();
    }
}

/* An enlarged picture's convolution in double: its sums and the sums of absolute products. */
static void enlarged(const ts_conv_shape *s, const float *x, const float *w, double *y, double *bound) {
    for (int at = 0; at < s->batch * s->height * s->width; at++)
        for (int tap = 0; tap < 9; tap++) {
            const int n = at / (s->height * s->width), row = at / s->width % s->height + tap / 3 - 1;
            const int column = at % s->width + tap % 3 - 1;
            if (row < 0 || column < 0 || row >= s->height || column >= s->width) continue;
            const float *from = x + ((n * s->height / 2 + row / 2) * s->width / 2 + column / 2) * s->in;
            for (int i = 0; i < s->in; i++)
                for (int o = 0; o < s->out; o++) {
                    const double product = (double)from[i] * (double)w[(tap * s->in + i) * s->out + o];
                    y[at * s->out + o] += product;
                    bound[at * s->out + o] += fabs(product);
                }
        }
}

/* Sums of weights round once or twice more than the weights themselves. */
static void test_upsample(void) {
    static const ts_conv_shape SHAPES[] = {{1, 2, 2, 3, 5, 3, 3, 1, 1, 1, 1, 1, .upsample = 2},
                                           {2, 10, 14, 20, 24, 3, 3, 1, 1, 1, 1, 1, .upsample = 2},
                                           {1, 34, 30, 16, 3, 3, 3, 1, 1, 1, 1, 1, .upsample = 2},
                                           {1, 38, 300, 64, 4, 3, 3, 1, 1, 1, 1, 1, .upsample = 2}};
    for (int i = 0; i < 4; i++) {
        const ts_conv_shape *s = &SHAPES[i];
        const fuse_case none = {*s, TS_ACT_NONE, TS_ACT_NONE, false, true};
        test_row("shape %d", i);
        pass p = pass_of(s, &none, 3);
        float *w = make_random((size_t)(9 * s->in * s->out), 1);
        double *want = make_double(p.ny), *bound = make_double(p.ny);
        ts_conv_pack(&p.plan, p.panels, w, NULL);
        enlarged(s, p.x, w, want, bound);
        for (size_t k = 0; k < p.ny; k++) {
            const double rest[2] = {p.fuse.bias[k % (size_t)s->out], p.fuse.add[k]};
            want[k] += rest[0] + rest[1];
            bound[k] = (bound[k] + fabs(rest[0]) + fabs(rest[1])) * (4 * s->in + 10) * EPS;
        }
        run(&p, 3);
        check_bounded(p.y, want, bound, p.ny, __LINE__);
        float *many = make_copy(p.y, p.ny);
        run(&p, 1);
        CHECK_BYTES(p.y, many, p.ny * sizeof(float));
        ts_free(want);
        ts_free(bound);
        release();
    }
}

/* A transposed convolution with everything fused is the gradient followed by separate passes. */
static void test_transposed(void) {
    static const ts_conv_shape SHAPES[] = {{2, 12, 10, 8, 16, 4, 4, 2, 1, 1, 1, 1},
                                           {1, 9, 11, 3, 24, 3, 3, 2, 1, 1, 1, 1},
                                           {1, 8, 8, 7, 6, 1, 1, 2, 0, 0, 0, 0}};
    for (int i = 0; i < 3; i++) {
        const ts_conv_shape *s = &SHAPES[i];
        ts_conv plan;
        test_row("shape %d", i);
        CHECK_INT(ts_conv_plan_direct(&plan, s, NULL), TESS_OK);
        const size_t nx = (size_t)(s->batch * plan.out_h * plan.out_w * s->out),
                     ny = (size_t)(s->batch * s->height * s->width * s->in);
        float *x = make_random(nx, 1), *y = make(ny), *want = make(ny), *panels = make(plan.panels_back);
        float *bias = make_random((size_t)s->in, 1), *add = make_random(ny, 1);
        float *scratch = make(ts_conv_scratch_data(&plan, 2));
        ts_conv_pack_back(&plan, panels, make_random((size_t)(s->kernel_h * s->kernel_w * s->in * s->out), 1), NULL);
        ts_pool *pool = ts_pool_new(2);
        ts_conv_transposed(&plan, y, x, panels, &(ts_conv_fuse){.bias = bias, .act = TS_ACT_TANH, .add = add}, scratch,
                           pool);
        ts_pool_free(pool);
        ts_conv_transposed(&plan, want, x, panels, &(ts_conv_fuse){.bias = bias}, scratch, NULL);
        ts_act_forward(want, want, ny, TS_ACT_TANH, 0, NULL);
        ts_vadd(want, want, add, ny, NULL);
        CHECK_BYTES(y, want, ny * sizeof(float));
        double *sum = make_double(ny);
        ts_conv_backward_data(&plan, y, x, panels, scratch, NULL);
        ts_conv_transposed(&plan, want, x, panels, &(ts_conv_fuse){.bias = bias}, scratch, NULL);
        for (size_t k = 0; k < ny; k++) sum[k] = (double)y[k] + (double)bias[k % (size_t)s->in];
        CHECK_CLOSE(want, sum, ny, 1e-5, 1e-5);
        ts_free(sum);
        release();
    }
}

/* Shapes that cannot be joined are refused. */
static void test_bad_joins(void) {
    static const ts_conv_shape BAD[] = {
        {1, 7, 8, 4, 4, 3, 3, 1, 1, 1, 1, 1, .upsample = 2},  {1, 8, 8, 4, 4, 1, 1, 1, 0, 0, 0, 0, .upsample = 2},
        {1, 8, 8, 4, 4, 3, 3, 1, 1, 1, 1, 1, .upsample = 3},  {1, 8, 8, 4, 4, 3, 3, 1, 1, 0, 1, 1, .upsample = 2},
        {1, 8, 8, 6, 4, 3, 3, 1, 1, 1, 1, 1, .unshuffle = 2}, {1, 8, 8, 4, 6, 3, 3, 1, 1, 1, 1, 1, .shuffle = 2},
        {1, 8, 8, 4, 4, 3, 3, 1, 1, 1, 1, 1, .shuffle = -1},  {1, 8, 8, 4, 4, 3, 3, 1, 1, 1, 1, 1, 2, .unshuffle = 2}};
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        ts_conv plan;
        test_row("bad shape %d", (int)i);
        CHECK_INT(ts_conv_plan_direct(&plan, &BAD[i], NULL), TESS_ERR_INPUT);
    }
}

int main(void) {
    RUN(test_fused);
    RUN(test_upsample);
    RUN(test_transposed);
    RUN(test_bad_joins);
    return test_end();
}
