/* entropy_context.c - under which contexts a token is coded. */
#include "codec/entropy_level.h"

/* A token of a level, high-aligned to 16 bits. */
static uint16_t token_at(const ts_entropy_model *model, const ts_token_view *view, int level, int y, int x) {
    uint32_t token = view->tokens[(size_t)level * view->level_stride + (size_t)y * view->row_stride + (size_t)x];
    return (uint16_t)(token << (16 - model->layout[level].bits));
}

/* Whether a token is its level's frequent one; outside the view it is not. */
static uint16_t is_frequent(const ts_entropy_model *model, const ts_token_view *view, int level, int y, int x) {
    if (y < 0 || x < 0 || y >= view->height || x >= view->width) return 0;
    size_t place = (size_t)level * view->level_stride + (size_t)y * view->row_stride + (size_t)x;
    return view->tokens[place] == model->layout[level].frequent;
}

/* The high 8 bits of a and of b in turn, high first: an index of 16 bits into a plane. */
static uint16_t interleave(uint32_t a, uint32_t b) {
    uint32_t x = (a >> 8) << 16 | b >> 8;
    x = (x | x << 4) & 0x0f0f0f0f;
    x = (x | x << 2) & 0x33333333;
    x = (x | x << 1) & 0x55555555;
    return (uint16_t)(x >> 15 | x);
}

/* Left, above, above left, above right, two to the left; outside the view the nearest of them, or 0 where there is
 * none. */
static void look_near(const ts_entropy_model *model, int level, const ts_token_view *view, int y, int x,
                      uint16_t near[TS_NEAR]) {
    uint16_t w = x > 0 ? token_at(model, view, level, y, x - 1) : 0;
    uint16_t n = y > 0 ? token_at(model, view, level, y - 1, x) : w;
    if (x == 0) w = n;
    near[0] = w;
    near[1] = n;
    near[2] = x > 0 && y > 0 ? token_at(model, view, level, y - 1, x - 1) : n;
    near[3] = x + 1 < view->width && y > 0 ? token_at(model, view, level, y - 1, x + 1) : n;
    near[4] = x > 1 ? token_at(model, view, level, y, x - 2) : w;
}

/* The flag's contexts: which tokens around are frequent ones, at this level and at the one below, and the lower
 * levels. */
static void look_flag(const ts_entropy_model *model, int level, const ts_token_view *view, int y, int x,
                      ts_token_contexts *out) {
    static const int8_t places[6][2] = {{0, -1}, {-1, 0}, {-1, -1}, {-1, 1}, {0, -2}, {-2, 0}};
    uint32_t around = 0, below = 0;
    for (int i = 0; i < 6; i++)
        around |= (uint32_t)is_frequent(model, view, level, y + places[i][0], x + places[i][1]) << (15 - i);
    for (int i = 0; i < 5 && level > 1; i++) {
        static const int8_t cross[5][2] = {{0, 0}, {0, 1}, {1, 0}, {0, -1}, {-1, 0}};
        below |= (uint32_t)is_frequent(model, view, level - 1, y + cross[i][0], x + cross[i][1]) << i;
    }
    uint16_t *value = out->value[0], under = token_at(model, view, level - 1, y, x),
             base = token_at(model, view, 0, y, x);
    value[0] = 0;
    value[1] = (uint16_t)around;
    value[2] = (uint16_t)((around & 0xc000) | under >> 2);
    value[3] = base;
    value[4] = (uint16_t)((around & 0xf000) | (below & 1) << 11 | base >> 5);
    out->below = below;
}

void ts_entropy_contexts(const ts_entropy_model *model, int level, const ts_token_view *view, int y, int x,
                         ts_token_contexts *out) {
    look_near(model, level, view, y, x, out->near);
    uint16_t *value = out->value[1];
    const uint16_t *near = out->near;
    value[0] = 0;
    value[1] = near[0];
    value[2] = near[1];
    value[3] = interleave(near[1], near[0]);
    value[4] = level == 0 ? interleave(near[3], near[2]) : token_at(model, view, level - 1, y, x);
    if (level > 0) look_flag(model, level, view, y, x, out);
}

/* For each token around, in base 3: 0 it does not start with the node, 1 or 2 it does and goes on with a 0 or a 1. */
static uint32_t agreement(const uint16_t near[TS_NEAR], int node_bits, uint32_t node) {
    uint32_t state = 0;
    for (int i = 0; i < TS_NEAR; i++) {
        uint32_t prefix = (uint32_t)near[i] << 1 >> (16 - node_bits);
        state = state * 3 + (prefix >> 1 == node ? 1 + (prefix & 1) : 0);
    }
    return state;
}

void ts_entropy_counters(const ts_entropy_level *layout, const ts_token_contexts *contexts, int depth, uint32_t node,
                         uint32_t counters[TS_CONTEXTS]) {
    const uint32_t *place = layout->place[depth];
    const uint8_t *width = layout->width[depth];
    int is_bit = depth >= layout->flag, node_bits = is_bit ? depth - layout->flag : 0, last = TS_CONTEXTS - 1;
    for (int c = 0; c < last; c++)
        counters[c] = place[c] + ((uint32_t)contexts->value[is_bit][c] >> (16 - width[c]) << node_bits) + node;
    counters[last] = place[last] + (is_bit ? agreement(contexts->near, node_bits, node) : contexts->below);
}
