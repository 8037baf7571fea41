/* layers.c - one layer at a time, for timing from outside: a WebAssembly module in a page, or a program.
 *
 *     setup(kind, in, out, height, width, kernel, stride, batch, flags)    builds the layer; 1, or 0 when it cannot
 *     run(n)                                                               runs it n times
 *     checksum()                                                           the sum of what it wrote
 *     flops()                                                              of one run, counted as the direct form
 *     peak(n)                                                              n rounds of multiply-adds in registers; flops
 *     values(which), reweigh()                                             where x 0, y 1, weights 2 [kh][kw][in][out] and
 *                                                                          bias 3 lie; the weights were written
 *
 * kind: 0 forward, 1 gradient to the input, 2 gradient to the weights, 3 packing. flags: 1 nearest-2x upsampling first
 * (height and width are those of the output), 2 group norm with SiLU while loading, 4 an addend, 8 SiLU while storing, 16 weights
 * as float16 where the plan streams, 32 the direct form whatever the plan would take. Pads are (kernel - 1) / 2.
 *
 * The program: layers [--seconds S] [--only WORD] prints a table, in CPU time of one thread.
 */
#include "base/alloc.h"
#include "base/f16.h"
#include "kernels/conv_job.h"
#include "simd/vec.h"

enum { FORWARD, DATA, WEIGHT, PACK };
enum { UPSAMPLE = 1, NORM = 2, ADD = 4, SILU = 8, HALVES = 16, DIRECT = 32 };

static struct {
    int kind, flags;
    ts_conv plan;
    ts_conv_fuse fuse;
    ts_filter filter;
    size_t x_count, y_count, w_count;
    float *x, *y, *w, *dw, *panels, *scratch, *bias, *scale, *add;
    uint16_t *halves;
} layer;

static float *room(size_t n, unsigned seed) {
    float *x = ts_alloc_floats(n + 16);
    for (size_t i = 0; x && i < n; i++) x[i] = (float)(((unsigned)i * 2654435761u + seed) >> 16 & 1023) * 0x1p-9f - 1;
    return x;
}

static void clear(void) {
    float *all[] = {layer.x,       layer.y,    layer.w,     layer.dw, layer.panels,
                    layer.scratch, layer.bias, layer.scale, layer.add};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) ts_free(all[i]);
    ts_free(layer.halves);
    memset(&layer, 0, sizeof layer);
}

static size_t scratch_floats(void) {
    switch (layer.kind) {
    case DATA: return ts_conv_scratch_data(&layer.plan, 1);
    case WEIGHT: return ts_conv_scratch_weight(&layer.plan, 1);
    default: return ts_conv_scratch_forward(&layer.plan, 1);
    }
}

/* Buffers of the planned layer; false when memory is out. */
static bool fill_layer(void) {
    const ts_conv_shape *s = &layer.plan.shape;
    const size_t channels = (size_t)s->batch * (size_t)s->in;
    layer.x_count = (size_t)s->batch * (size_t)s->height * (size_t)s->width * (size_t)s->in;
    layer.y_count = (size_t)s->batch * (size_t)layer.plan.out_h * (size_t)layer.plan.out_w * (size_t)s->out;
    layer.w_count = (size_t)(s->kernel_h * s->kernel_w) * (size_t)s->in * (size_t)s->out;
    layer.x = room(layer.x_count, 1);
    layer.y = room(layer.y_count, 2);
    layer.w = room(layer.w_count, 3);
    layer.dw = room(layer.kind == WEIGHT ? layer.w_count : 0, 4);
    layer.panels = room(layer.kind == DATA ? layer.plan.panels_back : layer.plan.panels, 5);
    layer.scratch = room(scratch_floats(), 6);
    layer.bias = room((size_t)s->out, 7);
    layer.scale = room(2 * channels, 8);
    layer.add = room(layer.flags & ADD ? layer.y_count : 0, 9);
    layer.halves = ts_alloc((layer.w_count + 16) * sizeof *layer.halves);
    return layer.x && layer.y && layer.w && layer.dw && layer.panels && layer.scratch && layer.bias && layer.scale &&
           layer.add && layer.halves;
}

static void pack(void) {
    if (layer.kind == DATA) ts_conv_pack_back(&layer.plan, layer.panels, layer.w, NULL);
    else if (!layer.plan.streams) ts_conv_pack(&layer.plan, layer.panels, layer.w, NULL);
}

#ifdef __EMSCRIPTEN__
#include <emscripten.h>
#define EXPORT EMSCRIPTEN_KEEPALIVE
#else
#define EXPORT static
#endif
EXPORT int setup(int kind, int in, int out, int height, int width, int kernel, int stride, int batch, int flags);
EXPORT void run(int n);
EXPORT double checksum(void);
EXPORT double flops(void);
EXPORT double peak(int n);
static void repack(void);

int setup(int kind, int in, int out, int height, int width, int kernel, int stride, int batch, int flags) {
    clear();
    layer.kind = kind;
    layer.flags = flags;
    const int pad = (kernel - 1) / 2;
    const ts_conv_shape shape = {.batch = batch,
                                 .height = height,
                                 .width = width,
                                 .in = in,
                                 .out = out,
                                 .kernel_h = kernel,
                                 .kernel_w = kernel,
                                 .stride = stride,
                                 .pad_top = pad,
                                 .pad_left = pad,
                                 .pad_bottom = pad,
                                 .pad_right = pad,
                                 .upsample = flags & UPSAMPLE ? 2 : 0};
    const tess_status status = (flags & DIRECT ? ts_conv_plan_direct : ts_conv_plan)(&layer.plan, &shape, NULL);
    if (status != TESS_OK || !fill_layer()) return 0;
    for (size_t i = 0; i < layer.w_count; i++) layer.w[i] *= 0.1f;
    repack();
    layer.filter.panels = layer.panels;
    if (layer.plan.streams && flags & HALVES) layer.filter = (ts_filter){.halves = layer.halves};
    else if (layer.plan.streams) layer.filter = (ts_filter){.values = layer.w};
    layer.fuse.bias = layer.bias;
    if (flags & SILU) layer.fuse.act = TS_ACT_SILU;
    if (flags & ADD) layer.fuse.add = layer.add;
    if (flags & NORM) {
        layer.fuse.scale = layer.scale;
        layer.fuse.shift = layer.scale + (size_t)batch * (size_t)in;
        layer.fuse.load_act = TS_ACT_SILU;
    }
    return 1;
}

static void repack(void) {
    for (size_t i = 0; i < layer.w_count; i++) layer.halves[i] = ts_f16_from_f32(layer.w[i]);
    pack();
}

void run(int n) {
    for (int i = 0; i < n; i++) {
        switch (layer.kind) {
        case DATA: ts_conv_backward_data(&layer.plan, layer.x, layer.y, layer.panels, layer.scratch, NULL); break;
        case WEIGHT: ts_conv_backward_weight(&layer.plan, layer.dw, NULL, layer.x, layer.y, layer.scratch, NULL); break;
        case PACK: pack(); break;
        default: ts_conv_forward(&layer.plan, layer.y, layer.x, layer.filter, &layer.fuse, layer.scratch, NULL); break;
        }
    }
}

double checksum(void) {
    const float *p = layer.kind == DATA ? layer.x : layer.kind == WEIGHT ? layer.dw : layer.y;
    const size_t n = layer.kind == DATA ? layer.x_count : layer.kind == WEIGHT ? layer.w_count : layer.y_count;
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += p[i];
    return sum;
}

double flops(void) {
    const ts_conv *p = &layer.plan;
    return 2.0 * (double)layer.w_count * (double)p->shape.batch * (double)p->out_h * (double)p->out_w;
}

/* Twelve chains, enough to hide the latency of a multiply-add. */
double peak(int n) {
    vf chain[12];
    const vf m = vf_set1(0.999f), c = vf_set1(1e-3f);
    for (int i = 0; i < 12; i++) chain[i] = vf_set1((float)i);
    for (int r = 0; r < n; r++) {
        TS_UNROLL for (int i = 0; i < 12; i++) chain[i] = vf_madd(chain[i], m, c);
    }
    vf sum = chain[0];
    for (int i = 1; i < 12; i++) sum = vf_add(sum, chain[i]);
    float lanes[TS_VF];
    vf_store(lanes, sum);
    return (double)n * 24 * TS_VF + 1e-30 * (double)lanes[0];
}

#ifdef __EMSCRIPTEN__
EXPORT float *values(int which);
EXPORT void reweigh(void);

float *values(int which) {
    float *const all[] = {layer.x, layer.y, layer.w, layer.bias};
    return all[which & 3];
}

void reweigh(void) { repack(); }
#else
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double now(void) { return (double)clock() / CLOCKS_PER_SEC; }

static int by_value(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

typedef struct row {
    const char *name;
    int kind, in, out, height, width, kernel, stride, batch, flags;
} row;

static void time_row(const row *r, double seconds) {
    double took[400];
    int count = 0;
    if (!setup(r->kind, r->in, r->out, r->height, r->width, r->kernel, r->stride, r->batch, r->flags)) {
        printf("%-28s cannot be set up\n", r->name);
        return;
    }
    run(1);
    for (const double start = now(); count < 400 && (count < 3 || now() - start < seconds); count++) {
        const double t = now();
        run(1);
        took[count] = now() - t;
    }
    qsort(took, (size_t)count, sizeof took[0], by_value);
    printf("%-28s %9.3f ms %8.1f GFLOP/s   (least %.3f)   checksum %.9g\n", r->name, took[count / 2] * 1e3,
           flops() / took[count / 2] * 1e-9, took[0] * 1e3, checksum());
    fflush(stdout);
}

int main(int argc, char **argv) {
    static const row ROWS[] = {
        {"3x3 128->128@256", FORWARD, 128, 128, 256, 256, 3, 1, 1, 0},
        {"3x3 256->256@64", FORWARD, 256, 256, 64, 64, 3, 1, 1, 0},
        {"3x3 512->512@16", FORWARD, 512, 512, 16, 16, 3, 1, 1, 0},
        {"3x3 512->512@16 f16", FORWARD, 512, 512, 16, 16, 3, 1, 1, HALVES},
        {"3x3 64->64@128", FORWARD, 64, 64, 128, 128, 3, 1, 1, 0},
        {"3x3 32->32@256", FORWARD, 32, 32, 256, 256, 3, 1, 1, 0},
        {"3x3 128->128@256 norm,add", FORWARD, 128, 128, 256, 256, 3, 1, 1, NORM | ADD},
        {"up 128->128@256", FORWARD, 128, 128, 256, 256, 3, 1, 1, UPSAMPLE},
        {"up 512->512@32", FORWARD, 512, 512, 32, 32, 3, 1, 1, UPSAMPLE},
        {"3x3 3->64@256", FORWARD, 3, 64, 256, 256, 3, 1, 1, 0},
        {"3x3 128->3@256", FORWARD, 128, 3, 256, 256, 3, 1, 1, 0},
        {"1x1 256->256@64", FORWARD, 256, 256, 64, 64, 1, 1, 1, 0},
        {"1x1 512->512@16", FORWARD, 512, 512, 16, 16, 1, 1, 1, 0},
        {"3x3 128->128@16 x16", FORWARD, 128, 128, 16, 16, 3, 1, 16, 0},
        {"data 128->128@16 x16", DATA, 128, 128, 16, 16, 3, 1, 16, 0},
        {"weight 128->128@16 x16", WEIGHT, 128, 128, 16, 16, 3, 1, 16, 0},
        {"data 64->64@32 x16", DATA, 64, 64, 32, 32, 3, 1, 16, 0},
        {"weight 64->64@32 x16", WEIGHT, 64, 64, 32, 32, 3, 1, 16, 0},
        {"weight 32->32@32 x16", WEIGHT, 32, 32, 32, 32, 3, 1, 16, 0},
        {"weight 96->64@64 x8", WEIGHT, 96, 64, 64, 64, 3, 1, 8, 0},
        {"weight 128->128@64 x8", WEIGHT, 128, 128, 64, 64, 3, 1, 8, 0},
        {"pack 512->512", PACK, 512, 512, 64, 64, 3, 1, 1, 0},
    };
    double seconds = 0.5;
    const char *only = "";
    for (int i = 1; i + 1 < argc; i += 2) {
        if (!strcmp(argv[i], "--seconds")) seconds = atof(argv[i + 1]);
        else if (!strcmp(argv[i], "--only")) only = argv[i + 1];
    }
    double best = 0;
    for (int i = 0; i < 20; i++) {
        const double t = now(), work = peak(4000000), rate = work / (now() - t) * 1e-9;
        if (rate > best) best = rate;
    }
    printf("back end %s, peak %.1f GFLOP/s\n", TS_SIMD_NAME, best);
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++)
        if (strstr(ROWS[i].name, only)) time_row(&ROWS[i], seconds);
    clear();
    return 0;
}
#endif
