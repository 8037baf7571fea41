/* feature_net.c - trunk and heads from safetensors. */
#include "engine/feature_net.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "io/safetensors.h"
#include "nets/perceptual.h"

void ts_feature_net_drop(ts_feature_net *net) {
    ts_weights_free(net->weights);
    ts_params_free(net->params);
    ts_free(net->values);
    *net = (ts_feature_net){0};
}

static int shape_in_file(void *self, const char *name, int dims[4]) {
    const ts_file_tensor *tensor = ts_safetensors_find(self, name);
    if (!tensor || tensor->rank < 1 || tensor->rank > 4) return 0;
    for (int i = 0; i < tensor->rank; i++) dims[i] = tensor->shape[i] > 65536 ? 65536 : (int)tensor->shape[i];
    return tensor->rank;
}

static bool all_finite(const float *values, size_t n) {
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(values[i])) return false;
    }
    return true;
}

static tess_status read_tensor(const ts_feature_net *net, const ts_param *p, const ts_safetensors *trunk,
                               const ts_safetensors *heads, float *room, ts_error *err) {
    bool head = strncmp(p->name, "lin", 3) == 0;
    const ts_file_tensor *tensor = head ? NULL : ts_safetensors_find(trunk, p->name);
    for (size_t i = 0; head && i < ts_safetensors_count(heads); i++) {
        const ts_file_tensor *other = ts_safetensors_at(heads, i);
        if (strstr(other->name, p->name)) tensor = other;
    }
    if (!tensor || tensor->count != p->count) {
        return ts_fail(err, TESS_ERR_MODEL, "The LPIPS file has no tensor %s of %d values.", p->name, (int)p->count);
    }
    ts_file_tensor_floats(tensor, room);
    if (!all_finite(room, p->count)) {
        return ts_fail(err, TESS_ERR_MODEL, "Tensor %s of the feature net holds a number that is not finite.", p->name);
    }
    ts_param_read(p, net->values, room);
    return TESS_OK;
}

static tess_status read_files(ts_feature_net *net, ts_safetensors *trunk, const ts_safetensors *heads, ts_error *err) {
    tess_status status = ts_params_new(&net->params, err);
    if (status >= 0) status = ts_perceptual_params(net->params, (ts_shape_source){trunk, shape_in_file}, err);
    if (status < 0) return status;
    size_t floats = ts_params_floats(net->params);
    float *room = ts_alloc_floats(floats);
    net->values = ts_calloc(floats, sizeof(float));
    if (!room || !net->values) status = ts_fail_memory(err, 2 * floats * sizeof(float));
    for (int i = 0; i < ts_params_count(net->params) && status >= 0; i++) {
        status = read_tensor(net, ts_params_at(net->params, i), trunk, heads, room, err);
    }
    ts_free(room);
    if (status >= 0) status = ts_weights_new(net->params, net->values, NULL, &net->weights, err);
    return status;
}

tess_status ts_feature_net_load(ts_feature_net *net, const void *trunk, size_t trunk_size, const void *heads,
                                size_t heads_size, ts_error *err) {
    ts_safetensors *trunk_file = NULL, *heads_file = NULL;
    ts_feature_net_drop(net);
    tess_status status = ts_safetensors_open(&trunk_file, trunk, trunk_size, err);
    if (status >= 0) status = ts_safetensors_open(&heads_file, heads, heads_size, err);
    if (status >= 0) status = read_files(net, trunk_file, heads_file, err);
    if (status < 0) ts_feature_net_drop(net);
    ts_safetensors_close(trunk_file);
    ts_safetensors_close(heads_file);
    return status;
}
