#include "graph/weights.h"

#include <stdint.h>

#include "base/alloc.h"

typedef struct panels {
    int param;
    bool back;
    ts_conv plan; /* of the first graph that asked; others agree on what packing depends on */
    float *floats;
    uint64_t version; /* of the values they were packed from; 0: never */
} panels;

struct ts_weights {
    const ts_params *params;
    const float *values;
    float *grads;
    uint64_t version;
    panels *slots;
    int count, capacity;
};

tess_status ts_weights_new(const ts_params *params, const float *values, float *grads, ts_weights **out,
                           ts_error *err) {
    ts_weights *w = ts_calloc(1, sizeof *w);
    if (!w) return ts_fail_memory(err, sizeof *w);
    *w = (ts_weights){.params = params, .values = values, .grads = grads, .version = 1};
    *out = w;
    return TESS_OK;
}

void ts_weights_free(ts_weights *weights) {
    if (!weights) return;
    for (int i = 0; i < weights->count; i++) ts_free(weights->slots[i].floats);
    ts_free(weights->slots);
    ts_free(weights);
}

void ts_weights_changed(ts_weights *weights) { weights->version++; }

void ts_weights_use(ts_weights *weights, const float *values) {
    weights->values = values;
    weights->version++;
}

const ts_params *ts_weights_params(const ts_weights *weights) { return weights->params; }

const float *ts_weights_values(const ts_weights *weights, int param) {
    return param < 0 ? NULL : weights->values + ts_params_at(weights->params, param)->offset;
}

float *ts_weights_grads(const ts_weights *weights, int param) {
    return param < 0 || !weights->grads ? NULL : weights->grads + ts_params_at(weights->params, param)->offset;
}

bool ts_weights_frozen(const ts_weights *weights) { return weights->grads == NULL; }

static bool agree(const panels *p, int param, const ts_conv *plan, bool back) {
    size_t have = back ? p->plan.panels_back : p->plan.panels, want = back ? plan->panels_back : plan->panels;
    return p->param == param && p->back == back && p->plan.algorithm == plan->algorithm && have == want &&
           p->plan.shape.stride == plan->shape.stride;
}

tess_status ts_weights_prepare(ts_weights *weights, int param, const ts_conv *plan, bool back, int *slot,
                               ts_error *err) {
    for (int i = 0; i < weights->count; i++) {
        if (agree(&weights->slots[i], param, plan, back)) {
            *slot = i;
            return TESS_OK;
        }
    }
    if (weights->count == weights->capacity) {
        int capacity = weights->capacity ? weights->capacity * 2 : 16;
        panels *slots = ts_realloc(weights->slots, (size_t)capacity * sizeof *slots);
        if (!slots) return ts_fail_memory(err, (size_t)capacity * sizeof *slots);
        weights->slots = slots;
        weights->capacity = capacity;
    }
    size_t floats = back ? plan->panels_back : plan->panels;
    float *memory = ts_alloc_floats(floats);
    if (!memory) return ts_fail_memory(err, floats * sizeof *memory);
    weights->slots[weights->count] = (panels){.param = param, .back = back, .plan = *plan, .floats = memory};
    *slot = weights->count++;
    return TESS_OK;
}

const float *ts_weights_panels(ts_weights *weights, int slot, ts_pool *pool) {
    panels *p = &weights->slots[slot];
    if (p->version != weights->version) {
        const float *values = ts_weights_values(weights, p->param);
        if (p->back) ts_conv_pack_back(&p->plan, p->floats, values, pool);
        else ts_conv_pack(&p->plan, p->floats, values, pool);
        p->version = weights->version;
    }
    return p->floats;
}

ts_filter ts_weights_filter(ts_weights *weights, int slot, ts_pool *pool) {
    const panels *p = &weights->slots[slot];
    if (p->plan.streams) return (ts_filter){.values = ts_weights_values(weights, p->param)};
    return (ts_filter){.panels = ts_weights_panels(weights, slot, pool)};
}
