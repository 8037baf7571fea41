/* turn.c - one turn of `npm run bench`, natively: a layer or a net, from files, timed call by call.
 *
 *     turn layer IN OUT HEIGHT WIDTH KERNEL X WEIGHTS BIAS Y   [--threads T] [--calls N]
 *     turn VERB MODEL INPUT OUTPUT [WIDTH HEIGHT]              [--threads T] [--calls N]
 *     turn peak
 *
 * Files hold raw numbers: x [height][width][in], weights [kh][kw][in][out], bias and y as float32, tokens as uint16, pictures as
 * RGB bytes. VERB: detokenize (tokens in, RGB out; WIDTH and HEIGHT in pixels, one level), latents (RGB in, float32 out),
 * unlatents (float32 in, RGB out), encode (RGB in, .tess out, quality 60), decode (.tess in, RGB out). One call first is not
 * timed. Prints {"wall":[ms...],"cpu":ms per call}, CPU time of all threads.
 */
#include "base/alloc.h"
#include "kernels/conv.h"
#include "simd/vec.h"
#include "tesserae.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

typedef struct turn {
    int threads, calls, count;
    char *words[16];
} turn;

_Noreturn static void stop(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "turn: ");
    vfprintf(stderr, format, arguments);
    fprintf(stderr, "\n");
    va_end(arguments);
    exit(1);
}

static double clock_ms(clockid_t which) {
    struct timespec t;
    clock_gettime(which, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

static void *read_file(const char *path, size_t *size) {
    FILE *file = fopen(path, "rb");
    if (!file || fseek(file, 0, SEEK_END)) stop("cannot read %s", path);
    const long length = ftell(file);
    rewind(file);
    void *bytes = ts_alloc((size_t)length + 64);
    if (!bytes || fread(bytes, 1, (size_t)length, file) != (size_t)length) stop("cannot read %s", path);
    fclose(file);
    *size = (size_t)length;
    return bytes;
}

static void write_file(const char *path, const void *bytes, size_t size) {
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(bytes, 1, size, file) != size || fclose(file)) stop("cannot write %s", path);
}

typedef void work(void *context);

static void time_calls(const turn *t, work *call, void *context) {
    double cpu = 0;
    call(context);
    printf("{\"wall\":[");
    for (int i = 0; i < t->calls; i++) {
        const double start = clock_ms(CLOCK_MONOTONIC), used = clock_ms(CLOCK_PROCESS_CPUTIME_ID);
        call(context);
        cpu += clock_ms(CLOCK_PROCESS_CPUTIME_ID) - used;
        printf("%s%.4f", i ? "," : "", clock_ms(CLOCK_MONOTONIC) - start);
    }
    printf("],\"cpu\":%.4f}\n", cpu / (t->calls ? t->calls : 1));
}

/* ---- a layer -------------------------------------------------------------------------------------------------- */
typedef struct layer {
    ts_conv plan;
    ts_filter filter;
    ts_conv_fuse fuse;
    float *x, *y, *scratch;
    ts_pool *pool;
} layer;

static void call_layer(void *context) {
    layer *l = context;
    ts_conv_forward(&l->plan, l->y, l->x, l->filter, &l->fuse, l->scratch, l->pool);
}

static void time_layer(const turn *t) {
    if (t->count != 10) stop("layer IN OUT HEIGHT WIDTH KERNEL X WEIGHTS BIAS Y");
    const int kernel = atoi(t->words[5]), pad = (kernel - 1) / 2;
    const ts_conv_shape shape = {.batch = 1,
                                 .in = atoi(t->words[1]),
                                 .out = atoi(t->words[2]),
                                 .height = atoi(t->words[3]),
                                 .width = atoi(t->words[4]),
                                 .kernel_h = kernel,
                                 .kernel_w = kernel,
                                 .stride = 1,
                                 .pad_top = pad,
                                 .pad_left = pad,
                                 .pad_bottom = pad,
                                 .pad_right = pad};
    layer l = {.pool = ts_pool_new(t->threads)};
    size_t size;
    if (ts_conv_plan(&l.plan, &shape, NULL) != TESS_OK) stop("the layer cannot be planned");
    float *weights = read_file(t->words[7], &size), *bias = read_file(t->words[8], &size);
    float *panels = ts_alloc_floats(l.plan.panels + 16);
    const size_t outputs = (size_t)l.plan.out_h * (size_t)l.plan.out_w * (size_t)shape.out;
    l.x = read_file(t->words[6], &size);
    l.y = ts_alloc_floats(outputs);
    l.scratch = ts_alloc_floats(ts_conv_scratch_forward(&l.plan, ts_pool_threads(l.pool)) + 16);
    if (!panels || !l.y || !l.scratch) stop("out of memory");
    if (l.plan.streams) {
        l.filter.values = weights;
    } else {
        ts_conv_pack(&l.plan, panels, weights, l.pool);
        l.filter.panels = panels;
    }
    l.fuse.bias = bias;
    time_calls(t, call_layer, &l);
    write_file(t->words[9], l.y, outputs * sizeof *l.y);
    ts_pool_free(l.pool);
}

/* ---- a net ---------------------------------------------------------------------------------------------------- */
typedef struct net {
    const char *verb;
    tess_encoder *encoder;
    tess_decoder *decoder;
    void *input;
    size_t size;
    int width, height, dim;
} net;

static void encode(net *n) {
    uint8_t *pixels = tess_encoder_begin(n->encoder, n->width, n->height, 3);
    tess_status status = pixels ? TESS_MORE : TESS_ERR_INPUT;
    if (pixels) memcpy(pixels, n->input, n->size);
    while (status == TESS_MORE) status = tess_encoder_step(n->encoder);
    if (status < 0) stop("%s", tess_encoder_message(n->encoder));
}

/* Width and height of the latents: a factor of the picture's, found from how many there are. */
static void latent_size(const net *n, size_t count, int *height, int *width) {
    for (int factor = 1; factor <= 64; factor++) {
        *height = (n->height + factor - 1) / factor;
        *width = (n->width + factor - 1) / factor;
        if ((size_t)*height * (size_t)*width == count) return;
    }
    stop("%zu latents do not fit %dx%d pixels", count, n->width, n->height);
}

static void decode(net *n) {
    int height, width;
    void *room;
    if (!strcmp(n->verb, "detokenize")) {
        latent_size(n, n->size / 2, &height, &width);
        room = tess_decoder_begin_tokens(n->decoder, 1, height, width, n->height, n->width);
    } else if (!strcmp(n->verb, "unlatents")) {
        latent_size(n, n->size / sizeof(float) / (size_t)n->dim, &height, &width);
        room = tess_decoder_begin_latents(n->decoder, height, width, n->dim, n->height, n->width);
    } else {
        room = tess_decoder_begin(n->decoder, n->size);
    }
    tess_status status = room ? TESS_MORE : TESS_ERR_INPUT;
    if (room) memcpy(room, n->input, n->size);
    while (status == TESS_MORE) status = tess_decoder_step(n->decoder);
    if (status < 0) stop("%s", tess_decoder_message(n->decoder));
}

static void call_net(void *context) {
    net *n = context;
    if (n->encoder) encode(n);
    else decode(n);
}

static void save(const net *n, const char *path) {
    int a, b, c;
    if (n->decoder) {
        const uint8_t *pixels = tess_decoder_pixels(n->decoder, &a, &b, &c);
        write_file(path, pixels, (size_t)a * (size_t)b * (size_t)c);
    } else if (!strcmp(n->verb, "latents")) {
        const float *latents = tess_encoder_latents(n->encoder, &a, &b, &c);
        write_file(path, latents, (size_t)a * (size_t)b * (size_t)c * sizeof *latents);
    } else {
        size_t size;
        const uint8_t *bytes = tess_encoder_bytes(n->encoder, &size);
        write_file(path, bytes, size);
    }
}

static void time_net(const turn *t) {
    if (t->count != 4 && t->count != 6) stop("%s MODEL INPUT OUTPUT [WIDTH HEIGHT]", t->words[0]);
    net n = {.verb = t->words[0]};
    const bool in = !strcmp(n.verb, "encode") || !strcmp(n.verb, "latents");
    size_t size;
    const void *bytes = read_file(t->words[1], &size);
    tess_model *model = tess_model_new();
    if (!model || tess_model_load(model, bytes, size) < 0) stop("%s", tess_model_message(model));
    const char *dim = strstr(tess_model_info(model), "\"dim\":");
    n.dim = dim ? atoi(dim + 6) : 0;
    n.input = read_file(t->words[2], &n.size);
    if (t->count == 6) {
        n.width = atoi(t->words[4]);
        n.height = atoi(t->words[5]);
    }
    if (in) {
        n.encoder = tess_encoder_new(model);
        tess_encoder_set(n.encoder, "threads", t->threads);
        if (!strcmp(n.verb, "latents")) tess_encoder_set(n.encoder, "latents", 1);
        else tess_encoder_set(n.encoder, "quality", 60);
    } else {
        n.decoder = tess_decoder_new(model);
        tess_decoder_set(n.decoder, "threads", t->threads);
    }
    time_calls(t, call_net, &n);
    save(&n, t->words[3]);
    tess_encoder_free(n.encoder);
    tess_decoder_free(n.decoder);
    tess_model_free(model);
}

/* ---- the machine's limit ---------------------------------------------------------------------------------------- */
/* Multiply-adds in registers: twelve chains, enough to hide their latency. GFLOP/s of the best slice. */
static void print_peak(void) {
    double best = 0;
    float sum = 0;
    for (int slice = 0; slice < 40; slice++) {
        vf chain[12];
        for (int i = 0; i < 12; i++) chain[i] = vf_set1((float)i);
        const double start = clock_ms(CLOCK_PROCESS_CPUTIME_ID);
        for (int r = 0; r < 1000000; r++) {
            TS_UNROLL for (int i = 0; i < 12; i++) chain[i] = vf_madd(chain[i], vf_set1(0.999f), vf_set1(1e-3f));
        }
        const double rate = 24e6 * TS_VF / (clock_ms(CLOCK_PROCESS_CPUTIME_ID) - start) * 1e-6;
        if (rate > best) best = rate;
        for (int i = 0; i < 12; i++) {
            float lanes[TS_VF];
            vf_store(lanes, chain[i]);
            sum += lanes[0];
        }
    }
    printf("{\"backend\":\"%s\",\"peak\":%.2f,\"sum\":%g}\n", TS_SIMD_NAME, best, (double)sum);
}

int main(int argc, char **argv) {
    turn t = {.threads = 1, .calls = 1};
    for (int i = 1; i < argc && t.count < 16; i++) {
        if (!strcmp(argv[i], "--threads") && i + 1 < argc) t.threads = atoi(argv[++i]);
        else if (!strcmp(argv[i], "--calls") && i + 1 < argc) t.calls = atoi(argv[++i]);
        else t.words[t.count++] = argv[i];
    }
    if (!t.count) stop("layer, peak or a verb: see bench/turn.c");
    if (!strcmp(t.words[0], "peak")) print_peak();
    else if (!strcmp(t.words[0], "layer")) time_layer(&t);
    else time_net(&t);
    return 0;
}
