#include "nets/prior.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/cosine.h"

#define DEVIATION                                                                                                      \
    0.02f         /* of start values (GPT-2, Radford et al. 2019, whose scaling of residual branches this is too) */
#define EPS 1e-5f /* of the norms, as nn.LayerNorm's */

/* "prior.part.kind", or with layer >= 0 "prior.layer.part.kind". */
static void parameter_name(char name[TS_PARAM_NAME], int layer, const char *part, const char *kind) {
    if (layer < 0) snprintf(name, TS_PARAM_NAME, "prior.%s.%s", part, kind);
    else snprintf(name, TS_PARAM_NAME, "prior.%d.%s.%s", layer, part, kind);
}

/* ---- parameters ------------------------------------------------------------------------------------------------ */

typedef struct declaration {
    ts_params *params;
    ts_error *err;
    tess_status status; /* sticky */
} declaration;

static void declare(declaration *d, int layer, const char *part, const char *kind, ts_param_layout layout, int rank,
                    const int *dims) {
    char name[TS_PARAM_NAME];
    parameter_name(name, layer, part, kind);
    if (d->status >= 0) d->status = ts_params_add(d->params, name, layout, rank, dims, d->err);
}

static void declare_table(declaration *d, const char *part, const char *kind, int rows, int channels) {
    declare(d, -1, part, kind, TS_PARAM_PLAIN, 2, (int[]){rows, channels});
}

static void declare_norm(declaration *d, int layer, const char *part, int channels) {
    declare(d, layer, part, "weight", TS_PARAM_PLAIN, 1, &channels);
    declare(d, layer, part, "bias", TS_PARAM_PLAIN, 1, &channels);
}

static void declare_linear(declaration *d, int layer, const char *part, int out, int in) {
    declare(d, layer, part, "weight", TS_PARAM_CONV, 2, (int[]){out, in});
    declare(d, layer, part, "bias", TS_PARAM_PLAIN, 1, &out);
}

tess_status ts_prior_params(const ts_prior_config *c, int codes, ts_params *params, ts_error *err) {
    declaration d = {params, err, TESS_OK};
    const int width = c->width;
    declare_table(&d, "token", "weight", codes + 1, width);
    declare_table(&d, "place", "weight", c->rows * c->columns, width);
    if (c->words) {
        declare_table(&d, "text", "weight", c->buckets, width);
        declare_table(&d, "text", "place", c->words, width);
        declare_table(&d, "text", "none", c->words, width);
    }
    if (c->classes) declare_table(&d, "class", "weight", c->classes + 1, width);
    for (int i = 0; i < c->layers; i++) {
        declare_norm(&d, i, "norm1", width);
        declare_linear(&d, i, "qkv", 3 * width, width);
        declare_linear(&d, i, "proj", width, width);
        declare_norm(&d, i, "norm2", width);
        declare_linear(&d, i, "up", c->hidden, width);
        declare_linear(&d, i, "down", width, c->hidden);
    }
    declare_norm(&d, -1, "norm", width);
    declare_linear(&d, -1, "head", codes, width);
    return d.status;
}

void ts_prior_init(const ts_prior_config *c, const ts_params *params, float *values, ts_rng *rng) {
    const float branch = DEVIATION / sqrtf(2 * (float)c->layers);
    for (int i = 0; i < ts_params_count(params); i++) {
        const ts_param *p = ts_params_at(params, i);
        const bool closing = strstr(p->name, ".proj.") || strstr(p->name, ".down.");
        float *v = values + p->offset;
        if (p->rank > 1) ts_rng_fill_normal(rng, v, p->count, closing ? branch : DEVIATION);
        for (size_t k = 0; p->rank == 1 && strstr(p->name, ".weight") && k < p->count; k++) v[k] = 1; /* a norm's */
    }
}

/* ---- graph ------------------------------------------------------------------------------------------------------- */

typedef struct builder {
    ts_graph *g;
    const ts_prior_config *c;
    ts_weights *weights;
} builder;

static int find(const builder *b, int layer, const char *part, const char *kind) {
    char name[TS_PARAM_NAME];
    parameter_name(name, layer, part, kind);
    return ts_params_find(ts_weights_params(b->weights), name);
}

static ts_tensor linear(const builder *b, ts_tensor x, int layer, const char *part) {
    return ts_graph_conv2d(b->g, x, b->weights, find(b, layer, part, "weight"), find(b, layer, part, "bias"), 1, 0);
}

static ts_tensor norm(const builder *b, ts_tensor x, int layer, const char *part) {
    return ts_graph_layer_norm(b->g, x, b->weights, find(b, layer, part, "weight"), find(b, layer, part, "bias"), EPS);
}

/* x + branch, with the branch's dropout. */
static ts_tensor join_branch(const builder *b, ts_tensor x, ts_tensor branch) {
    if (b->c->dropout > 0) branch = ts_graph_dropout(b->g, branch, b->c->dropout);
    return ts_graph_add(b->g, x, branch);
}

static ts_tensor layer(const builder *b, ts_tensor x, int i) {
    const int width = b->c->width, heads = b->c->heads;
    ts_tensor qkv = linear(b, norm(b, x, i, "norm1"), i, "qkv"), part[3];
    for (int k = 0; k < 3; k++) part[k] = ts_graph_slice(b->g, qkv, k * width, width);
    const float scale = 1 / sqrtf((float)width / (float)heads);
    ts_tensor seen = ts_graph_attention(b->g, part[0], part[1], part[2], heads, scale);
    x = join_branch(b, x, linear(b, seen, i, "proj"));
    ts_tensor wide = ts_graph_gelu(b->g, linear(b, norm(b, x, i, "norm2"), i, "up"));
    return join_branch(b, x, linear(b, wide, i, "down"));
}

static ts_tensor embed(const builder *b, ts_tensor ids, const char *part, const char *kind, int rows, bool mean) {
    return ts_graph_embed(b->g, ids, b->weights, find(b, -1, part, kind), rows, b->c->width, mean);
}

/* With a text each place reads its words and text.place, without one text.none alone: ids of -1 add nothing. */
static ts_tensor text(const builder *b, ts_prior *p, int n) {
    const int words = b->c->words;
    p->features = ts_graph_input(b->g, (ts_shape){n, 1, words, TS_TEXT_FEATURES}, false);
    p->place = ts_graph_input(b->g, (ts_shape){n, 1, words, 1}, false);
    p->none = ts_graph_input(b->g, (ts_shape){n, 1, words, 1}, false);
    ts_tensor x = embed(b, p->features, "text", "weight", b->c->buckets, true);
    x = ts_graph_add(b->g, x, embed(b, p->place, "text", "place", words, false));
    return ts_graph_add(b->g, x, embed(b, p->none, "text", "none", words, false));
}

ts_prior ts_prior_build(ts_graph *g, const ts_prior_config *c, int codes, ts_weights *weights, int n) {
    const builder b = {g, c, weights};
    ts_prior p = {c, TS_NONE, TS_NONE, TS_NONE, TS_NONE, TS_NONE, TS_NONE};
    int places = 0;
    ts_tensor condition = TS_NONE;
    if (c->words) {
        condition = text(&b, &p, n);
        places = c->words;
    } else if (c->classes) {
        p.label = ts_graph_input(g, (ts_shape){n, 1, 1, 1}, false);
        condition = embed(&b, p.label, "class", "weight", c->classes + 1, false);
        places = 1;
    }
    p.tokens = ts_graph_input(g, (ts_shape){n, c->rows, c->columns, 1}, false);
    ts_tensor x = embed(&b, p.tokens, "token", "weight", codes + 1, false);
    x = ts_graph_places(g, x, weights, find(&b, -1, "place", "weight"));
    if (places) x = ts_graph_join(g, condition, x);
    for (int i = 0; i < c->layers; i++) x = layer(&b, x, i);
    if (places) x = ts_graph_part(g, x, places, c->rows, c->columns);
    p.logits = linear(&b, norm(&b, x, -1, "norm"), -1, "head");
    return p;
}

/* ---- condition --------------------------------------------------------------------------------------------------- */

bool ts_condition_given(const ts_prior_config *config, ts_condition condition) {
    return config->words ? condition.rows && condition.rows[0] >= 0 : config->classes && condition.label >= 0;
}

void ts_prior_condition(const ts_prior *p, ts_graph *g, int i, ts_condition condition) {
    const bool given = ts_condition_given(p->config, condition);
    if (p->label != TS_NONE) ts_graph_data(g, p->label)[i] = (float)(given ? condition.label : p->config->classes);
    if (p->features == TS_NONE) return;
    const size_t words = (size_t)p->config->words, first = (size_t)i * words;
    float *features = ts_graph_data(g, p->features) + first * TS_TEXT_FEATURES;
    float *place = ts_graph_data(g, p->place) + first, *none = ts_graph_data(g, p->none) + first;
    for (size_t k = 0; k < words * TS_TEXT_FEATURES; k++) features[k] = given ? (float)condition.rows[k] : -1;
    for (size_t k = 0; k < words; k++) {
        place[k] = given ? (float)k : -1;
        none[k] = given ? -1 : (float)k;
    }
}

/* ---- schedule ---------------------------------------------------------------------------------------------------- */

int ts_prior_masked_after(int step, int steps, int count, int left) {
    if (step + 1 >= steps) return 0;
    const int wanted = (int)floor(count * ts_cos_pi((double)(step + 1) / steps / 2) + 1e-9);
    return wanted < left ? wanted : left - 1;
}
