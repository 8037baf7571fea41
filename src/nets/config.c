#include "nets/config.h"

#include <stdio.h>
#include <string.h>

#include "nets/config_read.h"
#include "nets/layers.h"

#define MAX_FACTOR 64

static const char *const quantizer_types[] = {"vq", "fsq", "none", NULL};
static const char *const quantizer_updates[] = {"ema", "gradient", NULL};

static void read_bins(ts_section *s, ts_quantizer_config *q) {
    float bins[TS_BINS_MAX];
    int count = 0;
    ts_section_floats(s, "bins", 1, TS_BINS_MAX, 2, 256, bins, &count);
    if (count == 0) ts_section_fail(s, "bins", "is missing");
    q->levels = 1;
    q->size = 1;
    q->dim = count;
    for (int i = 0; i < count; i++) {
        q->bins[i] = (int)bins[i];
        if ((float)q->bins[i] != bins[i]) ts_section_fail(s, "bins", "must be whole numbers");
        if (q->size <= TS_CODES_MAX) q->size *= q->bins[i];
    }
    if (q->size > TS_CODES_MAX) ts_section_fail(s, "bins", "multiply to more than 65536 codes");
}

static void read_quantizer(const ts_json *doc, int object, ts_quantizer_config *q, tess_status *status, ts_error *err) {
    int type = 0, update = 0;
    *q = (ts_quantizer_config){.levels = 1, .decay = 0.99f, .commitment = 0.25f, .restart = 0.02f};
    ts_section s = ts_section_open(doc, object, "quantizer", false, status, err);
    ts_section_choice(&s, "type", quantizer_types, true, &type);
    q->type = (ts_quantizer_type)type;
    if (q->type == TS_QUANTIZER_NONE) {
        q->levels = 0;
        q->commitment = 0;
        ts_section_int(&s, "dim", 1, 1024, true, &q->dim);
        ts_section_close(&s);
        return;
    }
    ts_section_float(&s, "commitment", 0, 1000, &q->commitment);
    if (q->type == TS_QUANTIZER_FSQ) {
        q->commitment = 0; /* the rounding is its own pull: FSQ has no auxiliary loss */
        read_bins(&s, q);
    } else {
        ts_section_choice(&s, "update", quantizer_updates, false, &update);
        q->gradient = update == 1;
        ts_section_int(&s, "levels", 1, TS_LEVELS_MAX, false, &q->levels);
        ts_section_int(&s, "size", 2, TS_CODES_MAX, true, &q->size);
        ts_section_int(&s, "dim", 1, 1024, true, &q->dim);
        ts_section_float(&s, "decay", 0, 0.999999, &q->decay);
        ts_section_float(&s, "restart", 0, 1000, &q->restart);
        ts_section_bool(&s, "normalize", &q->normalize);
        if (q->normalize && q->levels > 1) ts_section_fail(&s, "normalize", "works with one level only");
    }
    ts_section_close(&s);
}

static void read_loss(const ts_json *doc, int object, ts_loss_config *l, tess_status *status, ts_error *err) {
    ts_section s = ts_section_open(doc, object, "train.loss", true, status, err);
    ts_section_float(&s, "l1", 0, 1e6, &l->l1);
    ts_section_float(&s, "l2", 0, 1e6, &l->l2);
    ts_section_float(&s, "ms_ssim", 0, 1e6, &l->ms_ssim);
    ts_section_float(&s, "lpips", 0, 1e6, &l->lpips);
    ts_section_int(&s, "lpips_from", 0, 1 << 30, false, &l->lpips_from);
    ts_section_close(&s);
}

/* Without a quantizer there is nothing to weigh: the key is refused. */
static void read_level_weights(ts_section *s, int levels, ts_train_config *t) {
    int count = 0;
    float sum = 0;
    if (levels == 0) return;
    t->level_weights[levels - 1] = 1;
    ts_section_floats(s, "level_weights", levels, levels, 0, 1e6, t->level_weights, &count);
    for (int i = 0; i < levels; i++) sum += t->level_weights[i];
    if (!(sum > 0)) ts_section_fail(s, "level_weights", "must not all be 0");
}

static void read_train(const ts_json *doc, int object, const ts_quantizer_config *q, ts_train_config *t,
                       tess_status *status, ts_error *err) {
    int seed = 1, count = 2;
    *t = (ts_train_config){.size = 128,
                           .batch = 16,
                           .steps = 20000,
                           .warmup = 200,
                           .quantize_from = 150,
                           .lr = 4e-4f,
                           .lr_final = 0.02f,
                           .betas = {0.9f, 0.99f},
                           .eps = 1e-8f,
                           .clip = 1,
                           .ema = 0.999f,
                           .flip = true,
                           .loss = {.l1 = 1, .l2 = 2, .lpips_from = 400}};
    ts_section s = ts_section_open(doc, object, "train", true, status, err);
    ts_section_int(&s, "size", 8, 4096, false, &t->size);
    ts_section_int(&s, "batch", 1, 1024, false, &t->batch);
    ts_section_int(&s, "steps", 1, 1 << 30, false, &t->steps);
    ts_section_int(&s, "warmup", 0, 1 << 30, false, &t->warmup);
    ts_section_int(&s, "quantize_from", 0, 1 << 30, false, &t->quantize_from);
    ts_section_float(&s, "lr", 0, 10, &t->lr);
    ts_section_float(&s, "lr_final", 0, 1, &t->lr_final);
    ts_section_floats(&s, "betas", 2, 2, 0, 0.999999, t->betas, &count);
    ts_section_float(&s, "eps", 1e-30, 1, &t->eps);
    ts_section_float(&s, "weight_decay", 0, 10, &t->weight_decay);
    ts_section_float(&s, "clip", 0, 1e6, &t->clip);
    ts_section_float(&s, "ema", 0, 0.999999, &t->ema);
    ts_section_int(&s, "seed", 0, 2147483647, false, &seed);
    t->seed = (uint64_t)seed;
    ts_section_bool(&s, "flip", &t->flip);
    read_loss(doc, ts_section_get(&s, "loss"), &t->loss, status, err);
    read_level_weights(&s, q->levels, t);
    ts_section_floats(&s, "lambda", 2, 2, 0, 1e6, t->lambda, &count);
    ts_section_close(&s);
}

static tess_status check_fit(const ts_config *c, ts_error *err) {
    ts_ratio e = ts_layers_ratio(c->encoder, c->encoder_count), d = ts_layers_ratio(c->decoder, c->decoder_count);
    int latent = c->encoder[c->encoder_count - 1].out, pixel = c->decoder[c->decoder_count - 1].out;
    if (latent != c->quantizer.dim) {
        return ts_fail(err, TESS_ERR_INPUT, "Config: the encoder ends in %d channels, but quantizer.dim is %d.", latent,
                       c->quantizer.dim);
    }
    if (pixel != 3)
        return ts_fail(err, TESS_ERR_INPUT, "Config: the decoder ends in %d channels; it must be 3.", pixel);
    if (e.num != 1 || e.den > MAX_FACTOR) {
        return ts_fail(err, TESS_ERR_INPUT, "Config: the encoder must shrink by a whole factor up to %d.", MAX_FACTOR);
    }
    if (d.den != 1 || d.num != e.den) {
        return ts_fail(err, TESS_ERR_INPUT, "Config: the encoder shrinks by %d but the decoder grows by %d/%d.", e.den,
                       d.num, d.den);
    }
    if (c->train.size % e.den) {
        return ts_fail(err, TESS_ERR_INPUT, "Config: train.size %d is not a multiple of the net's factor %d.",
                       c->train.size, e.den);
    }
    if (!(c->range[0] < c->range[1])) return ts_fail(err, TESS_ERR_INPUT, "Config: range must be two rising numbers.");
    return TESS_OK;
}

static tess_status parse_root(const ts_json *doc, ts_config *c, ts_error *err) {
    tess_status status = TESS_OK;
    int format = 0, count = 2;
    ts_section s = ts_section_open(doc, 0, "", false, &status, err);
    ts_section_int(&s, "format", 1, 1 << 30, true, &format);
    if (status >= 0 && format != 1) {
        return ts_fail(err, TESS_ERR_VERSION, "Config: format %d is newer than this library reads (1).", format);
    }
    c->range[0] = -1;
    c->range[1] = 1;
    ts_section_string(&s, "name", c->name, sizeof c->name);
    ts_section_string(&s, "licence", c->licence, sizeof c->licence);
    ts_section_string(&s, "trained_on", c->trained_on, sizeof c->trained_on);
    ts_section_floats(&s, "range", 2, 2, -1000, 1000, c->range, &count);
    int encoder = ts_section_get(&s, "encoder"), decoder = ts_section_get(&s, "decoder");
    int quantizer = ts_section_get(&s, "quantizer"), train = ts_section_get(&s, "train");
    ts_section_get(&s, "notes"); /* free text or objects for people: recipe, metrics, provenance */
    ts_section_close(&s);
    if (status < 0) return status;
    read_quantizer(doc, quantizer, &c->quantizer, &status, err);
    if (status < 0) return status;
    status = ts_layers_parse(doc, encoder, "encoder", 3, c->encoder, &c->encoder_count, err);
    if (status < 0) return status;
    status = ts_layers_parse(doc, decoder, "decoder", c->quantizer.dim, c->decoder, &c->decoder_count, err);
    if (status < 0) return status;
    read_train(doc, train, &c->quantizer, &c->train, &status, err);
    if (status < 0) return status;
    return check_fit(c, err);
}

tess_status ts_config_parse(const char *json, size_t size, ts_config *config, ts_error *err) {
    ts_json doc;
    memset(config, 0, sizeof *config);
    tess_status status = ts_json_parse(&doc, json, size, err);
    if (status < 0) return status == TESS_ERR_FORMAT ? TESS_ERR_INPUT : status;
    status = parse_root(&doc, config, err);
    ts_json_free(&doc);
    return status;
}

int ts_config_factor(const ts_config *config) { return ts_layers_ratio(config->encoder, config->encoder_count).den; }

int ts_config_encoder_radius(const ts_config *config) {
    int radius = ts_layers_radius(config->encoder, config->encoder_count), factor = ts_config_factor(config);
    return radius == TS_RADIUS_WHOLE ? radius : (radius + factor - 1) / factor;
}

int ts_config_decoder_radius(const ts_config *config) {
    return ts_layers_radius(config->decoder, config->decoder_count);
}

double ts_config_encoder_macs(const ts_config *config) {
    return ts_layers_macs(config->encoder, config->encoder_count);
}

double ts_config_decoder_macs(const ts_config *config) {
    int factor = ts_config_factor(config);
    return ts_layers_macs(config->decoder, config->decoder_count) / (factor * factor);
}
