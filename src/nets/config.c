#include "nets/config.h"

#include <stdio.h>
#include <string.h>

#include "nets/config_prior.h"
#include "nets/config_read.h"
#include "nets/config_train.h"
#include "nets/config_upscaler.h"
#include "nets/discriminator.h"
#include "nets/layers.h"

#define MAX_FACTOR 64

static const char *const quantizer_types[] = {"vq", "fsq", "none", "lfq", NULL};
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
    } else if (q->type == TS_QUANTIZER_LFQ) {
        ts_section_int(&s, "bits", 1, 16, true, &q->dim);
        q->size = 1 << q->dim;
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

static void read_reads(ts_section *s, ts_config *c) {
    const int list = ts_section_get(s, "reads");
    if (list == TS_JSON_NONE) return;
    bool good = ts_json_typeof(s->doc, list) == TS_JSON_ARRAY && ts_json_length(s->doc, list) <= TS_READS_MAX;
    for (int it = ts_json_first(s->doc, list); good && it != TS_JSON_NONE; it = ts_json_next(s->doc, list, it)) {
        good = ts_section_fingerprint(s->doc, it, &c->reads[c->reads_count]);
        c->reads_count += good;
    }
    if (!good) ts_section_fail(s, "reads", "must be a list of at most 32 fingerprints, 16 hexadecimal digits each");
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
    const ts_adversarial_config *a = &c->train.adversarial;
    if (a->on && c->train.size < ts_discriminator_least(&a->discriminator)) {
        return ts_fail(err, TESS_ERR_INPUT, "Config: train.size %d is too small for the discriminator, which takes %d.",
                       c->train.size, ts_discriminator_least(&a->discriminator));
    }
    if (c->train.prior.on && c->prior.type == TS_PRIOR_NONE)
        return ts_fail(err, TESS_ERR_INPUT, "Config: train.prior needs a prior to train; describe it by \"prior\".");
    if (!(c->range[0] < c->range[1])) return ts_fail(err, TESS_ERR_INPUT, "Config: range must be two rising numbers.");
    return TESS_OK;
}

static tess_status parse_root(const ts_json *doc, ts_config *c, ts_error *err) {
    tess_status status = TESS_OK;
    int count = 2;
    ts_section s = ts_section_open(doc, 0, "", false, &status, err);
    ts_section_format(&s);
    if (ts_section_get(&s, "part_of") != TS_JSON_NONE)
        ts_section_fail(&s, "part_of", "makes this a part of another model: load that one, then add this to it");
    if (status < 0) return status;
    c->range[0] = -1;
    c->range[1] = 1;
    ts_section_string(&s, "name", c->name, sizeof c->name);
    ts_section_string(&s, "licence", c->licence, sizeof c->licence);
    ts_section_string(&s, "trained_on", c->trained_on, sizeof c->trained_on);
    ts_section_floats(&s, "range", 2, 2, -1000, 1000, c->range, &count);
    int encoder = ts_section_get(&s, "encoder"), decoder = ts_section_get(&s, "decoder");
    int quantizer = ts_section_get(&s, "quantizer"), train = ts_section_get(&s, "train");
    int prior = ts_section_get(&s, "prior"), upscaler = ts_section_get(&s, "upscaler");
    read_reads(&s, c);
    ts_section_get(&s, "notes"); /* free text or objects for people: recipe, metrics, provenance */
    ts_section_close(&s);
    if (status < 0) return status;
    read_quantizer(doc, quantizer, &c->quantizer, &status, err);
    if (status < 0) return status;
    status = ts_layers_parse(doc, encoder, "encoder", 3, c->encoder, &c->encoder_count, err);
    if (status < 0) return status;
    status = ts_layers_parse(doc, decoder, "decoder", c->quantizer.dim, c->decoder, &c->decoder_count, err);
    if (status < 0) return status;
    ts_config_read_prior(doc, prior, &c->quantizer, &c->prior, &status, err);
    ts_config_read_upscaler(doc, upscaler, ts_config_factor(c), &c->upscaler, &status, err);
    ts_config_read_train(doc, train, &c->quantizer, &c->train, &status, err);
    if (status < 0) return status;
    return check_fit(c, err);
}

tess_status ts_config_parse(const char *json, size_t size, ts_config *config, ts_error *err) {
    ts_json doc;
    memset(config, 0, sizeof *config);
    ts_error fault;
    tess_status status = ts_json_parse(&doc, json, size, &fault);
    if (status < 0) {
        const char *cure = status == TESS_ERR_FORMAT ? " Mend the config there, or give one such as models/photo.json."
                                                     : "";
        return ts_fail(err, status == TESS_ERR_FORMAT ? TESS_ERR_INPUT : status, "%s%s", fault.text, cure);
    }
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
