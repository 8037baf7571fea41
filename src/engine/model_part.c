/* model_part.c - what a model may have besides its nets, a prior and an upscaler: from the model's own file, or from a part,
 * a file of its own that is added when it is first needed. */
#include <string.h>

#include "base/alloc.h"
#include "engine/engine.h"
#include "engine/model_file.h"
#include "nets/config_part.h"
#include "nets/conv_prior.h"
#include "nets/prior.h"
#include "nets/upscaler.h"

void ts_part_free(ts_part *part) {
    ts_params_free(part->params);
    ts_free(part->values);
    ts_free(part->halves);
    *part = (ts_part){0};
}

static tess_status load_prior(const ts_config *config, const ts_prior_config *prior, const ts_safetensors *file,
                              ts_part *part, ts_error *err) {
    if (prior->type == TS_PRIOR_NONE) return TESS_OK;
    tess_status status = ts_params_new(&part->params, err);
    const ts_quantizer_config *q = &config->quantizer;
    if (!status)
        status = prior->type == TS_PRIOR_CONV ? ts_conv_prior_params(prior, q, part->params, err)
                                              : ts_prior_params(prior, q->size, part->params, err);
    return status ? status : ts_model_file_load(file, part->params, &part->values, &part->halves, err);
}

static tess_status load_upscaler(const ts_config *config, const ts_upscaler_config *upscaler,
                                 const ts_safetensors *file, ts_part *part, ts_error *err) {
    if (!ts_upscaler_any(upscaler)) return TESS_OK;
    tess_status status = ts_params_new(&part->params, err);
    if (!status) status = ts_upscaler_params(upscaler, config->quantizer.dim, part->params, err);
    return status ? status : ts_model_file_load(file, part->params, &part->values, &part->halves, err);
}

tess_status ts_model_load_parts(tess_model *model, const ts_safetensors *file) {
    const ts_config *c = &model->config;
    const tess_status status = load_prior(c, &c->prior, file, &model->prior, &model->error);
    return status ? status : load_upscaler(c, &c->upscaler, file, &model->upscaler, &model->error);
}

/* Is there room for a part of that kind: none yet, or one that was added? */
static tess_status check_room(tess_model *model, const ts_part *held, const char *kind) {
    if (!held->params || held->added) return TESS_OK;
    return ts_fail(&model->error, TESS_ERR_MODEL, "The model %.60s holds %s of its own in its file; it takes no other.",
                   model->config.name, kind);
}

/* Puts parts that were read whole in place of those before. Errors: MEMORY, then the model is as it was. */
static tess_status put(tess_model *model, const ts_part_config *config, ts_part *prior, ts_part *upscaler) {
    tess_model next = *model;
    prior->added = upscaler->added = true;
    if (prior->params) next.prior = *prior, next.config.prior = config->prior;
    if (upscaler->params) next.upscaler = *upscaler, next.config.upscaler = config->upscaler;
    ts_writer_init(&next.info);
    const tess_status status = ts_model_write_info(&next, &next.info, &model->error);
    if (status) {
        ts_writer_free(&next.info);
        return status;
    }
    if (prior->params) ts_part_free(&model->prior);
    if (upscaler->params) ts_part_free(&model->upscaler);
    ts_writer_free(&model->info);
    *model = next;
    *prior = *upscaler = (ts_part){0};
    return TESS_OK;
}

static tess_status add(tess_model *model, const ts_safetensors *file) {
    ts_error *err = &model->error;
    ts_part_config config;
    const char *json = ts_model_file_config(file, err);
    if (!json) return TESS_ERR_MODEL;
    ts_error why;
    tess_status status = ts_config_parse_part(json, strlen(json), &model->config, model->hash, &config, &why);
    if (status) return ts_fail(err, status == TESS_ERR_INPUT ? TESS_ERR_MODEL : status, "%s", why.text);
    if (config.prior.type != TS_PRIOR_NONE) status = check_room(model, &model->prior, "a prior");
    if (!status && ts_upscaler_any(&config.upscaler)) status = check_room(model, &model->upscaler, "an upscaler");
    ts_part prior = {0}, upscaler = {0};
    if (!status) status = load_prior(&model->config, &config.prior, file, &prior, err);
    if (!status) status = load_upscaler(&model->config, &config.upscaler, file, &upscaler, err);
    if (!status) status = put(model, &config, &prior, &upscaler);
    ts_part_free(&prior);
    ts_part_free(&upscaler);
    return status;
}

tess_status tess_model_add(tess_model *model, const void *bytes, size_t size) {
    if (!model) return TESS_ERR_STATE;
    ts_clear(&model->error);
    if (!model->loaded)
        return ts_fail(&model->error, TESS_ERR_STATE, "No model is loaded; load one before adding a part to it.");
    if (!bytes && size) return ts_fail(&model->error, TESS_ERR_INPUT, "There are no bytes to read a part from.");
    ts_safetensors *file = NULL;
    tess_status status = ts_safetensors_open(&file, bytes, size, &model->error);
    if (!status) status = add(model, file);
    ts_safetensors_close(file);
    return status;
}
