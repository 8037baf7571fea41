/* trainer.c - the tess_trainer handle: making it, pictures, features, options, figures. */
#include "engine/trainer.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"

tess_trainer *tess_trainer_new(void) {
    tess_trainer *t = ts_calloc(1, sizeof *t);
    if (t) t->threads = 1;
    return t;
}

void tess_trainer_free(tess_trainer *trainer) {
    if (!trainer) return;
    ts_trainer_unload(trainer);
    ts_feature_net_drop(&trainer->features);
    ts_pictures_free(&trainer->train);
    ts_pictures_free(&trainer->validation);
    ts_captions_free(&trainer->captions);
    ts_pool_free(trainer->pool);
    ts_free(trainer);
}

const char *tess_trainer_message(const tess_trainer *trainer) {
    return trainer ? trainer->error.text : "There is no trainer.";
}

tess_status tess_trainer_config(tess_trainer *trainer, const char *json, size_t size) {
    if (!trainer) return TESS_ERR_STATE;
    trainer->error.text[0] = 0;
    if (!json) return ts_fail(&trainer->error, TESS_ERR_INPUT, "There is no config text.");
    const tess_status status = ts_trainer_load_config(trainer, json, size);
    if (status < 0 || !trainer->config.reads_count) return status;
    return ts_seal_reads(trainer, NULL, 0); /* what begins anew reads no files of others */
}

uint8_t *tess_trainer_add_image(tess_trainer *trainer, int validation, int width, int height, int channels) {
    if (!trainer) return NULL;
    trainer->error.text[0] = 0;
    return ts_pictures_add(validation ? &trainer->validation : &trainer->train, width, height, channels,
                           &trainer->error);
}

static ts_caption *caption_of(tess_trainer *t, int index) {
    t->error.text[0] = 0;
    if (index < 0 || index >= t->train.count) {
        ts_fail(&t->error, TESS_ERR_OPTION, "There is no training picture %d to describe: %d were added.", index,
                t->train.count);
        return NULL;
    }
    ts_caption *caption = ts_captions_of(&t->captions, index);
    if (!caption) ts_fail_memory(&t->error, (size_t)index * sizeof *caption);
    return caption;
}

tess_status tess_trainer_caption(tess_trainer *trainer, int index, const char *utf8, size_t size) {
    if (!trainer) return TESS_ERR_STATE;
    ts_caption *caption = caption_of(trainer, index);
    if (!caption) return index < 0 || index >= trainer->train.count ? TESS_ERR_OPTION : TESS_ERR_MEMORY;
    if (!utf8 && size) return ts_fail(&trainer->error, TESS_ERR_INPUT, "There is no text of the caption.");
    return ts_caption_text(caption, utf8, size, &trainer->error);
}

tess_status tess_trainer_class(tess_trainer *trainer, int index, int label) {
    if (!trainer) return TESS_ERR_STATE;
    ts_caption *caption = caption_of(trainer, index);
    if (!caption) return index < 0 || index >= trainer->train.count ? TESS_ERR_OPTION : TESS_ERR_MEMORY;
    if (label < -1 || label > 65535)
        return ts_fail(&trainer->error, TESS_ERR_OPTION, "A class is a number from 0 to 65535, or -1 for none, not %d.",
                       label);
    caption->label = label;
    return TESS_OK;
}

tess_status tess_trainer_features(tess_trainer *trainer, const void *net, size_t net_size, const void *heads,
                                  size_t heads_size) {
    if (!trainer) return TESS_ERR_STATE;
    trainer->error.text[0] = 0;
    ts_trainer_drop_graph(trainer);
    return ts_feature_net_load(&trainer->features, net, net_size, heads, heads_size, &trainer->error);
}

/* ---- options and figures ----------------------------------------------------------------------------------------- */

static tess_status out_of_range(tess_trainer *t, const char *option, double value, double low, double high) {
    return ts_fail(&t->error, TESS_ERR_OPTION, "%s is %g; it must be from %g to %g.", option, value, low, high);
}

static tess_status set_threads(tess_trainer *t, double value) {
    if (!(value >= 1 && value <= TS_MAX_THREADS)) return out_of_range(t, "threads", value, 1, TS_MAX_THREADS);
    if ((int)value == t->threads) return TESS_OK;
    ts_trainer_drop_graph(t);
    ts_pool_free(t->pool);
    t->pool = NULL;
    t->threads = (int)value;
    return TESS_OK;
}

static tess_status set_batch(tess_trainer *t, double value) {
    if (!(value >= 1 && value <= 1024)) return out_of_range(t, "batch", value, 1, 1024);
    ts_trainer_drop_graph(t);
    t->config.train.batch = (int)value;
    return TESS_OK;
}

static tess_status set_steps(tess_trainer *t, double value) {
    if (!(value >= 1 && value <= 1 << 30)) return out_of_range(t, "steps", value, 1, 1 << 30);
    t->config.train.steps = (int)value;
    return TESS_OK;
}

static tess_status restart_codes(tess_trainer *t) {
    if (t->config.quantizer.type != TS_QUANTIZER_VQ || t->sealed)
        return ts_fail(&t->error, TESS_ERR_STATE, "These codes stand still: there are none to restart.");
    ts_learner_revive(t->learner);
    return TESS_OK;
}

static tess_status set_fault(tess_trainer *t, double value) {
    if (!(value >= 1 && value <= 1 << 30)) return out_of_range(t, "fault", value, 1, 1 << 30);
    t->guard.fault = (long)value;
    return TESS_OK;
}

tess_status tess_trainer_set(tess_trainer *trainer, const char *option, double value) {
    if (!trainer) return TESS_ERR_STATE;
    ts_train_config *c = &trainer->config.train;
    ts_adversarial_config *a = &c->adversarial;
    const struct {
        const char *name;
        float *at;
        double high;
        bool adversarial; /* means something with an adversary only */
    } numbers[] = {{"lr", &c->lr, 10, false},
                   {"l1", &c->loss.l1, 1e6, false},
                   {"l2", &c->loss.l2, 1e6, false},
                   {"lpips", &c->loss.lpips, 1e6, false},
                   {"ms_ssim", &c->loss.ms_ssim, 1e6, false},
                   {"entropy", &c->loss.entropy, 1e6, false},
                   {"commitment", &trainer->config.quantizer.commitment, 1e3, false},
                   {"adversarial", &a->weight, 1e6, true},
                   {"d_lr", &a->lr, 10, true},
                   {"features", &a->features, 1e6, true},
                   {"r1", &a->r1, 1e6, true},
                   {"lecam", &a->lecam, 1e6, true},
                   {"gate", &a->gate, 1, true}};
    trainer->error.text[0] = 0;
    if (!option) return ts_fail(&trainer->error, TESS_ERR_OPTION, "There is no option name.");
    if (strcmp(option, "threads") == 0) return set_threads(trainer, value);
    if (!trainer->json)
        return ts_fail(&trainer->error, TESS_ERR_STATE, "Give a config or a checkpoint before setting %s.", option);
    if (trainer->prior) return ts_prior_trainer_set(trainer, option, value);
    if (strcmp(option, "batch") == 0) return set_batch(trainer, value);
    if (strcmp(option, "steps") == 0) return set_steps(trainer, value);
    if (strcmp(option, "restart_codes") == 0) return restart_codes(trainer);
    if (strcmp(option, "fault") == 0) return set_fault(trainer, value);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        if (strcmp(option, numbers[i].name) != 0) continue;
        if (numbers[i].adversarial && !a->on)
            return ts_fail(&trainer->error, TESS_ERR_OPTION, "%s needs an adversary (train.adversarial) in the config.",
                           option);
        if (!(value >= 0 && value <= numbers[i].high)) return out_of_range(trainer, option, value, 0, numbers[i].high);
        *numbers[i].at = (float)value;
        return TESS_OK;
    }
    return ts_fail(&trainer->error, TESS_ERR_OPTION, "\"%s\" is not an option of a trainer.", option);
}

double tess_trainer_stat(const tess_trainer *trainer, const char *name) {
    if (!trainer || !name || !trainer->json) return NAN;
    if (trainer->prior) return ts_prior_trainer_stat(trainer, name);
    const ts_figures *f = &trainer->figures;
    const ts_adversarial_config *c = &trainer->config.train.adversarial;
    const ts_adversary_figures *d = &f->adversary;
    bool counted = !strcmp(name, "perplexity") || !strcmp(name, "used") ||
                   !strcmp(name, "dead");                             /* looks at every code */
    if (counted && trainer->config.quantizer.levels == 0) return NAN; /* continuous latents: there are no codes */
    ts_usage usage = counted ? ts_learner_usage(trainer->learner) : (ts_usage){0};
    const struct {
        const char *name;
        double value;
    } stats[] = {{"step", (double)trainer->step},
                 {"steps", (double)trainer->config.train.steps},
                 {"total", f->total},
                 {"reconstruction", f->reconstruction},
                 {"l1", f->l1},
                 {"l2", f->l2},
                 {"lpips", f->lpips},
                 {"ms_ssim", f->ms_ssim},
                 {"commitment", f->commitment},
                 {"codebook", f->codebook},
                 {"entropy", f->entropy},
                 {"psnr", f->psnr},
                 {"bpp", f->bpp},
                 {"perplexity", usage.perplexity},
                 {"used", (double)usage.used},
                 {"dead", (double)usage.dead},
                 {"lr", f->lr},
                 {"grad_norm", f->grad_norm},
                 {"skipped", (double)trainer->skipped},
                 {"retried", (double)trainer->guard.retried},
                 {"images", (double)trainer->crops},
                 {"levels", (double)f->levels},
                 {"lambda", f->lambda},
                 {"phase", (double)f->phase},
                 {"adversarial", c->on ? c->weight : NAN},
                 {"generator", d->generator},
                 {"discriminator", d->discriminator},
                 {"features", d->features},
                 {"r1", d->r1},
                 {"lecam", d->lecam},
                 {"real", d->real},
                 {"fake", d->fake},
                 {"d_accuracy", d->accuracy},
                 {"d_weight", d->weight},
                 {"d_grad_norm", d->grad_norm}};
    for (size_t i = 0; i < sizeof stats / sizeof *stats; i++) {
        if (strcmp(name, stats[i].name) == 0) return stats[i].value;
    }
    return NAN;
}
