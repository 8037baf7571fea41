#include "graph/weights.h"

#include <stdint.h>

#include "base/alloc.h"
#include "base/f16.h"

typedef struct panels {
    int param;
    bool back;
    ts_conv plan; /* of the first graph that asked; others agree on what packing depends on */
    float *floats;
    uint64_t version; /* of the values they were packed from; 0: never */
} panels;

struct ts_weights {
    const ts_params *params;
    ts_store store;
    float *grads;
    uint64_t version;
    panels *slots;
    int count, capacity;
    float *room; /* for one layer's values while float16 is packed; NULL when nothing waits for it */
    size_t room_floats;
};

tess_status ts_weights_new(const ts_params *params, const float *values, float *grads, ts_weights **out,
                           ts_error *err) {
    tess_status status = ts_weights_over(params, (ts_store){.values = values}, out, err);
    if (status >= 0) (*out)->grads = grads;
    return status;
}

tess_status ts_weights_over(const ts_params *params, ts_store store, ts_weights **out, ts_error *err) {
    ts_weights *w = ts_calloc(1, sizeof *w);
    if (!w) return ts_fail_memory(err, sizeof *w);
    *w = (ts_weights){.params = params, .store = store, .version = 1};
    *out = w;
    return TESS_OK;
}

void ts_weights_free(ts_weights *weights) {
    if (!weights) return;
    for (int i = 0; i < weights->count; i++) ts_free(weights->slots[i].floats);
    ts_free(weights->slots);
    ts_free(weights->room);
    ts_free(weights);
}

void ts_weights_changed(ts_weights *weights) { weights->version++; }

void ts_weights_use(ts_weights *weights, const float *values) {
    weights->store.values = values;
    weights->version++;
}

const ts_params *ts_weights_params(const ts_weights *weights) { return weights->params; }

static const uint16_t *halves_of(const ts_weights *weights, int param) {
    const ts_param *p = ts_params_at(weights->params, param);
    return weights->store.halves && p->layout == TS_PARAM_CONV ? weights->store.halves + p->split : NULL;
}

const float *ts_weights_values(const ts_weights *weights, int param) {
    if (param < 0 || halves_of(weights, param)) return NULL;
    const ts_param *p = ts_params_at(weights->params, param);
    return weights->store.values + (weights->store.halves ? p->split : p->offset);
}

const float *ts_weights_widened(const ts_weights *weights, int param, float *room) {
    const uint16_t *halves = halves_of(weights, param);
    const size_t count = ts_params_at(weights->params, param)->count;
    for (size_t i = 0; halves && i < count; i++) room[i] = ts_f32_from_f16(halves[i]);
    return halves ? room : ts_weights_values(weights, param);
}

float *ts_weights_grads(const ts_weights *weights, int param) {
    return param < 0 || !weights->grads ? NULL : weights->grads + ts_params_at(weights->params, param)->offset;
}

bool ts_weights_frozen(const ts_weights *weights) { return weights->grads == NULL; }

/* Does packing for `plan` give what this slot holds? */
static bool agree(const panels *p, int param, const ts_conv *plan, bool back) {
    const ts_conv *q = &p->plan;
    const ts_conv_shape *a = &q->shape, *b = &plan->shape;
    const bool sizes = back ? q->panels_back == plan->panels_back : q->panels == plan->panels;
    return p->param == param && p->back == back && sizes && q->algorithm == plan->algorithm && q->tile == plan->tile &&
           q->tile_back == plan->tile_back && q->streams == plan->streams && a->stride == b->stride &&
           a->upsample == b->upsample && a->unshuffle == b->unshuffle && a->shuffle == b->shuffle;
}

/* Values that are float16 are widened, one layer at a time, before they are packed: room for the largest such layer. */
static tess_status make_room(ts_weights *weights, int param, ts_error *err) {
    const size_t floats = ts_params_at(weights->params, param)->count;
    if (!halves_of(weights, param) || weights->room_floats >= floats) return TESS_OK;
    float *room = ts_alloc_floats(floats);
    if (!room) return ts_fail_memory(err, floats * sizeof *room);
    ts_free(weights->room);
    weights->room = room;
    weights->room_floats = floats;
    return TESS_OK;
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
    const bool streams = plan->streams && !back; /* the pass makes its panels itself */
    const size_t floats = streams ? 0 : back ? plan->panels_back : plan->panels;
    if (!streams) {
        tess_status status = make_room(weights, param, err);
        if (status < 0) return status;
    }
    float *memory = streams ? NULL : ts_alloc_floats(floats);
    if (!memory && !streams) return ts_fail_memory(err, floats * sizeof *memory);
    weights->slots[weights->count] = (panels){.param = param, .back = back, .plan = *plan, .floats = memory};
    *slot = weights->count++;
    return TESS_OK;
}

typedef struct widening {
    float *to;
    const uint16_t *from;
} widening;

static void widen_task(void *context, size_t begin, size_t end, int worker) {
    const widening *w = context;
    (void)worker;
    for (size_t i = begin; i < end; i++) w->to[i] = ts_f32_from_f16(w->from[i]);
}

/* The room for widening is given back once nothing waits to be packed. */
static void leave_room(ts_weights *weights) {
    for (int i = 0; i < weights->count; i++) {
        if (weights->slots[i].floats && weights->slots[i].version != weights->version) return;
    }
    ts_free(weights->room);
    weights->room = NULL;
    weights->room_floats = 0;
}

const float *ts_weights_panels(ts_weights *weights, int slot, ts_pool *pool) {
    panels *p = &weights->slots[slot];
    if (p->version == weights->version) return p->floats;
    const float *values = ts_weights_values(weights, p->param);
    if (!values) {
        widening w = {weights->room, halves_of(weights, p->param)};
        ts_parallel(pool, ts_params_at(weights->params, p->param)->count, 4096, widen_task, &w);
        values = weights->room;
    }
    if (p->back) ts_conv_pack_back(&p->plan, p->floats, values, pool);
    else ts_conv_pack(&p->plan, p->floats, values, pool);
    p->version = weights->version;
    if (weights->room) leave_room(weights);
    return p->floats;
}

ts_filter ts_weights_filter(ts_weights *weights, int slot, ts_pool *pool) {
    const panels *p = &weights->slots[slot];
    if (!p->plan.streams) return (ts_filter){.panels = ts_weights_panels(weights, slot, pool)};
    return (ts_filter){.values = ts_weights_values(weights, p->param), .halves = halves_of(weights, p->param)};
}
