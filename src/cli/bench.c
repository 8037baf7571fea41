/* bench.c - tesserae bench: kernels, nets and the whole codec, timed on this machine. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "cli/picture.h"
#include "cli/platform.h"
#include "cli/report.h"
#include "cli/verbs.h"
#include "engine/net.h"
#include "kernels/conv.h"
#include "kernels/gemm.h"
#include "kernels/vq.h"

typedef struct bench {
    int threads;
    double seconds; /* per line */
    bool json;
    ts_pool *pool;
} bench;

/* Prints a line: best of its runs, and the rate if the work has a count of multiply-adds. */
static void print_line(const bench *b, const char *what, const char *detail, double ms, double macs) {
    const double gflops = macs > 0 ? 2 * macs / ms * 1e-6 : NAN;
    if (b->json) {
        json_line j = json_begin(stdout);
        json_text(&j, "what", what);
        json_text(&j, "detail", detail);
        json_text(&j, "backend", tess_backend());
        json_whole(&j, "threads", b->threads);
        json_real(&j, "ms", ms);
        json_real(&j, "gflops", gflops);
        json_end(&j);
        return;
    }
    printf("%-18s %-34s %9.3f ms", what, detail, ms);
    if (isfinite(gflops)) printf("  %7.1f GFLOP/s", gflops);
    printf("\n");
    fflush(stdout);
}

typedef void work(void *context);

/* The shortest run: at least 3, until the time is up. */
static double best_of(const bench *b, work *run, void *context) {
    const double start = clock_ms();
    double best = INFINITY;
    for (int i = 0; i < 3 || clock_ms() - start < b->seconds * 1000; i++) {
        const double t = clock_ms();
        run(context);
        const double ms = clock_ms() - t;
        if (ms < best) best = ms;
    }
    return best;
}

static void fill(float *values, size_t count) {
    uint32_t state = 1;
    for (size_t i = 0; i < count; i++) {
        state = state * 1664525u + 1013904223u;
        values[i] = (float)(state >> 8) * (2.0F / 16777216.0F) - 1;
    }
}

/* ---- kernels -------------------------------------------------------------------------------------------------- */

typedef struct conv_work {
    ts_conv plan;
    float *x, *y, *weights, *panels, *bias, *scratch;
    ts_pool *pool;
} conv_work;

static void run_conv(void *context) {
    conv_work *w = context;
    ts_conv_forward(&w->plan, w->y, w->x, (ts_filter){.panels = w->panels}, &(ts_conv_fuse){.bias = w->bias},
                    w->scratch, w->pool);
}

static bool bench_conv(const bench *b, int side_y, int side_x, int in, int out, int kernel, int stride) {
    const int pad = (kernel - 1) / 2;
    const ts_conv_shape shape = {1, side_y, side_x, in, out, kernel, kernel, stride, pad, pad, pad, pad};
    conv_work w = {.pool = b->pool};
    if (ts_conv_plan(&w.plan, &shape, NULL)) return false;
    const size_t xs = (size_t)side_y * (size_t)side_x * (size_t)in,
                 taps = (size_t)kernel * (size_t)kernel * (size_t)in * (size_t)out;
    const size_t ys = (size_t)w.plan.out_h * (size_t)w.plan.out_w * (size_t)out;
    w.x = ts_alloc_floats(xs), w.y = ts_alloc_floats(ys), w.weights = ts_alloc_floats(taps),
    w.panels = ts_alloc_floats(w.plan.panels);
    w.bias = ts_alloc_floats((size_t)out),
    w.scratch = ts_alloc_floats(ts_conv_scratch_forward(&w.plan, b->threads) + 1);
    const bool ok = w.x && w.y && w.weights && w.panels && w.bias && w.scratch;
    if (ok) {
        char detail[64];
        fill(w.x, xs), fill(w.weights, taps), fill(w.bias, (size_t)out);
        ts_conv_pack(&w.plan, w.panels, w.weights, NULL);
        snprintf(detail, sizeof detail, "%d x %d x %d -> %d, stride %d", side_y, side_x, in, out, stride);
        char name[32];
        snprintf(name, sizeof name, "conv %dx%d", kernel, kernel);
        print_line(b, name, detail, best_of(b, run_conv, &w), (double)taps * w.plan.out_h * w.plan.out_w);
    }
    ts_free(w.x), ts_free(w.y), ts_free(w.weights), ts_free(w.panels), ts_free(w.bias), ts_free(w.scratch);
    return ok;
}

typedef struct gemm_work {
    float *a, *b, *c;
    int m, k, n;
    uint16_t *index;
    ts_pool *pool;
} gemm_work;

static void run_gemm(void *context) {
    gemm_work *w = context;
    ts_gemm(w->c, (size_t)w->n, w->a, (size_t)w->k, w->b, NULL, (size_t)w->m, w->k, w->n, w->pool);
}

static void run_lookup(void *context) {
    gemm_work *w = context;
    ts_vq_lookup(w->index, NULL, w->a, (size_t)w->k, w->b, (size_t)w->m, w->n, w->k, w->pool);
}

/* A matrix product m x k x n, or (lookup) the nearest of n codes of dimension k for m vectors. */
static bool bench_product(const bench *b, int m, int k, int n, bool lookup) {
    gemm_work w = {.m = m, .k = k, .n = n, .pool = b->pool};
    const size_t as = (size_t)m * (size_t)k, bs = (size_t)k * (size_t)n;
    float *plain = ts_alloc_floats(bs);
    w.a = ts_alloc_floats(as), w.b = ts_alloc_floats(lookup ? ts_vq_packed(n, k) : ts_gemm_packed(k, n));
    w.c = lookup ? NULL : ts_alloc_floats((size_t)m * (size_t)n);
    w.index = lookup ? ts_alloc((size_t)m * sizeof *w.index) : NULL;
    const bool ok = plain && w.a && w.b && (w.c || w.index);
    if (ok) {
        char detail[64];
        fill(w.a, as), fill(plain, bs);
        if (lookup) ts_vq_pack(w.b, plain, NULL, 0, n, k);
        else ts_gemm_pack(w.b, plain, k, n, (size_t)n, 1);
        snprintf(detail, sizeof detail, lookup ? "%d vectors of %d, %d codes" : "%d x %d x %d", m, k, n);
        print_line(b, lookup ? "nearest code" : "matrix product", detail,
                   best_of(b, lookup ? run_lookup : run_gemm, &w), (double)m * k * n);
    }
    ts_free(plain), ts_free(w.a), ts_free(w.b), ts_free(w.c), ts_free(w.index);
    return ok;
}

static bool bench_kernels(const bench *b) {
    bool ok = bench_product(b, 512, 512, 512, false);
    ok &= bench_product(b, 6144, 16, 1024, true);
    ok &= bench_conv(b, 64, 96, 128, 128, 3, 1);
    ok &= bench_conv(b, 128, 192, 64, 64, 3, 1);
    ok &= bench_conv(b, 128, 192, 48, 64, 3, 1);
    ok &= bench_conv(b, 64, 96, 256, 128, 1, 1);
    ok &= bench_conv(b, 128, 192, 64, 128, 4, 2);
    return ok;
}

/* ---- nets and codec ------------------------------------------------------------------------------------------- */

enum { PICTURE_WIDTH = 768, PICTURE_HEIGHT = 512 };

typedef struct net_work {
    ts_net net;
    ts_pool *pool;
} net_work;

static void run_net(void *context) {
    net_work *w = context;
    while (!ts_net_run(&w->net, w->pool)) continue;
}

static bool bench_net(const bench *b, const tess_model *model, bool encoder) {
    net_work w = {.pool = b->pool};
    bool ok = ts_net_init(&w.net, model, encoder, NULL) == TESS_OK;
    w.net.threads = b->threads;
    if (ok) {
        const ts_span all = {0, 0, PICTURE_WIDTH / w.net.factor, PICTURE_HEIGHT / w.net.factor};
        ok = ts_net_prepare(&w.net, all, NULL) == TESS_OK;
        if (ok) {
            const ts_shape shape = ts_graph_shape(w.net.graph, w.net.in);
            fill(ts_net_input(&w.net), ts_shape_count(shape));
            char detail[64];
            snprintf(detail, sizeof detail, "%d x %d", PICTURE_WIDTH, PICTURE_HEIGHT);
            print_line(b, encoder ? "encoder net" : "decoder net", detail, best_of(b, run_net, &w),
                       (double)ts_graph_macs(w.net.graph));
        }
    }
    ts_net_free(&w.net);
    return ok;
}

/* Waves, an edge and some noise: something to code where no picture is at hand. */
static void draw(uint8_t *pixels) {
    uint32_t state = 7;
    for (int y = 0; y < PICTURE_HEIGHT; y++)
        for (int x = 0; x < PICTURE_WIDTH; x++) {
            state = state * 1664525u + 1013904223u;
            const double wave = 60 * sin(x * 0.02 + y * 0.013) + 30 * sin(x * 0.11 - y * 0.07),
                         edge = x + 2 * y > 900 ? 40 : -20;
            for (int c = 0; c < 3; c++)
                *pixels++ = (uint8_t)(118 + wave * (0.6 + 0.2 * c) + edge + (double)(state >> 29));
        }
}

typedef struct codec_work {
    tess_encoder *encoder;
    tess_decoder *decoder;
    uint8_t *picture, *file;
    size_t size;
    tess_status status;
} codec_work;

static void run_encode(void *context) {
    codec_work *w = context;
    uint8_t *room = tess_encoder_begin(w->encoder, PICTURE_WIDTH, PICTURE_HEIGHT, 3);
    w->status = room ? TESS_MORE : TESS_ERR_MEMORY;
    if (room) memcpy(room, w->picture, (size_t)PICTURE_WIDTH * PICTURE_HEIGHT * 3);
    while (w->status == TESS_MORE) w->status = tess_encoder_step(w->encoder);
}

static void run_decode(void *context) {
    codec_work *w = context;
    uint8_t *room = tess_decoder_begin(w->decoder, w->size);
    w->status = room ? TESS_MORE : TESS_ERR_MEMORY;
    if (room) memcpy(room, w->file, w->size);
    while (w->status == TESS_MORE) w->status = tess_decoder_step(w->decoder);
}

static bool bench_codec(const bench *b, const tess_model *model) {
    codec_work w = {.encoder = tess_encoder_new(model), .decoder = tess_decoder_new(model)};
    w.picture = malloc((size_t)PICTURE_WIDTH * PICTURE_HEIGHT * 3);
    bool ok = w.encoder && w.decoder && w.picture;
    if (ok) draw(w.picture);
    char detail[64];
    static const double RATES[] = {0.1, 0.2, 0.4};
    if (ok) tess_encoder_set(w.encoder, "threads", b->threads), tess_decoder_set(w.decoder, "threads", b->threads);
    for (int quality = 0; ok && quality < 2; quality++)
        for (size_t i = 0; ok && i < sizeof RATES / sizeof *RATES; i++) {
            if (quality && i) continue;
            if (quality)
                tess_encoder_set(w.encoder, "quality", 60),
                    snprintf(detail, sizeof detail, "%d x %d, quality 60", PICTURE_WIDTH, PICTURE_HEIGHT);
            else
                tess_encoder_set(w.encoder, "bpp", RATES[i]),
                    snprintf(detail, sizeof detail, "%d x %d, %g bpp", PICTURE_WIDTH, PICTURE_HEIGHT, RATES[i]);
            print_line(b, "encode", detail, best_of(b, run_encode, &w), 0);
            ok = w.status == TESS_DONE;
        }
    if (ok) {
        const uint8_t *bytes = tess_encoder_bytes(w.encoder, &w.size);
        w.file = malloc(w.size);
        ok = w.file != NULL;
        if (ok) memcpy(w.file, bytes, w.size);
    }
    if (ok) {
        print_line(b, "decode", detail, best_of(b, run_decode, &w), 0);
        ok = w.status == TESS_DONE;
    }
    free(w.file);
    free(w.picture);
    tess_encoder_free(w.encoder);
    tess_decoder_free(w.decoder);
    return ok;
}

static int run(int argc, char **argv, const char *program) {
    const char *model_path = NULL;
    bench b = {.threads = 1, .seconds = 0.5};
    const option table[] = {
        {'m', "model", OPTION_TEXT, &model_path, 0, 0, "MODEL", "model file; the bundled photo model if left out"},
        {0, "threads", OPTION_INT, &b.threads, 1, 64, "N", "threads (1)"},
        {0, "seconds", OPTION_REAL, &b.seconds, 0, 60, "S", "time per line (0.5); the best run counts"},
        {0, "json", OPTION_FLAG, &b.json, 0, 0, NULL, "one line of JSON per measurement"},
    };
    const int count = options_parse(&VERB_BENCH, table, sizeof table / sizeof *table, argc, argv);
    if (count < 0) return count == -2 ? EXIT_OK : EXIT_USAGE;
    if (b.threads > 1) b.pool = ts_pool_new(b.threads);
    char fault[FAULT_SIZE];
    bool ok = bench_kernels(&b);
    tess_model *model = model_read(model_path, program, fault);
    if (!model) {
        say_fault(fault);
        ok = false;
    }
    ok = ok && bench_net(&b, model, true) && bench_net(&b, model, false) && bench_codec(&b, model);
    tess_model_free(model);
    ts_pool_free(b.pool);
    return ok ? EXIT_OK : EXIT_FAILED;
}

const verb VERB_BENCH = {
    "bench", "", "kernels, nets and the codec on this machine: ms and GFLOP/s", NULL, 0, 0, run,
};
