#include "base/alloc.h"
#include "codec/entropy_level.h"

#include <string.h>

#ifndef T_BITS
#define T_BITS 12
#endif
#ifndef W_BITS
#define W_BITS 8
#endif
enum {
    TABLE_VERSION = 1,
    TABLE_HEAD = 4,        /* version, 0, frequent token (2 bytes) */
    CONTEXT_BITS = T_BITS, /* a context takes at most 2^12 counters per depth, beyond what the nodes need */
    WIDEST = W_BITS,       /* bits of a context looked at, at most */
    WEIGHT_START = (int)(TS_MIXER_ONE * 0.3)
};

/* Bits that a counter has seen, as 4 bits of a table say. */
static const uint16_t seen[16] = {0, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 255};

/* ---- layout ------------------------------------------------------------------------------------------------- */

bool ts_entropy_level_init(ts_entropy_level *layout, int level, int size) {
    if (level < 0 || level >= TS_ENTROPY_LEVELS || size < 1 || size > TS_ENTROPY_SIZE) return false;
    *layout = (ts_entropy_level){.level = level, .size = size, .flag = level > 0};
    while (1 << layout->bits < size) layout->bits++;
    layout->depths = layout->flag + layout->bits;
    for (int depth = 0; depth < layout->depths; depth++) {
        int node_bits = depth >= layout->flag ? depth - layout->flag : 0;
        for (int c = 0; c < TS_CONTEXTS; c++) {
            int width = c == 0 ? 0 : CONTEXT_BITS - node_bits;
            if (width > WIDEST) width = WIDEST;
            if (width < 0) width = 0;
            layout->width[depth][c] = (uint8_t)width;
            layout->place[depth][c] = layout->counters;
            layout->counters += 1u << (width + node_bits);
        }
    }
    return true;
}

/* ---- contexts ----------------------------------------------------------------------------------------------- */

/* Bits of a and b in turn, high first: the high 8 of each. */
static uint16_t interleave(uint32_t a, uint32_t b) {
    uint32_t x = (a >> 8 & 0xff) << 16 | (b >> 8 & 0xff);
    x = (x | x << 4) & 0x0f0f0f0f;
    x = (x | x << 2) & 0x33333333;
    x = (x | x << 1) & 0x55555555;
    return (uint16_t)(x >> 15 | x);
}

/* The token at (y, x) of a level, its index high-aligned to 16 bits; outside the view, the nearest place that is known. */
static uint32_t token_at(const ts_token_view *view, const uint8_t *bits, int level, int y, int x) {
    return (uint32_t)view->tokens[(size_t)level * view->level_stride + (size_t)y * view->row_stride + (size_t)x]
           << (16 - bits[level]);
}

void ts_entropy_contexts(const ts_entropy_level *layout, const uint8_t *bits, const ts_token_view *view, int y, int x,
                         ts_token_contexts *out) {
    int l = layout->level, last = view->width - 1;
    uint32_t w = 0, n = 0, nw = 0, ne = 0, ww = 0, nn = 0;
    if (x > 0) w = token_at(view, bits, l, y, x - 1);
    if (y > 0) n = token_at(view, bits, l, y - 1, x);
    if (x == 0) w = n;
    if (y == 0) n = w;
    nw = x > 0 && y > 0 ? token_at(view, bits, l, y - 1, x - 1) : n;
    ne = x < last && y > 0 ? token_at(view, bits, l, y - 1, x + 1) : n;
    ww = x > 1 ? token_at(view, bits, l, y, x - 2) : w;
    nn = y > 1 ? token_at(view, bits, l, y - 2, x) : n;
    memset(out, 0, sizeof *out);
    uint16_t *v = out->value[1];
    if (l == 0) {
        v[1] = (uint16_t)w;
        v[2] = (uint16_t)n;
        v[3] = interleave(n, w);
        v[4] = interleave(ne, nw);
        v[5] = interleave(ww, nn);
        return;
    }
    uint32_t p = token_at(view, bits, l - 1, y, x), q = token_at(view, bits, 0, y, x);
    v[1] = (uint16_t)w;
    v[2] = (uint16_t)n;
    v[3] = interleave(n, w);
    v[4] = (uint16_t)p;
    v[5] = l > 1 ? (uint16_t)q : interleave(ne, nw);
    uint32_t f = layout->frequent << (16 - bits[l]);
    uint16_t near = (uint16_t)((w == f) << 15 | (n == f) << 14 | (nw == f) << 13 | (ne == f) << 12 | (ww == f) << 11 |
                               (nn == f) << 10);
    v = out->value[0];
    v[1] = near;
    v[2] = (uint16_t)(near & 0xc000) | (uint16_t)(p >> 2);
    v[3] = (uint16_t)q;
    v[4] = interleave(p, q);
    v[5] = (uint16_t)p;
}

/* ---- tables ------------------------------------------------------------------------------------------------- */

size_t ts_entropy_table_bytes(int level, int size) {
    ts_entropy_level layout;
    if (!ts_entropy_level_init(&layout, level, size)) return 0;
    return TABLE_HEAD + 2 * ((size_t)layout.depths * TS_INPUTS + layout.counters);
}

static uint8_t *put16(uint8_t *place, uint32_t value) {
    place[0] = (uint8_t)value;
    place[1] = (uint8_t)(value >> 8);
    return place + 2;
}

static uint32_t get16(const uint8_t **place) {
    uint32_t value = (*place)[0] | (uint32_t)(*place)[1] << 8;
    *place += 2;
    return value;
}

void ts_entropy_pack(const ts_entropy_level *layout, const uint32_t *counters, const int32_t *weights, uint8_t *table) {
    *table++ = TABLE_VERSION;
    *table++ = 0;
    table = put16(table, layout->frequent);
    for (int i = 0; i < layout->depths * TS_INPUTS; i++) {
        int32_t w = weights[i] >> 4;
        table = put16(table, (uint32_t)(w < -32768 ? -32768 : w > 32767 ? 32767 : w) & 0xffff);
    }
    for (uint32_t i = 0; i < layout->counters; i++) {
        uint32_t n = 0;
        while (n < 15 && seen[n + 1] <= (counters[i] & 1023)) n++;
        table = put16(table, counters[i] >> 20 << 4 | n);
    }
}

bool ts_entropy_unpack(ts_entropy_level *layout, uint32_t *counters, int32_t *weights, const uint8_t *table,
                       size_t bytes) {
    if (bytes != ts_entropy_table_bytes(layout->level, layout->size) || table[0] != TABLE_VERSION || table[1] != 0)
        return false;
    table += 2;
    layout->frequent = get16(&table);
    if (layout->frequent >= (uint32_t)layout->size) return false;
    for (int i = 0; i < layout->depths * TS_INPUTS; i++) weights[i] = (int16_t)get16(&table) * 16;
    for (uint32_t i = 0; i < layout->counters; i++) {
        uint32_t value = get16(&table);
        counters[i] = value >> 4 << 20 | 1u << 19 | seen[value & 15];
    }
    return true;
}

/* Without a table every counter knows nothing and every context has the same say. */
static void start_flat(const ts_entropy_level *layout, uint32_t *counters, int32_t *weights) {
    for (uint32_t i = 0; i < layout->counters; i++) counters[i] = TS_COUNTER_START;
    for (int i = 0; i < layout->depths * TS_INPUTS; i++) weights[i] = i % TS_INPUTS < TS_CONTEXTS ? WEIGHT_START : 0;
}

/* ---- the model ---------------------------------------------------------------------------------------------- */

static tess_status init_level(ts_entropy_model *model, int level, int size, const uint8_t *table, size_t bytes,
                              ts_error *err) {
    ts_entropy_level *layout = &model->layout[level];
    if (!ts_entropy_level_init(layout, level, size))
        return ts_fail(err, TESS_ERR_OPTION, "A codebook of %d codes cannot be coded; the limit is %d.", size,
                       TS_ENTROPY_SIZE);
    model->bits[level] = (uint8_t)layout->bits;
    model->counters[level] = ts_alloc(layout->counters * sizeof(uint32_t));
    model->weights[level] = ts_alloc((size_t)layout->depths * TS_INPUTS * sizeof(int32_t));
    if (!model->counters[level] || !model->weights[level])
        return ts_fail_memory(err, layout->counters * sizeof(uint32_t));
    if (!table) start_flat(layout, model->counters[level], model->weights[level]);
    else if (!ts_entropy_unpack(layout, model->counters[level], model->weights[level], table, bytes))
        return ts_fail(err, TESS_ERR_MODEL,
                       "The model's entropy table of level %d does not fit this program: fit it anew.", level);
    return TESS_OK;
}

tess_status ts_entropy_model_new(ts_entropy_model **out, int levels, const int *sizes, const uint8_t *const *tables,
                                 const size_t *table_bytes, ts_error *err) {
    if (levels < 1 || levels > TS_ENTROPY_LEVELS)
        return ts_fail(err, TESS_ERR_OPTION, "%d levels cannot be coded; the limit is %d.", levels, TS_ENTROPY_LEVELS);
    ts_entropy_model *model = ts_calloc(1, sizeof *model);
    if (!model) return ts_fail_memory(err, sizeof *model);
    model->levels = levels;
    ts_context_tables_init(&model->tables);
    tess_status status = TESS_OK;
    for (int l = 0; l < levels && status == TESS_OK; l++)
        status = init_level(model, l, sizes[l], tables ? tables[l] : NULL, tables && tables[l] ? table_bytes[l] : 0,
                            err);
    if (status < 0) ts_entropy_model_free(model);
    else *out = model;
    return status;
}

void ts_entropy_model_free(ts_entropy_model *model) {
    if (!model) return;
    for (int l = 0; l < model->levels; l++) {
        ts_free(model->counters[l]);
        ts_free(model->weights[l]);
    }
    ts_free(model);
}

int ts_entropy_model_levels(const ts_entropy_model *model) { return model->levels; }

int ts_entropy_model_size(const ts_entropy_model *model, int level) {
    return level >= 0 && level < model->levels ? model->layout[level].size : 0;
}
