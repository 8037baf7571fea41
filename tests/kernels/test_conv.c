/* test_conv.c - convolution passes against double precision, at odd sizes, and their bit-level promises. */
#include "kernels/conv_job.h"
#include "support.h"

static const ts_conv_shape SHAPES[] = {
    /* batch h w in out kh kw stride pads(t l b r) */
    {1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0},       {1, 5, 7, 3, 5, 3, 3, 1, 1, 1, 1, 1},
    {2, 16, 16, 128, 128, 3, 3, 1, 1, 1, 1, 1}, {1, 9, 23, 48, 64, 3, 3, 1, 1, 1, 1, 1},
    {1, 7, 513, 2, 3, 3, 3, 1, 1, 1, 1, 1},     {2, 13, 11, 16, 33, 1, 1, 1, 0, 0, 0, 0},
    {1, 19, 21, 3, 64, 3, 3, 2, 0, 0, 0, 0},    {2, 12, 10, 8, 12, 4, 4, 2, 1, 1, 1, 1},
    {1, 11, 9, 5, 7, 3, 3, 2, 0, 0, 1, 1},      {1, 6, 6, 4, 130, 5, 3, 1, 2, 1, 2, 1},
    {1, 8, 8, 7, 6, 1, 1, 2, 0, 0, 0, 0},       {1, 10, 14, 6, 3, 7, 7, 3, 3, 3, 3, 3},
    {3, 4, 4, 64, 48, 3, 3, 1, 1, 1, 1, 1},     {1, 3, 3, 20, 17, 3, 3, 1, 0, 0, 0, 0},
    {1, 40, 3, 17, 65, 3, 1, 1, 1, 0, 1, 0},    {1, 2, 2, 9, 10, 2, 2, 3, 0, 0, 0, 0},
    {2, 33, 31, 1, 1, 3, 3, 1, 1, 1, 1, 1},     {1, 5, 5, 12, 4, 3, 3, 5, 1, 1, 1, 1},
};
enum { SHAPE_COUNT = sizeof SHAPES / sizeof SHAPES[0] };

typedef struct sizes {
    size_t x, y, w;
} sizes;

static sizes sizes_of(const ts_conv *p) {
    const ts_conv_shape *s = &p->shape;
    return (sizes){(size_t)s->batch * (size_t)s->height * (size_t)s->width * (size_t)s->in,
                   (size_t)s->batch * (size_t)p->out_h * (size_t)p->out_w * (size_t)s->out,
                   (size_t)(s->kernel_h * s->kernel_w) * (size_t)s->in * (size_t)s->out};
}

static ts_conv plan_of(const ts_conv_shape *s) {
    ts_conv plan = {0};
    ts_error err = {""};
    if (!CHECK(ts_conv_plan_direct(&plan, s, &err) == TESS_OK)) printf("%s\n", err.text);
    return plan;
}

/* Calls visit for every (output, tap, input) triple of offsets that meet. */
typedef void visit_fn(void *context, size_t x, size_t y, size_t w);
static void each_product(const ts_conv *p, visit_fn *visit, void *context) {
    const ts_conv_shape *s = &p->shape;
    for (int n = 0; n < s->batch; n++)
        for (int oy = 0; oy < p->out_h; oy++)
            for (int ox = 0; ox < p->out_w; ox++)
                for (int ky = 0; ky < s->kernel_h; ky++)
                    for (int kx = 0; kx < s->kernel_w; kx++) {
                        const int iy = oy * s->stride + ky - s->pad_top, ix = ox * s->stride + kx - s->pad_left;
                        if (iy < 0 || ix < 0 || iy >= s->height || ix >= s->width) continue;
                        const size_t x = (size_t)((n * s->height + iy) * s->width + ix) * (size_t)s->in;
                        const size_t y = (size_t)((n * p->out_h + oy) * p->out_w + ox) * (size_t)s->out;
                        const size_t w = (size_t)(ky * s->kernel_w + kx) * (size_t)(s->in * s->out);
                        visit(context, x, y, w);
                    }
}

typedef struct reference {
    const ts_conv *plan;
    const float *x, *w, *dy;
    double *y, *dx, *dw;             /* results */
    double *y_abs, *dx_abs, *dw_abs; /* sums of absolute products, for bounds */
} reference;

static void reference_pixel(void *context, size_t x, size_t y, size_t w) {
    reference *r = context;
    const int in = r->plan->shape.in, out = r->plan->shape.out;
    for (int i = 0; i < in; i++)
        for (int o = 0; o < out; o++) {
            const size_t k = w + (size_t)(i * out + o);
            const double xv = r->x[x + (size_t)i], wv = r->w[k], g = r->dy[y + (size_t)o];
            r->y[y + (size_t)o] += xv * wv;
            r->y_abs[y + (size_t)o] += fabs(xv * wv);
            r->dx[x + (size_t)i] += g * wv;
            r->dx_abs[x + (size_t)i] += fabs(g * wv);
            r->dw[k] += xv * g;
            r->dw_abs[k] += fabs(xv * g);
        }
}

/* A chain of n products is off by at most about (n + 2) half ULPs of the sum of absolute products. */
static void bound_of(double *sums, size_t count, double n) {
    for (size_t i = 0; i < count; i++) sums[i] = sums[i] * (n + 4) * EPS + 1e-30;
}

typedef struct tensors {
    float *x, *w, *dy, *bias, *add, *y, *dx, *dw, *dbias;
} tensors;

/* Runs all passes with `threads` threads into fresh outputs. */
static void run_passes(const ts_conv *p, tensors *t, int threads) {
    const sizes n = sizes_of(p);
    ts_pool *pool = threads > 1 ? ts_pool_new(threads) : NULL;
    float *panels = make(p->panels), *back = make(p->panels_back);
    const size_t forward = ts_conv_scratch_forward(p, threads), data = ts_conv_scratch_data(p, threads);
    const size_t weight = ts_conv_scratch_weight(p, threads);
    float *scratch_forward = make(forward), *scratch_data = make(data), *scratch_weight = make(weight);
    t->y = make_skewed(n.y, 1);
    t->dx = make_skewed(n.x, 3);
    t->dw = make_zero(n.w);
    t->dbias = make_zero((size_t)p->shape.out);
    ts_conv_pack(p, panels, t->w, pool);
    ts_conv_pack_back(p, back, t->w, pool);
    ts_conv_forward(p, t->y, t->x, (ts_filter){.panels = panels}, &(ts_conv_fuse){.bias = t->bias, .add = t->add},
                    scratch_forward, pool);
    ts_conv_backward_data(p, t->dx, t->dy, back, scratch_data, pool);
    ts_conv_backward_weight(p, t->dw, t->dbias, t->x, t->dy, scratch_weight, pool);
    ts_pool_free(pool);
}

static tensors random_tensors(const ts_conv *p) {
    const sizes n = sizes_of(p);
    return (tensors){.x = make_random(n.x, 1),
                     .w = make_random(n.w, 0.5f),
                     .dy = make_random(n.y, 1),
                     .bias = make_random((size_t)p->shape.out, 1),
                     .add = make_random(n.y, 1)};
}

static void compare(const ts_conv *p, const tensors *t) {
    const ts_conv_shape *s = &p->shape;
    const sizes n = sizes_of(p);
    reference r = {p,
                   t->x,
                   t->w,
                   t->dy,
                   make_double(n.y),
                   make_double(n.x),
                   make_double(n.w),
                   make_double(n.y),
                   make_double(n.x),
                   make_double(n.w)};
    double *dbias = make_double((size_t)s->out);
    each_product(p, reference_pixel, &r);
    for (size_t i = 0; i < n.y; i++) {
        const size_t o = i % (size_t)s->out;
        r.y[i] += (double)t->bias[o] + (double)t->add[i];
        r.y_abs[i] += fabs((double)t->bias[o]) + fabs((double)t->add[i]);
        dbias[o] += t->dy[i];
    }
    bound_of(r.y_abs, n.y, s->kernel_h * s->kernel_w * s->in + 2);
    bound_of(r.dx_abs, n.x, s->kernel_h * s->kernel_w * s->out);
    bound_of(r.dw_abs, n.w, s->batch * p->out_h * p->out_w);
    check_bounded(t->y, r.y, r.y_abs, n.y, __LINE__);
    check_bounded(t->dx, r.dx, r.dx_abs, n.x, __LINE__);
    check_bounded(t->dw, r.dw, r.dw_abs, n.w, __LINE__);
    CHECK_CLOSE(t->dbias, dbias, (size_t)s->out, 1e-5, (double)(n.y / (size_t)s->out) * 4 * EPS);
    double *all[] = {r.y, r.dx, r.dw, r.y_abs, r.dx_abs, r.dw_abs, dbias};
    for (int i = 0; i < 7; i++) ts_free(all[i]);
}

static void test_passes(void) {
    for (int i = 0; i < SHAPE_COUNT; i++) {
        test_row("shape %d", i);
        const ts_conv plan = plan_of(&SHAPES[i]);
        tensors t = random_tensors(&plan);
        run_passes(&plan, &t, 1);
        compare(&plan, &t);
        release();
    }
}

/* Any number of threads gives the same bits. */
static void test_threads(void) {
    for (int i = 0; i < SHAPE_COUNT; i++) {
        test_row("shape %d", i);
        const ts_conv plan = plan_of(&SHAPES[i]);
        const sizes n = sizes_of(&plan);
        tensors one = random_tensors(&plan), many = one;
        run_passes(&plan, &one, 1);
        run_passes(&plan, &many, 3);
        CHECK_BYTES(one.y, many.y, n.y * sizeof(float));
        CHECK_BYTES(one.dx, many.dx, n.x * sizeof(float));
        CHECK_BYTES(one.dw, many.dw, n.w * sizeof(float));
        CHECK_BYTES(one.dbias, many.dbias, (size_t)plan.shape.out * sizeof(float));
        release();
    }
}

/* An output's bits do not depend on where its window lies: a crop with its halo gives the same pixels. */
static void test_position(void) {
    const ts_conv_shape whole = {1, 24, 29, 10, 21, 3, 3, 1, 1, 1, 1, 1};
    const int top = 5, left = 7, h = 9, w = 11;
    const ts_conv_shape part = {1, h, w, 10, 21, 3, 3, 1, 0, 0, 0, 0};
    const ts_conv a = plan_of(&whole), b = plan_of(&part);
    tensors t = random_tensors(&a);
    memset(t.add, 0, sizes_of(&a).y * sizeof(float));
    run_passes(&a, &t, 1);
    float *x = make((size_t)(h * w * 10)), *y = make(sizes_of(&b).y), *panels = make(b.panels);
    for (int r = 0; r < h; r++)
        memcpy(x + r * w * 10, t.x + ((top + r) * 29 + left) * 10, (size_t)(w * 10) * sizeof(float));
    ts_conv_pack(&b, panels, t.w, NULL);
    ts_conv_forward(&b, y, x, (ts_filter){.panels = panels}, &(ts_conv_fuse){.bias = t.bias}, NULL, NULL);
    for (int r = 0; r < b.out_h; r++)
        CHECK_BYTES(y + r * b.out_w * 21, t.y + ((top + 1 + r) * 29 + left + 1) * 21,
                    (size_t)(b.out_w * 21) * sizeof(float));
    release();
}

/* Activation and addition on the store are the separate passes, bit for bit; gradients accumulate. */
static void test_epilogue(void) {
    const ts_conv plan = plan_of(&SHAPES[3]);
    const sizes n = sizes_of(&plan);
    tensors t = random_tensors(&plan);
    float *panels = make(plan.panels), *scratch = make(ts_conv_scratch_forward(&plan, 1)), *plain = make(n.y),
          *fused = make(n.y);
    ts_conv_pack(&plan, panels, t.w, NULL);
    const ts_act acts[] = {TS_ACT_RELU, TS_ACT_LEAKY_RELU, TS_ACT_SILU, TS_ACT_GELU, TS_ACT_TANH};
    for (int i = 0; i < 5; i++) {
        test_row("act %d", acts[i]);
        ts_conv_forward(&plan, plain, t.x, (ts_filter){.panels = panels}, &(ts_conv_fuse){.bias = t.bias}, scratch,
                        NULL);
        ts_act_forward(plain, plain, n.y, acts[i], 0.2f, NULL);
        for (size_t k = 0; k < n.y; k++) plain[k] += t.add[k];
        ts_conv_forward(&plan, fused, t.x, (ts_filter){.panels = panels},
                        &(ts_conv_fuse){.bias = t.bias, .act = acts[i], .slope = 0.2f, .add = t.add}, scratch, NULL);
        CHECK_BYTES(fused, plain, n.y * sizeof(float));
    }
    float *dw = make_zero(n.w), *scratch_w = make(ts_conv_scratch_weight(&plan, 1)), *half = make(n.w);
    ts_conv_backward_weight(&plan, dw, NULL, t.x, t.dy, scratch_w, NULL);
    memcpy(half, dw, n.w * sizeof(float));
    ts_conv_backward_weight(&plan, dw, NULL, t.x, t.dy, scratch_w, NULL);
    double worst = 0;
    for (size_t i = 0; i < n.w; i++) worst = fmax(worst, fabs((double)dw[i] - 2 * (double)half[i]));
    CHECK_NEAR(worst, 0, 1e-3);
    CHECK(worst < 1e-3 && fabs((double)half[0]) > 0);
    release();
}

/* Scalar, simd128, SSE4.1 and AVX2 without FMA agree to the bit. */
static void test_golden(void) {
    static const uint64_t WANT[][3] = {{0x3ef1f0889055c6eb, 0x52b2c5eab3339b62, 0x43a519f646c70342},
                                       {0xfebc73dff65b1ee2, 0x20166c342ebf4de9, 0xfd960e009263a9d6},
                                       {0x54176a9802900028, 0x9b8d8bbf9af59eec, 0x98929f1732c86e81}};
    const int rows[] = {3, 7, 9};
    for (int i = 0; i < 3; i++) {
        test_row("shape %d", rows[i]);
        const ts_conv plan = plan_of(&SHAPES[rows[i]]);
        const sizes n = sizes_of(&plan);
        test_rng = ts_rng_new(7, (uint64_t)rows[i]);
        tensors t = random_tensors(&plan);
        run_passes(&plan, &t, 1);
        CHECK_GOLDEN(t.y, n.y, WANT[i][0]);
        CHECK_GOLDEN(t.dx, n.x, WANT[i][1]);
        CHECK_GOLDEN(t.dw, n.w, WANT[i][2]);
        release();
    }
}

static void test_bad_shapes(void) {
    static const ts_conv_shape BAD[] = {{0, 4, 4, 1, 1, 3, 3, 1, 1, 1, 1, 1},  {1, 2, 2, 1, 1, 3, 3, 1, 0, 0, 0, 0},
                                        {1, 4, 4, 0, 1, 3, 3, 1, 1, 1, 1, 1},  {1, 4, 4, 1, 1, 3, 3, 0, 1, 1, 1, 1},
                                        {1, 4, 4, 1, 1, 3, 3, 1, 3, 1, 1, 1},  {1, 4, 4, 1, 1, 33, 3, 1, 1, 1, 1, 1},
                                        {1, 4, 4, 1, -1, 3, 3, 1, 1, 1, 1, 1}, {1, 4, 4, 1, 1, 3, 3, 1, 1, -1, 1, 1}};
    for (int i = 0; i < 8; i++) {
        ts_conv plan;
        ts_error err = {""};
        test_row("bad shape %d", i);
        CHECK_INT(ts_conv_plan(&plan, &BAD[i], &err), TESS_ERR_INPUT);
        CHECK(err.text[0] != 0);
    }
    const ts_conv_shape huge = {1 << 20, 1 << 20, 1 << 20, 512, 512, 3, 3, 1, 1, 1, 1, 1};
    ts_conv plan;
    CHECK_INT(ts_conv_plan(&plan, &huge, NULL), TESS_ERR_TOO_LARGE);
}

int main(void) {
    printf("back end %s\n", TS_SIMD_NAME);
    RUN(test_passes);
    RUN(test_threads);
    RUN(test_position);
    RUN(test_epilogue);
    RUN(test_golden);
    RUN(test_bad_shapes);
    return test_end();
}
