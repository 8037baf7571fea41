/* entropy_model.c - layout of a level's counters, its table, and the model that coders share. */
#include "base/alloc.h"
#include "codec/entropy_level.h"

enum {
    TABLE_VERSION = 1,
    TABLE_HEAD = 4, /* version, 0, frequent token (2 bytes) */
    WIDEST = 8,     /* bits of a context looked at, at most */
    WEIGHT_START = TS_MIXER_ONE * 3 / 10,
    WEIGHT_UNIT = 16 /* of a table: weights are 16 bits there */
};

/* ---- layout ------------------------------------------------------------------------------------------------- */

/* Bits of context c looked at beside a node of `node_bits` bits. Context 0 is the node alone. */
static int context_width(int level, int c, int node_bits) {
    int room = (level == 0 ? 12 : 11) - node_bits;
    if (c == 0 || room < 0) return 0;
    return room < WIDEST ? room : WIDEST;
}

bool ts_entropy_level_init(ts_entropy_level *layout, int level, int size) {
    if (level < 0 || level >= TS_ENTROPY_LEVELS || size < 1 || size > TS_ENTROPY_SIZE) return false;
    *layout = (ts_entropy_level){.level = level, .size = size, .flag = level > 0};
    while (1 << layout->bits < size) layout->bits++;
    layout->depths = layout->flag + layout->bits;
    for (int depth = 0; depth < layout->depths; depth++) {
        int node_bits = depth >= layout->flag ? depth - layout->flag : 0;
        for (int c = 0; c < TS_CONTEXTS - 1; c++) {
            layout->width[depth][c] = (uint8_t)context_width(level, c, node_bits);
            layout->place[depth][c] = layout->counters;
            layout->counters += 1u << (layout->width[depth][c] + node_bits);
        }
        layout->place[depth][TS_CONTEXTS - 1] = layout->counters;
        layout->counters += TS_AGREEMENTS;
    }
    return true;
}

/* ---- tables ------------------------------------------------------------------------------------------------- */

size_t ts_entropy_table_bytes(int level, int size) {
    ts_entropy_level layout;
    if (!ts_entropy_level_init(&layout, level, size)) return 0;
    return TABLE_HEAD + 2 * (size_t)layout.depths * TS_INPUTS + layout.counters;
}

void ts_entropy_pack(const ts_entropy_model *model, int level, uint8_t *table) {
    const ts_entropy_level *layout = &model->layout[level];
    *table++ = TABLE_VERSION;
    *table++ = 0;
    *table++ = (uint8_t)layout->frequent;
    *table++ = (uint8_t)(layout->frequent >> 8);
    for (int i = 0; i < layout->depths * TS_INPUTS; i++) {
        int32_t weight = model->weights[level][i] / WEIGHT_UNIT;
        weight = weight < -32768 ? -32768 : weight > 32767 ? 32767 : weight;
        *table++ = (uint8_t)weight;
        *table++ = (uint8_t)(weight >> 8);
    }
    for (uint32_t i = 0; i < layout->counters; i++) *table++ = (uint8_t)model->odds[level][i];
}

static bool unpack(ts_entropy_model *model, int level, const uint8_t *table, size_t bytes) {
    ts_entropy_level *layout = &model->layout[level];
    if (bytes != ts_entropy_table_bytes(level, layout->size) || table[0] != TABLE_VERSION || table[1] != 0)
        return false;
    layout->frequent = table[2] | (uint32_t)table[3] << 8;
    if (layout->frequent >= (uint32_t)layout->size) return false;
    table += TABLE_HEAD;
    for (int i = 0; i < layout->depths * TS_INPUTS; i++, table += 2)
        model->weights[level][i] = (int16_t)(table[0] | table[1] << 8) * WEIGHT_UNIT;
    for (uint32_t i = 0; i < layout->counters; i++) model->odds[level][i] = (int8_t)(table[i] == 128 ? 129 : table[i]);
    ts_entropy_start(model, level);
    return true;
}

void ts_entropy_start(ts_entropy_model *model, int level) {
    for (uint32_t i = 0; i < model->layout[level].counters; i++)
        model->counters[level][i] = (uint32_t)model->tables.squash[2048 + model->odds[level][i] * 16] << 16 | 1;
}

/* Without a table every counter knows nothing and every context has the same say. */
static void start_flat(ts_entropy_model *model, int level) {
    const ts_entropy_level *layout = &model->layout[level];
    for (uint32_t i = 0; i < layout->counters; i++) {
        model->odds[level][i] = 0;
        model->counters[level][i] = TS_COUNTER_START;
    }
    for (int i = 0; i < layout->depths * TS_INPUTS; i++)
        model->weights[level][i] = i % TS_INPUTS < TS_CONTEXTS ? WEIGHT_START : 0;
}

/* ---- the model ---------------------------------------------------------------------------------------------- */

static tess_status init_level(ts_entropy_model *model, int level, int size, const uint8_t *table, size_t bytes,
                              ts_error *err) {
    ts_entropy_level *layout = &model->layout[level];
    if (!ts_entropy_level_init(layout, level, size))
        return ts_fail(err, TESS_ERR_OPTION, "A codebook of %d codes cannot be coded; the limit is %d.", size,
                       TS_ENTROPY_SIZE);
    model->odds[level] = ts_alloc(layout->counters);
    model->counters[level] = ts_alloc(layout->counters * sizeof(uint32_t));
    model->weights[level] = ts_alloc((size_t)layout->depths * TS_INPUTS * sizeof(int32_t));
    if (!model->odds[level] || !model->counters[level] || !model->weights[level])
        return ts_fail_memory(err, layout->counters * sizeof(uint32_t));
    if (!table) start_flat(model, level);
    else if (!unpack(model, level, table, bytes))
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
        ts_free(model->odds[l]);
        ts_free(model->counters[l]);
        ts_free(model->weights[l]);
        ts_predictor_free(model->predictors[l]);
    }
    ts_free(model);
}

tess_status ts_entropy_model_add(ts_entropy_model *model, int level, const uint8_t *bytes, size_t size, ts_error *err) {
    if (level < 0 || level >= model->levels)
        return ts_fail(err, TESS_ERR_OPTION, "There is no level %d to predict.", level);
    const ts_entropy_level *layout = &model->layout[level];
    for (int l = 0; l < level; l++)
        if (model->layout[l].size != layout->size)
            return ts_fail(err, TESS_ERR_OPTION, "Predictors are for levels of equal sizes; %d has %d codes and %d %d.",
                           l, model->layout[l].size, level, layout->size);
    ts_predictor_free(model->predictors[level]);
    model->predictors[level] = NULL;
    return ts_predictor_new(&model->predictors[level], level, layout->size, layout->depths, bytes, size, err);
}

int ts_entropy_model_levels(const ts_entropy_model *model) { return model->levels; }

int ts_entropy_model_size(const ts_entropy_model *model, int level) {
    return level >= 0 && level < model->levels ? model->layout[level].size : 0;
}
