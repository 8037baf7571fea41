/* config_train.c - the config's "train": losses, optimizer, adversary. */
#include "nets/config_train.h"

#include "nets/config_prior.h"
#include "nets/config_read.h"

static const char *const gan_losses[] = {"hinge", "nonsaturating", NULL}; /* in the order of ts_gan_loss */
static const char *const balances[] = {"none", "layer", "image", NULL};   /* ... of ts_gan_balance */

static void read_loss(const ts_json *doc, int object, ts_loss_config *l, tess_status *status, ts_error *err) {
    ts_section s = ts_section_open(doc, object, "train.loss", true, status, err);
    ts_section_float(&s, "l1", 0, 1e6, &l->l1);
    ts_section_float(&s, "l2", 0, 1e6, &l->l2);
    ts_section_float(&s, "ms_ssim", 0, 1e6, &l->ms_ssim);
    ts_section_float(&s, "lpips", 0, 1e6, &l->lpips);
    ts_section_int(&s, "lpips_from", 0, 1 << 30, false, &l->lpips_from);
    ts_section_float(&s, "entropy", 0, 1e6, &l->entropy);
    ts_section_float(&s, "entropy_gamma", 0, 1e6, &l->entropy_gamma);
    ts_section_float(&s, "temperature", 1e-6, 1e6, &l->temperature);
    ts_section_close(&s);
}

static void read_discriminator(const ts_json *doc, int object, ts_discriminator_config *d, tess_status *status,
                               ts_error *err) {
    *d = (ts_discriminator_config){.layers = 3, .width = 16, .groups = 8, .scales = 1};
    ts_section s = ts_section_open(doc, object, "train.adversarial.discriminator", true, status, err);
    ts_section_int(&s, "layers", 2, 4, false, &d->layers);
    ts_section_int(&s, "width", 8, 512, false, &d->width);
    ts_section_int(&s, "groups", 0, 512, false, &d->groups);
    ts_section_int(&s, "scales", 1, 3, false, &d->scales);
    if (d->groups > 0 && d->width % d->groups != 0)
        ts_section_fail(&s, "groups", "(8 if not given) must be 0 or divide the width");
    ts_section_close(&s);
}

static void read_adversarial(const ts_json *doc, int object, ts_adversarial_config *a, tess_status *status,
                             ts_error *err) {
    int loss = TS_GAN_HINGE, balance = TS_BALANCE_LAYER, count = 2;
    *a = (ts_adversarial_config){.on = object != TS_JSON_NONE,
                                 .weight = 0.1f,
                                 .limit = 10000,
                                 .lr = 2e-4f,
                                 .betas = {0.5f, 0.9f},
                                 .r1_every = 16,
                                 .lecam_decay = 0.99f,
                                 .gate = 1};
    ts_section s = ts_section_open(doc, object, "train.adversarial", true, status, err);
    read_discriminator(doc, ts_section_get(&s, "discriminator"), &a->discriminator, status, err);
    ts_section_choice(&s, "loss", gan_losses, false, &loss);
    a->loss = (ts_gan_loss)loss;
    ts_section_choice(&s, "balance", balances, false, &balance);
    a->balance = (ts_gan_balance)balance;
    ts_section_float(&s, "weight", 0, 1e6, &a->weight);
    ts_section_float(&s, "limit", 0, 1e9, &a->limit);
    ts_section_int(&s, "from", 0, 1 << 30, false, &a->from);
    ts_section_int(&s, "ramp", 0, 1 << 30, false, &a->ramp);
    ts_section_bool(&s, "freeze", &a->freeze);
    ts_section_float(&s, "lr", 0, 10, &a->lr);
    ts_section_floats(&s, "betas", 2, 2, 0, 0.999999, a->betas, &count);
    ts_section_float(&s, "r1", 0, 1e6, &a->r1);
    ts_section_int(&s, "r1_every", 1, 1 << 30, false, &a->r1_every);
    ts_section_float(&s, "lecam", 0, 1e6, &a->lecam);
    ts_section_float(&s, "lecam_decay", 0, 0.999999, &a->lecam_decay);
    ts_section_float(&s, "features", 0, 1e6, &a->features);
    ts_section_float(&s, "gate", 0, 1, &a->gate);
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

void ts_config_read_train(const ts_json *doc, int object, const ts_quantizer_config *q, ts_train_config *t,
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
                           .loss = {.l1 = 1, .l2 = 2, .lpips_from = 400, .entropy_gamma = 1, .temperature = 0.01f}};
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
    read_adversarial(doc, ts_section_get(&s, "adversarial"), &t->adversarial, status, err);
    ts_config_read_prior_train(doc, ts_section_get(&s, "prior"), &t->prior, status, err);
    read_level_weights(&s, q->levels, t);
    ts_section_floats(&s, "lambda", 2, 2, 0, 1e6, t->lambda, &count);
    ts_section_close(&s);
}
