/* predictor.c - reads a predictor's weights and proves that none of its sums can overflow. */
#include "codec/predictor.h"

#include "base/alloc.h"
#include "base/bytes.h"
#include "codec/predictor_net.h"
#include "simd/vec.h"

#include <stdbool.h>
#include <string.h>

enum { VERSION = 1, WIDEST = 512, ACTIVATION = 32767, MASS_BITS = 20 };

/* mass[i] = 2^20 exp(-i / 256), rounded: the power in 0.32 bits, each the one before times exp(-1 / 256). */
static void init_masses(uint32_t *mass) {
    uint64_t power = (uint64_t)1 << 32;
    for (int i = 0; i < TS_MASSES; i++, power = power * 4278221957u >> 32) {
        uint64_t m = (power + (1 << (31 - MASS_BITS))) >> (32 - MASS_BITS);
        mass[i] = m ? (uint32_t)m : 1;
    }
}

static int signed_byte(uint8_t byte) { return (byte ^ 128) - 128; }

static int round_up(int n, int step) { return (n + step - 1) / step * step; }

static void dense_free(ts_dense *layer) {
    ts_free(layer->weights);
    ts_free(layer->bias);
    ts_free(layer->scale);
}

/* Room for rows x columns. Errors: MEMORY. */
static tess_status dense_new(ts_dense *layer, int rows, int columns, ts_error *err) {
    layer->rows = round_up(rows, TS_BLOCK * TS_VF);
    layer->columns = columns;
    const size_t count = (size_t)layer->rows * (size_t)columns;
    layer->weights = ts_calloc(count + 1, sizeof *layer->weights);
    layer->bias = ts_calloc((size_t)layer->rows, sizeof *layer->bias);
    layer->scale = ts_calloc((size_t)layer->rows, sizeof *layer->scale);
    return layer->weights && layer->bias && layer->scale ? TESS_OK
                                                         : ts_fail_memory(err, count * sizeof *layer->weights);
}

static void dense_put(ts_dense *layer, int row, int column, int weight) {
    const size_t block = (size_t)(row / (TS_BLOCK * TS_VF)), lane = (size_t)(row % (TS_BLOCK * TS_VF));
    const size_t pair = block * (size_t)(layer->columns / 2) + (size_t)(column / 2);
    layer->weights[(pair * TS_BLOCK * TS_VF + lane) * 2 + (size_t)(column % 2)] = (int16_t)weight;
}

/* Reads weights int8 [rows][own + low] of which columns left..left + width - 1 go to `aside`, then bias int32 [rows] and,
 * if scaled, scale uint16 [rows]. What comes in is at most `own_most`, in the last `low` columns `low_most`. Errors: MODEL
 * (a row's sum could leave 32 bits), MEMORY. */
typedef struct shape {
    int rows, own, low, left, width;
    int64_t own_most, low_most;
    bool scaled;
} shape;

static tess_status dense_read(ts_dense *layer, ts_dense *aside, ts_reader *r, shape s, ts_error *err) {
    const int columns = s.own + s.low;
    tess_status status = dense_new(layer, s.rows, columns - s.width, err);
    if (!status && aside) status = dense_new(aside, s.rows, s.width, err);
    if (status) return status;
    const uint8_t *weights = ts_read_bytes(r, (size_t)s.rows * (size_t)columns);
    for (int i = 0; i < s.rows && weights; i++) {
        int64_t most = 0;
        for (int j = 0; j < columns; j++) {
            const int w = signed_byte(*weights++);
            const int past = j - s.left;
            if (past >= 0 && past < s.width) dense_put(aside, i, past, w);
            else dense_put(layer, i, past < 0 ? j : j - s.width, w);
            most += (w < 0 ? -w : w) * (j < s.own ? s.own_most : s.low_most);
        }
        const int64_t bias = layer->bias[i] = (int32_t)ts_read_u32(r);
        if (most + (bias < 0 ? -bias : bias) > INT32_MAX)
            return ts_fail(err, TESS_ERR_MODEL, "The predictor's weights could overflow a sum; it is damaged.");
    }
    for (int i = 0; i < s.rows && s.scaled; i++) layer->scale[i] = ts_read_u16(r);
    return TESS_OK;
}

static tess_status read_net(ts_predictor *p, ts_reader *r, int depths, ts_error *err) {
    const int dim = p->dim = ts_read_u8(r), hidden = ts_read_u16(r), query = ts_read_u16(r);
    bool good = true;
    for (int i = 0; i < TS_LAYERS; i++) {
        if (i == TS_HIDDEN_LEFT) continue;
        p->layers[i].shift = ts_read_u8(r);
        good &= p->layers[i].shift >= 1 && p->layers[i].shift <= 31;
    }
    ts_read_u8(r);
    good &= !r->failed && dim >= 2 && dim <= 64 && dim % 2 == 0 && hidden >= 2 && hidden <= WIDEST && hidden % 2 == 0 &&
            query >= 2 && query <= WIDEST && query % 2 == 0;
    if (!good) return ts_fail(err, TESS_ERR_MODEL, "The predictor of level %d is not one of this program.", p->level);

    const size_t count = (size_t)(p->level + 1) * (size_t)(p->size + 1) * (size_t)dim;
    const uint8_t *codes = ts_read_bytes(r, count);
    p->codes = ts_alloc(count * sizeof *p->codes);
    p->mix = ts_alloc((size_t)depths * TS_PREDICTOR_MIX * sizeof *p->mix);
    if (!p->codes || !p->mix) return ts_fail_memory(err, count);
    for (size_t i = 0; i < count && codes; i++) p->codes[i] = (int16_t)signed_byte(codes[i]);

    const shape first = {.rows = hidden,
                         .own = TS_OWN_TAPS * dim,
                         .low = p->level ? TS_LOW_TAPS * dim : 0,
                         .left = TS_ABOVE_TAPS * dim,
                         .width = TS_OWN_REACH * dim,
                         .own_most = 128,
                         .low_most = 128 * p->level,
                         .scaled = true},
                wide = {.rows = hidden, .own = hidden, .left = hidden, .own_most = ACTIVATION, .scaled = true};
    shape to_query = wide, last = {.rows = p->size, .own = query, .left = query, .own_most = ACTIVATION};
    to_query.rows = query;
    ts_dense *l = p->layers;
    tess_status status = dense_read(&l[TS_HIDDEN_AHEAD], &l[TS_HIDDEN_LEFT], r, first, err);
    if (!status) status = dense_read(&l[TS_HIDDEN_IN], NULL, r, wide, err);
    if (!status) status = dense_read(&l[TS_HIDDEN_OUT], NULL, r, wide, err);
    if (!status) status = dense_read(&l[TS_QUERY], NULL, r, to_query, err);
    if (!status) status = dense_read(&l[TS_LIKELIHOOD], NULL, r, last, err);
    if (status) return status;
    for (int i = 0; i < depths * TS_PREDICTOR_MIX; i++) p->mix[i] = (int16_t)ts_read_u16(r) * TS_PREDICTOR_MIX_UNIT;
    if (r->failed || ts_reader_left(r))
        return ts_fail(err, TESS_ERR_MODEL, "The predictor of level %d has not the bytes that its sizes ask for.",
                       p->level);
    return TESS_OK;
}

tess_status ts_predictor_new(ts_predictor **out, int level, int size, int depths, const uint8_t *bytes, size_t count,
                             ts_error *err) {
    if (size > TS_PREDICTOR_SIZE || level >= TS_ENTROPY_LEVELS)
        return ts_fail(err, TESS_ERR_MODEL, "A predictor is for at most %d codes, not %d.", TS_PREDICTOR_SIZE, size);
    ts_reader reader = ts_reader_new(bytes, count);
    if (ts_read_u8(&reader) != VERSION)
        return ts_fail(err, TESS_ERR_MODEL, "The predictor of level %d is of another version; take a newer program.",
                       level);
    ts_predictor *p = ts_calloc(1, sizeof *p);
    if (!p) return ts_fail_memory(err, sizeof *p);
    p->level = level;
    p->size = size;
    ts_context_tables_init(&p->tables);
    init_masses(p->mass);
    const tess_status status = read_net(p, &reader, depths, err);
    if (status) ts_predictor_free(p);
    else *out = p;
    return status;
}

void ts_predictor_free(ts_predictor *p) {
    if (!p) return;
    for (int i = 0; i < TS_LAYERS; i++) dense_free(&p->layers[i]);
    ts_free(p->codes);
    ts_free(p->mix);
    ts_free(p);
}

const int32_t *ts_predictor_mix(const ts_predictor *p) { return p->mix; }

/* ---- a layer -------------------------------------------------------------------------------------------------- */

/* One block of outputs for `count` inputs that lie in_step apart. */
static inline void run_block(const int16_t *w, int pairs, const int16_t *in, size_t in_step, int count,
                             const int32_t *from, int32_t *out, size_t out_step) {
    vi sum[2][TS_BLOCK];
    TS_UNROLL for (int n = 0; n < count; n++) TS_UNROLL for (int b = 0; b < TS_BLOCK; b++)
        sum[n][b] = vi_load16((const int16_t *)(const void *)(from + (size_t)b * TS_VF));
    for (int i = 0; i < pairs; i++, w += (size_t)TS_BLOCK * TS_VF * 2) TS_UNROLL for (int n = 0; n < count; n++) {
            int32_t pair;
            memcpy(&pair, in + (size_t)n * in_step + (size_t)i * 2, sizeof pair);
            const vi both = vi_set1(pair);
            TS_UNROLL for (int b = 0; b < TS_BLOCK; b++)
                sum[n][b] = vi_dot16(sum[n][b], vi_load16(w + (size_t)b * TS_VF * 2), both);
        }
    TS_UNROLL for (int n = 0; n < count; n++) TS_UNROLL for (int b = 0; b < TS_BLOCK; b++)
        vi_store(out + (size_t)n * out_step + (size_t)b * TS_VF, sum[n][b]);
}

static const int16_t *block_of(const ts_dense *layer, int row) {
    return layer->weights + (size_t)row * (size_t)layer->columns;
}

void ts_dense_run(const ts_dense *layer, const int16_t *in, const int32_t *from, int32_t *out) {
    for (int row = 0; row < layer->rows; row += TS_BLOCK * TS_VF)
        run_block(block_of(layer, row), layer->columns / 2, in, 0, 1, from + row, out + row, 0);
}

void ts_dense_run_two(const ts_dense *layer, const int16_t *in, size_t in_step, int32_t *out, size_t out_step) {
    for (int row = 0; row < layer->rows; row += TS_BLOCK * TS_VF)
        run_block(block_of(layer, row), layer->columns / 2, in, in_step, 2, layer->bias + row, out + row, out_step);
}

int32_t ts_dense_scale(const ts_dense *layer, int row, int32_t sum) {
    const int64_t x = ((int64_t)sum * layer->scale[row] + ((int64_t)1 << (layer->shift - 1))) >> layer->shift;
    return x < -ACTIVATION ? -ACTIVATION : x > ACTIVATION ? ACTIVATION : (int32_t)x;
}
