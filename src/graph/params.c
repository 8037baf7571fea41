#include "graph/params.h"

#include <string.h>

#include "base/alloc.h"
#include "base/f16.h"
#include "base/size.h"

#define ALIGN_FLOATS 16

struct ts_params {
    ts_param *list;
    int count, capacity;
    size_t floats, total;
    size_t split[2]; /* by layout */
};

tess_status ts_params_new(ts_params **out, ts_error *err) {
    ts_params *p = ts_calloc(1, sizeof *p);
    if (!p) return ts_fail_memory(err, sizeof *p);
    *out = p;
    return TESS_OK;
}

void ts_params_free(ts_params *params) {
    if (!params) return;
    ts_free(params->list);
    ts_free(params);
}

static bool same_shape(const ts_param *p, ts_param_layout layout, int rank, const int *dims) {
    return p->layout == layout && p->rank == rank && memcmp(p->dims, dims, (size_t)rank * sizeof *dims) == 0;
}

static tess_status grow(ts_params *params, ts_error *err) {
    int capacity = params->capacity ? params->capacity * 2 : 32;
    ts_param *list = ts_realloc(params->list, (size_t)capacity * sizeof *list);
    if (!list) return ts_fail_memory(err, (size_t)capacity * sizeof *list);
    params->list = list;
    params->capacity = capacity;
    return TESS_OK;
}

tess_status ts_params_add(ts_params *params, const char *name, ts_param_layout layout, int rank, const int *dims,
                          ts_error *err) {
    int found = ts_params_find(params, name);
    bool over = false;
    size_t count = 1;
    if (found >= 0) {
        if (same_shape(&params->list[found], layout, rank, dims)) return TESS_OK;
        return ts_fail(err, TESS_ERR_INPUT, "Parameter %s is declared twice with different shapes.", name);
    }
    if (strlen(name) >= TS_PARAM_NAME) {
        return ts_fail(err, TESS_ERR_INPUT, "Parameter name %s is over %d bytes.", name, TS_PARAM_NAME - 1);
    }
    for (int i = 0; i < rank; i++) count = ts_mul(count, (size_t)dims[i], &over);
    const size_t room = ts_round_up(count, ALIGN_FLOATS, &over), end = ts_add(params->floats, room, &over);
    if (over || end > SIZE_MAX / sizeof(float)) {
        return ts_fail(err, TESS_ERR_TOO_LARGE, "Parameter %s makes the net too large.", name);
    }
    if (params->count == params->capacity) {
        tess_status status = grow(params, err);
        if (status < 0) return status;
    }
    ts_param *p = &params->list[params->count++];
    *p = (ts_param){
        .layout = layout, .rank = rank, .offset = params->floats, .split = params->split[layout], .count = count};
    memcpy(p->name, name, strlen(name) + 1);
    memcpy(p->dims, dims, (size_t)rank * sizeof *dims);
    for (int i = rank; i < 4; i++) p->dims[i] = 1;
    params->floats = end;
    params->split[layout] += room;
    params->total += count;
    return TESS_OK;
}

int ts_params_find(const ts_params *params, const char *name) {
    for (int i = 0; i < params->count; i++) {
        if (strcmp(params->list[i].name, name) == 0) return i;
    }
    return -1;
}

int ts_params_count(const ts_params *params) { return params->count; }

const ts_param *ts_params_at(const ts_params *params, int index) { return &params->list[index]; }

size_t ts_params_floats(const ts_params *params) { return params->floats; }

size_t ts_params_total(const ts_params *params) { return params->total; }

size_t ts_params_largest(const ts_params *params) {
    size_t most = 0;
    for (int i = 0; i < params->count; i++) {
        if (params->list[i].count > most) most = params->list[i].count;
    }
    return most;
}

size_t ts_params_split(const ts_params *params, ts_param_layout layout) { return params->split[layout]; }

/* Runs over the elements of a conv weight with their places in both orders: file [a][b][t], memory [t][b][a], t over
 * the taps. */
#define FOR_EACH_TAP(p, m, f)                                                                                          \
    for (size_t a = 0, as = (size_t)(p)->dims[0]; a < as; a++)                                                         \
        for (size_t b = 0, bs = (size_t)(p)->dims[1]; b < bs; b++)                                                     \
            for (size_t t = 0, ts = (size_t)(p)->dims[2] * (size_t)(p)->dims[3], m = b * as + a,                       \
                        f = (a * bs + b) * ts;                                                                         \
                 t < ts; t++, f++, m += as * bs)

void ts_param_read(const ts_param *param, float *store, const float *file) {
    float *memory = store + param->offset;
    if (param->layout == TS_PARAM_PLAIN) memcpy(memory, file, param->count * sizeof *file);
    else FOR_EACH_TAP(param, m, f) memory[m] = file[f];
}

void ts_param_write(const ts_param *param, const float *store, float *file) {
    const float *memory = store + param->offset;
    if (param->layout == TS_PARAM_PLAIN) memcpy(file, memory, param->count * sizeof *file);
    else FOR_EACH_TAP(param, m, f) file[f] = memory[m];
}

void ts_param_read_split(const ts_param *param, float *values, uint16_t *halves, const float *file) {
    if (param->layout == TS_PARAM_PLAIN) memcpy(values + param->split, file, param->count * sizeof *file);
    else FOR_EACH_TAP(param, m, f) halves[param->split + m] = ts_f16_from_f32(file[f]);
}

void ts_param_write_store(const ts_param *param, ts_store store, float *file) {
    const size_t at = param->split;
    if (!store.halves) ts_param_write(param, store.values, file);
    else if (param->layout == TS_PARAM_PLAIN) memcpy(file, store.values + at, param->count * sizeof *file);
    else FOR_EACH_TAP(param, m, f) file[f] = ts_f32_from_f16(store.halves[at + m]);
}
