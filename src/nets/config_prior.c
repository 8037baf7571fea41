/* config_prior.c - the config's "prior" and how it is trained. */
#include "nets/config_prior.h"

#include "nets/config_read.h"

static const char *const types[] = {"transformer", "conv", NULL}; /* in the order of ts_prior_type, after none */

static void read_grid(ts_section *s, ts_prior_config *p) {
    float grid[2];
    int count = 0;
    ts_section_floats(s, "grid", 2, 2, 1, 256, grid, &count);
    if (count == 0) {
        ts_section_fail(s, "grid", "is missing: [rows, columns]");
        return;
    }
    p->rows = (int)grid[0];
    p->columns = (int)grid[1];
    if ((float)p->rows != grid[0] || (float)p->columns != grid[1]) ts_section_fail(s, "grid", "must be whole numbers");
    if (p->rows * p->columns > TS_PLACES_MAX) ts_section_fail(s, "grid", "has more than 1024 places");
}

static void read_text(const ts_json *doc, int object, ts_prior_config *p, tess_status *status, ts_error *err) {
    if (object == TS_JSON_NONE) return;
    p->words = 16;
    p->buckets = 4096;
    ts_section s = ts_section_open(doc, object, "prior.text", false, status, err);
    ts_section_int(&s, "words", 1, 64, false, &p->words);
    ts_section_int(&s, "buckets", 1, 65536, false, &p->buckets);
    ts_section_close(&s);
}

static void read_transformer(ts_section *s, const ts_quantizer_config *q, ts_prior_config *p) {
    read_grid(s, p);
    ts_section_int(s, "layers", 1, 64, true, &p->layers);
    ts_section_int(s, "heads", 1, 64, true, &p->heads);
    p->hidden = 4 * p->width;
    ts_section_int(s, "hidden", 8, 8192, false, &p->hidden);
    ts_section_float(s, "dropout", 0, 0.9, &p->dropout);
    read_text(s->doc, ts_section_get(s, "text"), p, s->status, s->err);
    ts_section_int(s, "classes", 0, 65536, false, &p->classes);
    ts_section_get(s, "vocabulary"); /* words that a page suggests for prompts: nothing here depends on them */
    if (p->heads && p->width % p->heads != 0) ts_section_fail(s, "heads", "must divide the width");
    if (p->words && p->classes) ts_section_fail(s, "classes", "and text exclude each other");
    if (q->levels != 1) ts_section_fail(s, "", "needs a quantizer of one level");
}

/* Two numbers of residual blocks: on the way down and up. */
static void read_blocks(ts_section *s, const char *key, int blocks[2]) {
    float read[2] = {(float)blocks[0], (float)blocks[1]};
    int count = 2;
    ts_section_floats(s, key, 2, 2, 0, 16, read, &count);
    for (int i = 0; i < 2; i++) {
        blocks[i] = (int)read[i];
        if ((float)blocks[i] != read[i]) ts_section_fail(s, key, "must be whole numbers");
    }
}

static void read_conv(ts_section *s, const ts_quantizer_config *q, ts_prior_config *p) {
    if (q->levels < 1) ts_section_fail(s, "", "needs a quantizer with codes");
    ts_section_int(s, "mid", 8, 2048, true, &p->mid);
    p->full[0] = p->half[0] = p->half[1] = 1;
    p->full[1] = 2;
    p->quarter = 3;
    p->levels = q->levels;
    read_blocks(s, "full", p->full);
    read_blocks(s, "half", p->half);
    ts_section_int(s, "quarter", 0, 16, false, &p->quarter);
    ts_section_int(s, "levels", 1, q->levels, false, &p->levels);
}

void ts_config_read_prior(const ts_json *doc, int object, const ts_quantizer_config *q, ts_prior_config *p,
                          tess_status *status, ts_error *err) {
    int type = 0;
    *p = (ts_prior_config){.dropout = 0.1f};
    if (object == TS_JSON_NONE) return;
    ts_section s = ts_section_open(doc, object, "prior", false, status, err);
    ts_section_choice(&s, "type", types, false, &type);
    p->type = (ts_prior_type)(type + 1);
    ts_section_int(&s, "width", 8, 2048, true, &p->width);
    if (p->type == TS_PRIOR_CONV) read_conv(&s, q, p);
    else read_transformer(&s, q, p);
    ts_section_close(&s);
}

void ts_config_read_prior_train(const ts_json *doc, int object, ts_prior_train_config *t, tess_status *status,
                                ts_error *err) {
    int seed = 1, count = 2;
    *t = (ts_prior_train_config){.on = object != TS_JSON_NONE,
                                 .batch = 64,
                                 .steps = 20000,
                                 .warmup = 500,
                                 .lr = 4e-4f,
                                 .lr_final = 0.05f,
                                 .betas = {0.9f, 0.96f},
                                 .weight_decay = 0.045f,
                                 .clip = 1,
                                 .ema = 0.9995f,
                                 .smoothing = 0.1f,
                                 .drop = 0.1f};
    ts_section s = ts_section_open(doc, object, "train.prior", true, status, err);
    ts_section_int(&s, "batch", 1, 1024, false, &t->batch);
    ts_section_int(&s, "steps", 1, 1 << 30, false, &t->steps);
    ts_section_int(&s, "warmup", 0, 1 << 30, false, &t->warmup);
    ts_section_float(&s, "lr", 0, 10, &t->lr);
    ts_section_float(&s, "lr_final", 0, 1, &t->lr_final);
    ts_section_floats(&s, "betas", 2, 2, 0, 0.999999, t->betas, &count);
    ts_section_float(&s, "weight_decay", 0, 10, &t->weight_decay);
    ts_section_float(&s, "clip", 0, 1e6, &t->clip);
    ts_section_float(&s, "ema", 0, 0.999999, &t->ema);
    ts_section_float(&s, "smoothing", 0, 0.99, &t->smoothing);
    ts_section_float(&s, "drop", 0, 1, &t->drop);
    ts_section_int(&s, "seed", 0, 2147483647, false, &seed);
    t->seed = (uint64_t)seed;
    ts_section_close(&s);
}
