#include "codec/alpha.h"

#include "base/alloc.h"
#include "codec/context.h"
#include "codec/rans.h"

#include <stdbool.h>
#include <stdlib.h>

/* A pixel is up to ten decisions: "as its left neighbour?", "as its upper one?", then, high first, the 8 bits of its
 * difference from a prediction. Each has three contexts. */
enum {
    CONTEXTS = 3,
    INPUTS = CONTEXTS + 1, /* and a constant */
    CONSTANT_INPUT = 256,
    QUESTIONS = 1024, /* contexts of a question at most */
    AROUND = 16,      /* contexts of the bits */
    LIMIT = 255,
    RATE = 6,
    WEIGHT_START = TS_MIXER_ONE * 2 / 5,
    OUTSIDE = 255 /* what lies outside the strip: a fully opaque strip costs no byte */
};

struct ts_alpha_coder {
    ts_context_tables tables;
    ts_rans_writer writer;
    uint32_t questions[2][CONTEXTS][QUESTIONS];
    uint32_t bits[CONTEXTS][AROUND][256]; /* node 1, 1b, 1bb ... */
    int32_t weights[2 + 8][INPUTS];       /* of each decision */
};

/* A strip to code or to fill in. */
typedef struct strip {
    uint8_t *pixels;
    size_t row_stride, pixel_stride;
    int width;
} strip;

tess_status ts_alpha_coder_new(ts_alpha_coder **out, ts_error *err) {
    ts_alpha_coder *coder = ts_calloc(1, sizeof *coder);
    if (!coder) return ts_fail_memory(err, sizeof *coder);
    ts_context_tables_init(&coder->tables);
    *out = coder;
    return TESS_OK;
}

void ts_alpha_coder_free(ts_alpha_coder *coder) {
    if (!coder) return;
    ts_rans_writer_free(&coder->writer);
    ts_free(coder);
}

static void reset(ts_alpha_coder *coder) {
    for (size_t i = 0; i < sizeof coder->questions / sizeof(uint32_t); i++)
        (&coder->questions[0][0][0])[i] = TS_COUNTER_START;
    for (size_t i = 0; i < sizeof coder->bits / sizeof(uint32_t); i++) (&coder->bits[0][0][0])[i] = TS_COUNTER_START;
    for (int d = 0; d < 2 + 8; d++)
        for (int i = 0; i < INPUTS; i++) coder->weights[d][i] = i < CONTEXTS ? WEIGHT_START : 0;
    ts_rans_writer_reset(&coder->writer);
}

/* Codes one decision under three counters and learns from it; reads the bit if there is a reader. */
static int decide(ts_alpha_coder *coder, ts_rans_reader *reader, uint32_t *const used[CONTEXTS], int32_t *weights,
                  int bit) {
    int32_t inputs[INPUTS];
    for (int c = 0; c < CONTEXTS; c++) inputs[c] = ts_counter_stretch(&coder->tables, *used[c]);
    inputs[CONTEXTS] = CONSTANT_INPUT;
    uint32_t p = ts_squash(&coder->tables, ts_mix(weights, inputs, INPUTS));
    if (reader) bit = ts_rans_get(reader, p);
    else ts_rans_put(&coder->writer, p, bit);
    ts_mix_update(weights, inputs, INPUTS, p, bit, RATE);
    for (int c = 0; c < CONTEXTS; c++) *used[c] = ts_counter_update(&coder->tables, *used[c], bit, LIMIT);
    return bit;
}

/* The values left, above, above left, above right, two left and two above; outside the strip the nearest of them. */
typedef struct around {
    int w, n, nw, ne, ww, nn;
} around;

static around look_around(const strip *s, int y, int x) {
    const uint8_t *p = s->pixels + (size_t)y * s->row_stride + (size_t)x * s->pixel_stride;
    const size_t row = s->row_stride, step = s->pixel_stride;
    around a;
    a.n = y > 0 ? *(p - row) : OUTSIDE;
    a.w = x > 0 ? *(p - step) : a.n;
    if (y == 0) a.n = a.w;
    a.nw = x > 0 && y > 0 ? *(p - row - step) : a.n;
    a.ne = x + 1 < s->width && y > 0 ? *(p - row + step) : a.n;
    a.ww = x > 1 ? *(p - 2 * step) : a.w;
    a.nn = y > 1 ? *(p - 2 * row) : a.n;
    return a;
}

static int extreme(int value) { return value == 0 ? 0 : value == 255 ? 1 : 2; }

static bool ask(ts_alpha_coder *coder, ts_rans_reader *reader, const around *a, int question, bool answer) {
    int pattern = (a->w == a->n) | (a->w == a->nw) << 1 | (a->n == a->ne) << 2 | (a->n == a->nn) << 3 |
                  (a->w == a->ww) << 4;
    int kind = extreme(a->w) * 3 + extreme(a->n);
    uint32_t *used[CONTEXTS] = {
        &coder->questions[question][0][kind * 32 + pattern],
        &coder->questions[question][1][(question ? a->n : a->w) * 4 + (pattern & 1) + (pattern >> 1 & 2)],
        &coder->questions[question][2][(a->w >> 4) * 64 + (a->n >> 4) * 4 + (pattern >> 1 & 1) + (pattern >> 2 & 2)],
    };
    return decide(coder, reader, used, coder->weights[question], answer) != 0;
}

/* The value as its difference from the gradient w + n - nw, kept within 0..255. */
static int code_value(ts_alpha_coder *coder, ts_rans_reader *reader, const around *a, int value) {
    int guess = a->w + a->n - a->nw, slope = abs(a->w - a->nw) + abs(a->n - a->nw), steep = 0;
    guess = guess < 0 ? 0 : guess > 255 ? 255 : guess;
    while (slope >> steep) steep++;
    int difference = (value - guess) & 255, node = 1;
    for (int i = 7; i >= 0; i--) {
        uint32_t *used[CONTEXTS] = {&coder->bits[0][0][node], &coder->bits[1][steep][node],
                                    &coder->bits[2][guess >> 4][node]};
        node = node << 1 | decide(coder, reader, used, coder->weights[2 + i], difference >> i & 1);
    }
    return (guess + node) & 255;
}

static uint8_t code_pixel(ts_alpha_coder *coder, ts_rans_reader *reader, const around *a, int value) {
    if (ask(coder, reader, a, 0, value == a->w)) return (uint8_t)a->w;
    if (a->n != a->w && ask(coder, reader, a, 1, value == a->n)) return (uint8_t)a->n;
    return (uint8_t)code_value(coder, reader, a, value);
}

static tess_status check(int height, int width, ts_error *err) {
    if (height >= 1 && width >= 1) return TESS_OK;
    return ts_fail(err, TESS_ERR_OPTION, "An alpha strip of %d x %d values cannot be coded.", width, height);
}

tess_status ts_alpha_encode(ts_alpha_coder *coder, const uint8_t *alpha, size_t row_stride, size_t pixel_stride,
                            int height, int width, const uint8_t **bytes, size_t *size, ts_error *err) {
    tess_status status = check(height, width, err);
    if (status < 0) return status;
    const strip s = {(uint8_t *)alpha, row_stride, pixel_stride, width}; /* only read */
    reset(coder);
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++) {
            around a = look_around(&s, y, x);
            code_pixel(coder, NULL, &a, alpha[(size_t)y * row_stride + (size_t)x * pixel_stride]);
        }
    return ts_rans_finish(&coder->writer, bytes, size, err);
}

tess_status ts_alpha_decode(ts_alpha_coder *coder, uint8_t *alpha, size_t row_stride, size_t pixel_stride, int height,
                            int width, const uint8_t *bytes, size_t size, ts_error *err) {
    tess_status status = check(height, width, err);
    if (status < 0) return status;
    const strip s = {alpha, row_stride, pixel_stride, width};
    ts_rans_reader reader;
    reset(coder);
    ts_rans_reader_init(&reader, bytes, size);
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++) {
            around a = look_around(&s, y, x);
            alpha[(size_t)y * row_stride + (size_t)x * pixel_stride] = code_pixel(coder, &reader, &a, 0);
        }
    if (ts_rans_reader_done(&reader)) return TESS_OK;
    return ts_fail(err, TESS_ERR_FORMAT, "An alpha strip is damaged: its bytes do not end where its pixels do.");
}
