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

static int round_up(int n, int step) { return (n + step - 1) / step * step; }

static void dense_free(ts_dense *layer) {
    ts_free(layer->weights);
    ts_free(layer->bias);
    ts_free(layer->scale);
}

/* Where the weight of (row, column) lies. */
static size_t place_of(const ts_dense *layer, int row, int column) {
    return ((size_t)(row / TS_VF) * (size_t)(layer->columns / 2) + (size_t)(column / 2)) * 2 * TS_VF +
           (size_t)(row % TS_VF) * 2 + (size_t)(column % 2);
}

/* What comes into a layer: columns of two kinds, and their largest magnitudes. */
typedef struct inputs {
    int own, low;
    int64_t own_most, low_most;
} inputs;

/* Reads weights int8 [rows][columns], bias int32 [rows] and, if scaled, scale uint16 [rows]. Errors: MODEL (a row's sum
 * could leave 32 bits), MEMORY. */
static tess_status dense_read(ts_dense *layer, ts_reader *r, int rows, inputs in, bool scaled, ts_error *err) {
    const int columns = in.own + in.low;
    layer->rows = round_up(rows, TS_VF);
    layer->columns = columns;
    layer->weights = ts_calloc((size_t)layer->rows * (size_t)columns, sizeof *layer->weights);
    layer->bias = ts_calloc((size_t)layer->rows, sizeof *layer->bias);
    if (scaled) layer->scale = ts_calloc((size_t)layer->rows, sizeof *layer->scale);
    const uint8_t *weights = ts_read_bytes(r, (size_t)rows * (size_t)columns);
    if (!layer->weights || !layer->bias || (scaled && !layer->scale))
        return ts_fail_memory(err, (size_t)layer->rows * (size_t)columns * sizeof *layer->weights);
    for (int i = 0; i < rows && weights; i++) {
        int64_t most = 0;
        for (int j = 0; j < columns; j++) {
            const int8_t w = (int8_t)*weights++;
            layer->weights[place_of(layer, i, j)] = w;
            most += (w < 0 ? -w : w) * (j < in.own ? in.own_most : in.low_most);
        }
        const int64_t bias = layer->bias[i] = (int32_t)ts_read_u32(r);
        if (most + (bias < 0 ? -bias : bias) > INT32_MAX)
            return ts_fail(err, TESS_ERR_MODEL, "The predictor's weights could overflow a sum; it is damaged.");
    }
    for (int i = 0; i < rows && scaled; i++) layer->scale[i] = ts_read_u16(r);
    return TESS_OK;
}

static tess_status read_net(ts_predictor *p, ts_reader *r, int depths, ts_error *err) {
    const int dim = p->dim = ts_read_u8(r), hidden = ts_read_u16(r), query = ts_read_u16(r);
    for (int i = 0; i < TS_LAYERS; i++) p->layers[i].shift = ts_read_u8(r);
    ts_read_u8(r);
    bool good = !r->failed && dim >= 2 && dim <= 64 && dim % 2 == 0 && hidden >= 2 && hidden <= WIDEST &&
                hidden % 2 == 0 && query >= 2 && query <= WIDEST && query % 2 == 0;
    for (int i = 0; i < TS_LAYERS; i++) good &= p->layers[i].shift >= 1 && p->layers[i].shift <= 31;
    if (!good) return ts_fail(err, TESS_ERR_MODEL, "The predictor of level %d is not one of this program.", p->level);

    const size_t count = (size_t)(p->level + 1) * (size_t)(p->size + 1) * (size_t)dim;
    const uint8_t *codes = ts_read_bytes(r, count);
    p->codes = ts_alloc(count);
    p->mix = ts_alloc((size_t)depths * TS_PREDICTOR_MIX * sizeof *p->mix);
    if (!p->codes || !p->mix) return ts_fail_memory(err, count);
    for (size_t i = 0; i < count && codes; i++) p->codes[i] = (int8_t)codes[i];

    const inputs window = {TS_OWN_TAPS * dim, p->level ? TS_LOW_TAPS * dim : 0, 128, 128 * p->level},
                 wide = {hidden, 0, ACTIVATION, 0}, narrow = {query, 0, ACTIVATION, 0};
    ts_dense *l = p->layers;
    tess_status status = dense_read(&l[TS_HIDDEN_FIRST], r, hidden, window, true, err);
    if (!status) status = dense_read(&l[TS_HIDDEN_IN], r, hidden, wide, true, err);
    if (!status) status = dense_read(&l[TS_HIDDEN_OUT], r, hidden, wide, true, err);
    if (!status) status = dense_read(&l[TS_QUERY], r, query, wide, true, err);
    if (!status) status = dense_read(&l[TS_LIKELIHOOD], r, p->size, narrow, false, err);
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

void ts_dense_run(const ts_dense *layer, const int16_t *in, int32_t *out) {
    const int pairs = layer->columns / 2;
    const int16_t *w = layer->weights;
    for (int row = 0; row < layer->rows; row += TS_VF) {
        vi even = vi_set1(0), odd = vi_set1(0);
        for (int i = 0; i < pairs; i++, w += (size_t)2 * TS_VF) {
            int32_t pair;
            memcpy(&pair, in + (size_t)i * 2, sizeof pair);
            if (i % 2) odd = vi_dot16(odd, vi_load16(w), vi_set1(pair));
            else even = vi_dot16(even, vi_load16(w), vi_set1(pair));
        }
        int32_t sums[TS_VF];
        vi_store(sums, vi_add(even, odd));
        for (int i = 0; i < TS_VF; i++) out[row + i] = (int32_t)((uint32_t)sums[i] + (uint32_t)layer->bias[row + i]);
    }
}

int32_t ts_dense_scale(const ts_dense *layer, int row, int32_t sum) {
    const int64_t x = ((int64_t)sum * layer->scale[row] + ((int64_t)1 << (layer->shift - 1))) >> layer->shift;
    return x < -ACTIVATION ? -ACTIVATION : x > ACTIVATION ? ACTIVATION : (int32_t)x;
}
