/* kernels.c - times every kernel at the shapes of the photo model, one line each.
 *
 *     kernels [--threads N] [--seconds S per line] [--only WORD] [--json]
 *
 * Shown is the best run: milliseconds (of CPU time with one thread, of the wall clock with more), and GFLOP/s (convolutions, products, code search) or GB/s of values read and
 * written (the others). Convolutions show forward, gradient to the input, and gradient to the weights.
 */
#include "base/alloc.h"
#include "kernels/act.h"
#include "kernels/attention.h"
#include "kernels/conv.h"
#include "kernels/gemm.h"
#include "kernels/loss.h"
#include "kernels/norm.h"
#include "kernels/optim.h"
#include "kernels/pointwise.h"
#include "kernels/resample.h"
#include "kernels/vq.h"
#include "simd/vec.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

typedef struct bench {
    ts_pool *pool;
    double seconds;
    const char *only;
    int json, lines;
} bench;

#ifdef __EMSCRIPTEN__
#include <emscripten.h>
static double now(int threads) { /* the C clocks count whole milliseconds there */
    (void)threads;
    return emscripten_get_now() * 1e-3;
}
#else
/* Seconds. With one thread CPU time: other programs on the machine then disturb less. */
static double now(int threads) {
    if (threads == 1) return (double)clock() / CLOCKS_PER_SEC;
    struct timespec t;
    timespec_get(&t, TIME_UTC);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}
#endif

static float *room(size_t n) {
    float *x = ts_alloc_floats(n + 16);
    if (!x) {
        fprintf(stderr, "kernels: out of memory\n");
        exit(1);
    }
    for (size_t i = 0; i < n; i++) x[i] = (float)((i * 2654435761u) % 1000) * 0.002f - 1;
    return x;
}

typedef void work(const bench *b, void *context);

/* Times one line. `giga`: GFLOP or GB of one run. */
static void line(bench *b, const char *name, const char *detail, const char *unit, double giga, work *run,
                 void *context) {
    if (b->only && !strstr(name, b->only) && !strstr(detail, b->only)) return;
    double best = 1e30;
    const int threads = ts_pool_threads(b->pool);
    const double start = now(threads);
    for (int i = 0; i < 3 || now(threads) - start < b->seconds; i++) {
        const double t = now(threads);
        run(b, context);
        const double took = now(threads) - t;
        if (took < best) best = took;
    }
    if (b->json) {
        printf("%s{\"name\":\"%s\",\"detail\":\"%s\",\"ms\":%.4f,\"rate\":%.2f,\"unit\":\"%s\"}", b->lines ? ",\n" : "",
               name, detail, best * 1e3, giga / best, unit);
    } else {
        printf("%-14s %-32s %9.3f ms %8.1f %s\n", name, detail, best * 1e3, giga / best, unit);
    }
    b->lines++;
    fflush(stdout);
}

/* ---- convolutions ------------------------------------------------------------------------------------------- */
typedef struct conv_bench {
    ts_conv plan;
    float *x, *y, *w, *bias, *panels, *back, *scratch;
} conv_bench;

static void conv_pack(const bench *b, void *context) {
    conv_bench *c = context;
    ts_conv_pack(&c->plan, c->panels, c->w, b->pool);
    ts_conv_pack_back(&c->plan, c->back, c->w, b->pool);
}
static void conv_forward(const bench *b, void *context) {
    conv_bench *c = context;
    ts_conv_forward(&c->plan, c->y, c->x, (ts_filter){.panels = c->panels}, &(ts_conv_fuse){.bias = c->bias},
                    c->scratch, b->pool);
}
static void conv_data(const bench *b, void *context) {
    conv_bench *c = context;
    ts_conv_backward_data(&c->plan, c->x, c->y, c->back, c->scratch, b->pool);
}
static void conv_weight(const bench *b, void *context) {
    conv_bench *c = context;
    ts_conv_backward_weight(&c->plan, c->w, c->bias, c->x, c->y, c->scratch, b->pool);
}

static size_t most(size_t a, size_t b) { return a > b ? a : b; }

static void bench_conv(bench *b, const ts_conv_shape *s) {
    conv_bench c;
    if (ts_conv_plan(&c.plan, s, NULL) != TESS_OK) return;
    const int threads = ts_pool_threads(b->pool);
    const size_t pixels = (size_t)s->batch * (size_t)c.plan.out_h * (size_t)c.plan.out_w;
    const size_t weights = (size_t)(s->kernel_h * s->kernel_w) * (size_t)s->in * (size_t)s->out;
    c.x = room((size_t)s->batch * (size_t)s->height * (size_t)s->width * (size_t)s->in);
    c.y = room(pixels * (size_t)s->out);
    c.w = room(weights);
    c.bias = room((size_t)s->out);
    c.panels = room(c.plan.panels);
    c.back = room(c.plan.panels_back);
    c.scratch = room(most(ts_conv_scratch_forward(&c.plan, threads),
                          most(ts_conv_scratch_data(&c.plan, threads), ts_conv_scratch_weight(&c.plan, threads))));
    char detail[64];
    snprintf(detail, sizeof detail, "%dx%dx%d %d->%d k%d s%d", s->batch, s->height, s->width, s->in, s->out,
             s->kernel_h, s->stride);
    const double flops = 2e-9 * (double)weights * (double)pixels;
    line(b, "conv pack", detail, "GB/s", 16e-9 * (double)weights, conv_pack, &c);
    line(b, "conv forward", detail, "GFLOP/s", flops, conv_forward, &c);
    line(b, "conv data", detail, "GFLOP/s", flops, conv_data, &c);
    line(b, "conv weight", detail, "GFLOP/s", flops, conv_weight, &c);
    float *all[] = {c.x, c.y, c.w, c.bias, c.panels, c.back, c.scratch};
    for (int i = 0; i < 7; i++) ts_free(all[i]);
}

/* ---- everything else ---------------------------------------------------------------------------------------- */
typedef struct flat_bench {
    float *a, *b, *c, *d, *small, *scratch;
    uint16_t *index;
    size_t n;
    ts_act act;
} flat_bench;

static void act_forward(const bench *b, void *context) {
    flat_bench *f = context;
    ts_act_forward(f->b, f->a, f->n, f->act, 0.2f, b->pool);
}
static void act_backward(const bench *b, void *context) {
    flat_bench *f = context;
    ts_act_backward(f->c, f->b, f->a, f->n, f->act, 0.2f, b->pool);
}
static void add(const bench *b, void *context) {
    flat_bench *f = context;
    ts_vadd(f->c, f->a, f->b, f->n, b->pool);
}
static void norm_forward(const bench *b, void *context) {
    flat_bench *f = context;
    ts_group_norm_forward(f->b, f->d, f->d + 512, f->a, f->small, f->small + 128, 16, f->n / 16 / 128, 128, 32, 1e-6f,
                          TS_ACT_NONE, 0, b->pool);
}
static void norm_silu(const bench *b, void *context) {
    flat_bench *f = context;
    ts_group_norm_forward(f->b, f->d, f->d + 512, f->a, f->small, f->small + 128, 1, f->n / 128, 128, 32, 1e-6f,
                          TS_ACT_SILU, 0, b->pool);
}
static void norm_affine(const bench *b, void *context) {
    flat_bench *f = context;
    ts_group_norm_affine(f->small + 256, f->small + 384, f->d, f->d + 512, f->a, f->small, f->small + 128, 1,
                         f->n / 128, 128, 32, 1e-6f, b->pool);
}
static const ts_attention taming = {1, 256, 512, 1, 0.044f};

static void attention(const bench *b, void *context) {
    flat_bench *f = context;
    ts_attention_forward(&taming, f->d, NULL, f->a, f->b, f->c, f->scratch, b->pool);
}
static void attention_back(const bench *b, void *context) {
    flat_bench *f = context;
    float *d = f->d;
    ts_attention_backward(&taming, d, d + 256 * 512, d + 512 * 512, f->a, f->a, f->a, f->a, f->b, f->c, f->scratch,
                          b->pool);
}
static void norm_backward(const bench *b, void *context) {
    flat_bench *f = context;
    ts_group_norm_backward(f->c, f->small + 256, f->small + 384, f->b, f->a, f->d, f->d + 512, f->small, 16,
                           f->n / 16 / 128, 128, 32, f->scratch, b->pool);
}
static void shuffle(const bench *b, void *context) {
    flat_bench *f = context;
    ts_pixel_shuffle(f->b, f->a, 16, 32, 32, 3, 4, b->pool);
}
static void adamw(const bench *b, void *context) {
    flat_bench *f = context;
    const ts_adamw o = {1e-4f, 0.9f, 0.99f, 1e-8f, 0, 3, 1};
    ts_adamw_step(f->a, f->b, f->c, f->d, f->n, &o, b->pool);
}
static void loss_l1(const bench *b, void *context) {
    flat_bench *f = context;
    ts_loss_l1(f->c, f->a, f->b, f->n, 1, b->pool);
}
static void ms_ssim(const bench *b, void *context) {
    flat_bench *f = context;
    ts_ms_ssim(f->c, f->a, f->b, 16, 128, 128, 3, ts_ms_ssim_scales(128, 128), 2, 1, f->scratch, b->pool);
}
static void lpips(const bench *b, void *context) {
    flat_bench *f = context;
    ts_lpips_head(f->c, f->a, f->b, f->small, f->n / 128, 128, 1, b->pool);
}
static void vq(const bench *b, void *context) {
    flat_bench *f = context;
    ts_vq_lookup(f->index, NULL, f->a, 16, f->scratch, 6144, 1024, 16, b->pool);
}
static void gemm(const bench *b, void *context) {
    flat_bench *f = context;
    ts_gemm(f->b, 512, f->a, 512, f->scratch, NULL, 1024, 512, 512, b->pool);
}

static void bench_flat(bench *b) {
    enum { N = 16 * 128 * 128 * 3 };
    const size_t back = ts_attention_scratch_back(&taming, ts_pool_threads(b->pool));
    flat_bench f = {room(N),
                    room(N),
                    room(N),
                    room(N),
                    room(1024),
                    room(most(ts_ms_ssim_scratch(16, 128, 128, 3), back)),
                    ts_alloc(6144 * 2),
                    N,
                    TS_ACT_SILU};
    const double gb = 4e-9 * N;
    line(b, "silu", "786k", "GB/s", 2 * gb, act_forward, &f);
    line(b, "silu backward", "786k", "GB/s", 3 * gb, act_backward, &f);
    line(b, "add", "786k", "GB/s", 3 * gb, add, &f);
    line(b, "group norm", "16x384 px, 128 ch, 32 groups", "GB/s", 2 * gb, norm_forward, &f);
    line(b, "norm + silu", "6144 px, 128 ch, 32 groups", "GB/s", 2 * gb, norm_silu, &f);
    line(b, "norm affine", "6144 px, 128 ch, 32 groups", "GB/s", gb, norm_affine, &f);
    line(b, "attention", "256 tokens, 512 ch", "GFLOP/s", 4e-9 * 256 * 256 * 512, attention, &f);
    line(b, "attention back", "256 tokens, 512 ch", "GFLOP/s", 10e-9 * 256 * 256 * 512, attention_back, &f);
    line(b, "norm backward", "16x384 px, 128 ch, 32 groups", "GB/s", 3 * gb, norm_backward, &f);
    line(b, "pixel shuffle", "16x32x32x48 -> 3 by 4", "GB/s", 2 * gb, shuffle, &f);
    line(b, "l1 + gradient", "786k", "GB/s", 3 * gb, loss_l1, &f);
    line(b, "lpips head", "6144 px, 128 ch", "GB/s", 3 * gb, lpips, &f);
    line(b, "ms-ssim", "16x128x128x3 with gradient", "GB/s", 3 * gb, ms_ssim, &f);
    line(b, "vq lookup", "6144 x 16, 1024 codes", "GFLOP/s", 2e-9 * 6144 * 16 * 1024, vq, &f);
    line(b, "gemm", "1024x512x512", "GFLOP/s", 2e-9 * 1024 * 512 * 512, gemm, &f);
    memset(f.c, 0, N * sizeof(float));
    line(b, "adamw", "786k", "GB/s", 7 * gb, adamw, &f);
    float *all[] = {f.a, f.b, f.c, f.d, f.small, f.scratch};
    for (int i = 0; i < 6; i++) ts_free(all[i]);
    ts_free(f.index);
}

int main(int argc, char **argv) {
    static const ts_conv_shape SHAPES[] = {
        {16, 16, 16, 128, 128, 3, 3, 1, 1, 1, 1, 1}, {16, 32, 32, 64, 64, 3, 3, 1, 1, 1, 1, 1},
        {16, 32, 32, 48, 64, 3, 3, 1, 1, 1, 1, 1},   {16, 32, 32, 64, 48, 3, 3, 1, 1, 1, 1, 1},
        {16, 16, 16, 256, 128, 1, 1, 1, 0, 0, 0, 0}, {16, 16, 16, 128, 16, 1, 1, 1, 0, 0, 0, 0},
        {1, 64, 96, 128, 128, 3, 3, 1, 1, 1, 1, 1},  {8, 64, 64, 3, 64, 4, 4, 2, 1, 1, 1, 1},
        {8, 32, 32, 64, 64, 4, 4, 2, 1, 1, 1, 1},    {16, 128, 128, 3, 64, 3, 3, 2, 0, 0, 0, 0},
        {1, 12, 16, 128, 128, 3, 3, 1, 1, 1, 1, 1},  {1, 16, 16, 512, 512, 1, 1, 1, 0, 0, 0, 0},
        {1, 64, 64, 256, 256, 1, 1, 1, 0, 0, 0, 0},  {1, 256, 256, 3, 64, 3, 3, 1, 1, 1, 1, 1},
    };
    bench b = {.seconds = 0.2};
    int threads = 1;
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        if (!strcmp(argv[i], "--json")) {
            b.json = 1;
        } else if (!strcmp(argv[i], "--threads")) {
            threads = atoi(value), i++;
        } else if (!strcmp(argv[i], "--seconds")) {
            b.seconds = atof(value), i++;
        } else if (!strcmp(argv[i], "--only")) {
            b.only = value, i++;
        } else {
            fprintf(stderr, "usage: kernels [--threads N] [--seconds S] [--only WORD] [--json]\n");
            return 2;
        }
    }
    b.pool = ts_pool_new(threads);
    printf(b.json ? "{\"backend\":\"%s\",\"threads\":%d,\"results\":[\n" : "back end %s, %d threads\n", TS_SIMD_NAME,
           ts_pool_threads(b.pool));
    for (size_t i = 0; i < sizeof SHAPES / sizeof SHAPES[0]; i++) bench_conv(&b, &SHAPES[i]);
    bench_flat(&b);
    if (b.json) printf("\n]}\n");
    ts_pool_free(b.pool);
    return 0;
}
