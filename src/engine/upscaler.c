/* upscaler.c - tess_upscaler: options, the pixels' buffer, results. */
#include "engine/upscaler.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"

tess_upscaler *tess_upscaler_new(const tess_model *model) {
    if (!model || !model->loaded) return NULL;
    tess_upscaler *upscaler = ts_calloc(1, sizeof *upscaler);
    if (!upscaler) return NULL;
    upscaler->model = model;
    upscaler->options = (ts_upscale_options){.factor = 4, .threads = 1, .sharpness = 1};
    return upscaler;
}

static void drop_job(tess_upscaler *upscaler) {
    ts_upscale_drop(upscaler);
    ts_free(upscaler->large.data);
    upscaler->large = (ts_pixels){0};
    upscaler->progress = 0;
    upscaler->phase = TS_UPSCALE_IDLE;
}

void tess_upscaler_free(tess_upscaler *upscaler) {
    if (!upscaler) return;
    drop_job(upscaler);
    ts_pool_free(upscaler->pool);
    ts_free(upscaler);
}

const char *tess_upscaler_message(const tess_upscaler *upscaler) {
    return upscaler ? upscaler->error.text : "There is no upscaler: the model is not loaded, or memory is out.";
}

tess_status tess_upscaler_set(tess_upscaler *upscaler, const char *option, double value) {
    if (!upscaler || !option) return TESS_ERR_STATE;
    ts_clear(&upscaler->error);
    ts_upscale_options *o = &upscaler->options;
    const struct {
        const char *name;
        int *whole; /* NULL: the sharpness */
        double low, high;
    } table[] = {{"factor", &o->factor, 2, 4},
                 {"sharpness", NULL, 0, 1},
                 {"threads", &o->threads, 1, TS_MAX_THREADS},
                 {"tile", &o->tile, 0, TS_MAX_SIDE}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        if (strcmp(table[i].name, option) != 0) continue;
        if (table[i].whole == &o->factor && value != 2 && value != 4)
            return ts_fail(&upscaler->error, TESS_ERR_OPTION, "Upscaler option factor must be 2 or 4, not %g.", value);
        if (!(value >= table[i].low && value <= table[i].high) || (table[i].whole && value != floor(value)))
            return ts_fail(&upscaler->error, TESS_ERR_OPTION, "Upscaler option %s must be a %s from %g to %g, not %g.",
                           option, table[i].whole ? "whole number" : "number", table[i].low, table[i].high, value);
        if (upscaler->phase == TS_UPSCALE_SMOOTH || upscaler->phase == TS_UPSCALE_SHARP)
            return ts_fail(&upscaler->error, TESS_ERR_STATE, "Set upscaler options before the first step of a job.");
        if (table[i].whole) *table[i].whole = (int)value;
        else o->sharpness = value;
        return TESS_OK;
    }
    return ts_fail(&upscaler->error, TESS_ERR_OPTION,
                   "There is no upscaler option %.40s; there are factor, sharpness, threads and tile.", option);
}

uint8_t *tess_upscaler_begin(tess_upscaler *upscaler, int width, int height, int channels) {
    if (!upscaler) return NULL;
    drop_job(upscaler);
    ts_clear(&upscaler->error);
    if (width < 1 || height < 1 || (channels != 1 && channels != 3 && channels != 4)) {
        ts_fail(&upscaler->error, TESS_ERR_INPUT,
                "A picture of %d x %d with %d channels cannot be upscaled; it needs 1, 3 or 4 channels and a pixel.",
                width, height, channels);
        return NULL;
    }
    if (width > TS_MAX_SIDE || height > TS_MAX_SIDE || (size_t)width * (size_t)height > TS_MAX_PIXELS) {
        ts_fail(&upscaler->error, TESS_ERR_TOO_LARGE,
                "A picture of %d x %d is too large; sides go to %d and pixels to %zu.", width, height, TS_MAX_SIDE,
                TS_MAX_PIXELS);
        return NULL;
    }
    const size_t bytes = (size_t)width * (size_t)height * (size_t)channels;
    upscaler->small = (ts_pixels){ts_alloc(bytes), width, height, channels};
    if (upscaler->small.data) upscaler->phase = TS_UPSCALE_FILLING;
    else ts_fail_memory(&upscaler->error, bytes);
    return upscaler->small.data;
}

tess_status tess_upscaler_step(tess_upscaler *upscaler) {
    if (!upscaler) return TESS_ERR_STATE;
    if (upscaler->phase == TS_UPSCALE_DONE) return TESS_DONE;
    ts_clear(&upscaler->error);
    if (upscaler->phase == TS_UPSCALE_IDLE || upscaler->phase == TS_UPSCALE_FAILED)
        return ts_fail(&upscaler->error, TESS_ERR_STATE, "There is no job to step; begin one first.");
    const tess_status status = ts_upscale_step(upscaler);
    if (status < 0) {
        drop_job(upscaler);
        upscaler->phase = TS_UPSCALE_FAILED;
    } else if (status == TESS_DONE) {
        ts_upscale_drop(upscaler);
        upscaler->progress = 1;
        upscaler->phase = TS_UPSCALE_DONE;
    }
    return status;
}

double tess_upscaler_progress(const tess_upscaler *upscaler) { return upscaler ? upscaler->progress : 0; }

const uint8_t *tess_upscaler_pixels(const tess_upscaler *upscaler, int *width, int *height, int *channels) {
    const bool ready = upscaler && upscaler->phase == TS_UPSCALE_DONE;
    if (width) *width = ready ? upscaler->large.width : 0;
    if (height) *height = ready ? upscaler->large.height : 0;
    if (channels) *channels = ready ? upscaler->large.channels : 0;
    return ready ? upscaler->large.data : NULL;
}
