/* inpainter.c - tess_inpainter: options, the buffers to fill, results. */
#include "engine/inpainter.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "engine/sampler.h"

tess_inpainter *tess_inpainter_new(const tess_model *model) {
    if (!model || !model->loaded) return NULL;
    tess_inpainter *inpainter = ts_calloc(1, sizeof *inpainter);
    if (!inpainter) return NULL;
    inpainter->model = model;
    inpainter->threads = 1;
    inpainter->method = TS_INPAINT_AUTO;
    inpainter->seed = 1;
    inpainter->temperature = 0.5;
    inpainter->sampler = tess_sampler_new(model);
    if (inpainter->sampler && tess_sampler_set(inpainter->sampler, "temperature", 0.5) == TESS_OK &&
        tess_sampler_set(inpainter->sampler, "levels", 3) == TESS_OK)
        return inpainter;
    tess_sampler_free(inpainter->sampler);
    ts_free(inpainter);
    return NULL;
}

static void drop_job(tess_inpainter *inpainter) {
    ts_inpaint_drop(inpainter);
    ts_sampler_drop(inpainter->sampler);
    ts_free(inpainter->picture.data);
    ts_free(inpainter->mask);
    ts_free(inpainter->open);
    ts_free(inpainter->given);
    ts_free(inpainter->latents);
    ts_free(inpainter->tokens);
    ts_free(inpainter->free);
    ts_free(inpainter->smooth);
    ts_free(inpainter->colours);
    inpainter->picture = (ts_pixels){0};
    inpainter->mask = inpainter->open = inpainter->free = NULL;
    inpainter->tokens = NULL;
    inpainter->given = inpainter->latents = inpainter->smooth = inpainter->colours = NULL;
    inpainter->hole = (ts_span){0};
    inpainter->phase = TS_INPAINT_IDLE;
}

void tess_inpainter_free(tess_inpainter *inpainter) {
    if (!inpainter) return;
    drop_job(inpainter);
    tess_sampler_free(inpainter->sampler);
    ts_pool_free(inpainter->pool);
    ts_free(inpainter);
}

const char *tess_inpainter_message(const tess_inpainter *inpainter) {
    return inpainter ? inpainter->error.text : "There is no inpainter: the model is not loaded, or memory is out.";
}

static bool running(const tess_inpainter *inpainter) {
    return inpainter->phase > TS_INPAINT_FILLING && inpainter->phase < TS_INPAINT_DONE;
}

tess_status tess_inpainter_set(tess_inpainter *inpainter, const char *option, double value) {
    static const char *const sampled[] = {"seed", "steps", "temperature", "top_k", "top_p", "levels", "threads"};
    if (!inpainter || !option) return TESS_ERR_STATE;
    ts_clear(&inpainter->error);
    if (running(inpainter))
        return ts_fail(&inpainter->error, TESS_ERR_STATE, "Set inpainter options before the first step of a job.");
    const struct {
        const char *name;
        int low, high;
    } own[] = {{"method", TS_INPAINT_AUTO, TS_INPAINT_PRIOR}, {"feather", 0, TS_MAX_SIDE}};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
        if (strcmp(option, own[i].name) != 0) continue;
        if (!(value >= own[i].low && value <= own[i].high) || value != floor(value))
            return ts_fail(&inpainter->error, TESS_ERR_OPTION,
                           "Inpainter option %s must be a whole number from %d to %d, not %g.", option, own[i].low,
                           own[i].high, value);
        if (i == 0) inpainter->method = (ts_inpaint_method)value;
        else inpainter->feather = (int)value;
        return TESS_OK;
    }
    for (size_t i = 0; i < sizeof sampled / sizeof *sampled; i++) {
        if (strcmp(option, sampled[i]) != 0) continue;
        const tess_status status = tess_sampler_set(inpainter->sampler, option, value);
        if (status) return ts_fail(&inpainter->error, status, "%s", tess_sampler_message(inpainter->sampler));
        if (strcmp(option, "threads") == 0) inpainter->threads = (int)value;
        if (strcmp(option, "seed") == 0) inpainter->seed = (uint64_t)value;
        if (strcmp(option, "temperature") == 0) inpainter->temperature = value;
        return TESS_OK;
    }
    return ts_fail(
        &inpainter->error, TESS_ERR_OPTION,
        "There is no inpainter option %.40s; there are method, seed, steps, temperature, top_k, top_p, levels, feather "
        "and threads.",
        option);
}

/* Can the model fill pictures of this size? */
static tess_status check(tess_inpainter *inpainter, int width, int height, int channels) {
    const ts_config *c = &inpainter->model->config;
    const int f = ts_config_factor(c);
    ts_error *err = &inpainter->error;
    if (inpainter->method == TS_INPAINT_PRIOR && !inpainter->model->prior.params)
        return ts_fail(err, TESS_ERR_MODEL,
                       "The model %.60s has no prior, so it can make nothing up; leave method at -1 or 0, which copy.",
                       c->name);
    if (width < 1 || height < 1 || (channels != 1 && channels != 3 && channels != 4))
        return ts_fail(err, TESS_ERR_INPUT, "A picture of %d x %d pixels with %d channels cannot be filled.", width,
                       height, channels);
    if (width > TS_MAX_SIDE || height > TS_MAX_SIDE || (size_t)width * (size_t)height > TS_MAX_PIXELS)
        return ts_fail(err, TESS_ERR_TOO_LARGE, "A picture of %d x %d is too large; sides go to %d and pixels to %zu.",
                       width, height, TS_MAX_SIDE, TS_MAX_PIXELS);
    const int rows = (height + f - 1) / f, columns = (width + f - 1) / f;
    const bool whole = c->prior.type == TS_PRIOR_TRANSFORMER && inpainter->method != TS_INPAINT_COPY;
    if (whole && (rows != c->prior.rows || columns != c->prior.columns))
        return ts_fail(
            err, TESS_ERR_INPUT,
            "The prior of %.60s fills pictures of %d x %d pixels, not %d x %d; cut or scale the picture to that, "
            "or set method to 0, which copies.",
            c->name, c->prior.columns * f, c->prior.rows * f, width, height);
    return TESS_OK;
}

uint8_t *tess_inpainter_begin(tess_inpainter *inpainter, int width, int height, int channels, uint8_t **mask) {
    if (!inpainter) return NULL;
    drop_job(inpainter);
    ts_clear(&inpainter->error);
    if (check(inpainter, width, height, channels)) return NULL;
    const size_t pixels = (size_t)width * (size_t)height;
    inpainter->picture = (ts_pixels){ts_alloc(pixels * (size_t)channels), width, height, channels};
    inpainter->mask = ts_calloc(pixels, 1);
    if (!inpainter->picture.data || !inpainter->mask) {
        drop_job(inpainter);
        ts_fail_memory(&inpainter->error, pixels * (size_t)(channels + 1));
        return NULL;
    }
    if (mask) *mask = inpainter->mask;
    inpainter->first = true;
    inpainter->phase = TS_INPAINT_FILLING;
    return inpainter->picture.data;
}

tess_status tess_inpainter_step(tess_inpainter *inpainter) {
    if (!inpainter) return TESS_ERR_STATE;
    if (inpainter->phase == TS_INPAINT_DONE) return TESS_DONE;
    ts_clear(&inpainter->error);
    if (inpainter->phase == TS_INPAINT_IDLE || inpainter->phase == TS_INPAINT_FAILED)
        return ts_fail(&inpainter->error, TESS_ERR_STATE, "There is no job to step; begin one first.");
    const tess_status status = ts_inpaint_step(inpainter);
    if (status < 0) {
        drop_job(inpainter);
        inpainter->phase = TS_INPAINT_FAILED;
    } else if (status == TESS_DONE) {
        ts_inpaint_drop(inpainter);
        inpainter->phase = TS_INPAINT_DONE;
    }
    return status;
}

tess_status tess_inpainter_again(tess_inpainter *inpainter) {
    if (!inpainter) return TESS_ERR_STATE;
    ts_clear(&inpainter->error);
    if (inpainter->phase != TS_INPAINT_DONE)
        return ts_fail(&inpainter->error, TESS_ERR_STATE, "There is no finished job to do again; step one to its end.");
    if (inpainter->hole.width == 0) return TESS_OK;
    inpainter->first = false;
    const tess_status status = ts_inpaint_make(inpainter);
    if (status < 0) {
        drop_job(inpainter);
        inpainter->phase = TS_INPAINT_FAILED;
    }
    return status;
}

double tess_inpainter_progress(const tess_inpainter *inpainter) {
    static const double begin[] = {0, 0, 0, 0.2, 0.8, 1, 0}, share[] = {0, 0, 0.2, 0.6, 0.2, 0, 0};
    if (!inpainter) return 0;
    double part = 0; /* of the phase */
    const ts_exemplar *e = &inpainter->exemplar;
    if (inpainter->phase == TS_INPAINT_MAKE)
        part = inpainter->copying ? 1 - (double)e->left / e->total : tess_sampler_progress(inpainter->sampler);
    if (inpainter->phase == TS_INPAINT_ENCODE || inpainter->phase == TS_INPAINT_DECODE)
        part = (inpainter->at + ts_net_fraction(&inpainter->net)) / ts_net_tiles(&inpainter->net);
    return begin[inpainter->phase] + share[inpainter->phase] * part;
}

const uint8_t *tess_inpainter_pixels(const tess_inpainter *inpainter, int *width, int *height) {
    const bool there = inpainter && inpainter->phase == TS_INPAINT_DONE;
    if (width) *width = there ? inpainter->picture.width : 0;
    if (height) *height = there ? inpainter->picture.height : 0;
    return there ? inpainter->picture.data : NULL;
}
