#include "engine/adversary.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/rng.h"
#include "kernels/loss.h"
#include "kernels/optim.h"
#include "kernels/pointwise.h"

#define STREAM 5 /* of the seed's random numbers */
#define ACCURACY_DECAY 0.95
#define BALANCE_FLOOR 1e-4 /* as taming-transformers has it */

ts_adversary_figures ts_adversary_nothing(void) {
    return (ts_adversary_figures){NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN};
}

/* ---- making ----------------------------------------------------------------------------------------------------- */

static tess_status make_stores(ts_adversary *a, const ts_config *c, ts_error *err) {
    tess_status status = ts_params_new(&a->params, err);
    if (status >= 0) status = ts_discriminator_params(&c->train.adversarial.discriminator, a->params, err);
    if (status < 0) return status;
    const size_t n = ts_params_floats(a->params);
    a->values = ts_calloc(n, sizeof(float));
    a->grads = ts_calloc(n, sizeof(float));
    a->first = ts_calloc(n, sizeof(float));
    a->second = ts_calloc(n, sizeof(float));
    if (!a->values || !a->grads || !a->first || !a->second) return ts_fail_memory(err, 4 * n * sizeof(float));
    return ts_weights_new(a->params, a->values, a->grads, &a->weights, err);
}

tess_status ts_adversary_new(const ts_config *config, ts_adversary **out, ts_error *err) {
    ts_adversary *a = ts_calloc(1, sizeof *a);
    if (!a) return ts_fail_memory(err, sizeof *a);
    tess_status status = make_stores(a, config, err);
    if (status < 0) {
        ts_adversary_free(a);
        return status;
    }
    ts_rng rng = ts_rng_new(config->train.seed, STREAM);
    ts_discriminator_init(&config->train.adversarial.discriminator, a->params, a->values, &rng);
    a->averages.accuracy = 0.5f;
    a->figures = ts_adversary_nothing();
    *out = a;
    return TESS_OK;
}

void ts_adversary_drop_graphs(ts_adversary *a) {
    ts_graph_free(a->real.graph);
    ts_graph_free(a->fake.graph);
    ts_graph_free(a->tangent.graph);
    a->real.graph = a->fake.graph = a->tangent.graph = NULL;
}

void ts_adversary_free(ts_adversary *a) {
    if (!a) return;
    ts_adversary_drop_graphs(a);
    ts_weights_free(a->weights);
    ts_params_free(a->params);
    float *stores[] = {a->values, a->grads, a->first, a->second};
    for (size_t i = 0; i < sizeof stores / sizeof *stores; i++) ts_free(stores[i]);
    ts_free(a);
}

/* fake: one forward serves two backwards, to the weights for the discriminator and to the pictures for the generator. */
static tess_status build(ts_adversary *a, ts_critic *critic, const ts_config *c, int threads, ts_error *err) {
    const bool fake = critic == &a->fake;
    tess_status status = ts_graph_new(TS_GRAPH_TRAINING, &critic->graph, err);
    if (status < 0) return status;
    ts_graph *g = critic->graph;
    critic->x = ts_graph_input(g, (ts_shape){c->train.batch, c->train.size, c->train.size, 3}, fake);
    critic->net = ts_discriminator_build(g, &c->train.adversarial.discriminator, a->weights, critic->x, TS_NONE);
    for (int s = 0; s < critic->net.scales; s++) {
        ts_graph_start(g, critic->net.logits[s]);
        for (int i = 0; i < critic->net.features && a->matching; i++) {
            if (fake) ts_graph_start(g, critic->net.feature[s][i]);
            else ts_graph_output(g, critic->net.feature[s][i]);
        }
    }
    if (fake) ts_graph_keep(g);
    return ts_graph_plan(g, threads, err);
}

/* The discriminator with its tangent, from which backward starts. */
static tess_status build_tangent(ts_adversary *a, const ts_config *c, int threads, ts_error *err) {
    ts_critic *critic = &a->tangent;
    const ts_shape shape = {c->train.batch, c->train.size, c->train.size, 3};
    tess_status status = ts_graph_new(TS_GRAPH_TRAINING, &critic->graph, err);
    if (status < 0) return status;
    ts_graph *g = critic->graph;
    critic->x = ts_graph_input(g, shape, false);
    critic->v = ts_graph_input(g, shape, false);
    critic->net = ts_discriminator_build(g, &c->train.adversarial.discriminator, a->weights, critic->x, critic->v);
    for (int s = 0; s < critic->net.scales; s++) ts_graph_start(g, critic->net.tangent[s]);
    return ts_graph_plan(g, threads, err);
}

tess_status ts_adversary_plan(ts_adversary *a, const ts_config *config, int threads, ts_error *err) {
    a->matching = config->train.adversarial.features > 0;
    tess_status status = build(a, &a->real, config, threads, err);
    if (status >= 0) status = build(a, &a->fake, config, threads, err);
    if (status >= 0 && config->train.adversarial.r1 > 0) status = build_tangent(a, config, threads, err);
    if (status < 0) ts_adversary_drop_graphs(a);
    return status;
}

tess_status ts_adversary_alloc(ts_adversary *a, float *room, ts_error *err) {
    float *second = room ? room + ts_graph_bytes(a->real.graph) / sizeof *room : NULL;
    tess_status status = ts_graph_alloc_in(a->real.graph, room, err);
    if (status >= 0) status = ts_graph_alloc_in(a->fake.graph, second, err);
    if (status >= 0 && a->tangent.graph)
        status = ts_graph_alloc_in(a->tangent.graph, room, err); /* when those are done */
    return status;
}

size_t ts_adversary_bytes(const ts_adversary *a) {
    const size_t both = ts_graph_bytes(a->real.graph) + ts_graph_bytes(a->fake.graph);
    const size_t tangent = a->tangent.graph ? ts_graph_bytes(a->tangent.graph) : 0;
    return tangent > both ? tangent : both;
}

/* ---- parts of a judgement --------------------------------------------------------------------------------------- */

typedef struct judgement {
    ts_adversary *a;
    const ts_adversarial_config *config;
    const ts_adversary_batch *batch;
    ts_adversary_figures *f;
    size_t floats; /* of a batch of pictures */
    ts_pool *pool;
} judgement;

static size_t count(const ts_critic *critic, ts_tensor t) { return ts_shape_count(ts_graph_shape(critic->graph, t)); }

static float *logits(const ts_critic *critic, int scale) {
    return ts_graph_data(critic->graph, critic->net.logits[scale]);
}

static float *logit_grads(const ts_critic *critic, int scale) {
    return ts_graph_grad_data(critic->graph, critic->net.logits[scale]);
}

/* Nothing comes from outside to the features: to be said before every backward. */
static void rest_features(const ts_adversary *a) {
    const ts_critic *c = &a->fake;
    for (int s = 0; s < c->net.scales && a->matching; s++) {
        for (int i = 0; i < c->net.features; i++) {
            float *grad = ts_graph_grad_data(c->graph, c->net.feature[s][i]);
            memset(grad, 0, count(c, c->net.feature[s][i]) * sizeof *grad);
        }
    }
}

/* From the gradients at the logits to the weights'. */
static void blame_weights(const judgement *j) {
    rest_features(j->a);
    ts_graph_backward_to(j->a->real.graph, TS_GRADIENTS_WEIGHTS, j->pool);
    ts_graph_backward_to(j->a->fake.graph, TS_GRADIENTS_WEIGHTS, j->pool);
}

/* Mean of the logits, and the share of them that have the sign. */
static void tally(const float *t, size_t n, int sign, double *mean, double *right) {
    double sum = 0, hits = 0;
    for (size_t i = 0; i < n; i++) {
        sum += (double)t[i];
        hits += (float)sign * t[i] > 0;
    }
    *mean = sum / (double)n;
    *right = hits / (double)n;
}

/* Losses of one scale, of `scales`; leaves their gradients at the logits. */
static void judge_scale(const judgement *j, int s) {
    const ts_adversary *a = j->a;
    const ts_adversarial_config *c = j->config;
    const float share = 1.0f / (float)a->real.net.scales;
    const float *real = logits(&a->real, s), *fake = logits(&a->fake, s);
    float *d_real = logit_grads(&a->real, s), *d_fake = logit_grads(&a->fake, s);
    const size_t n = count(&a->real, a->real.net.logits[s]);
    double mean[2], right[2];
    double loss = 0.5 * (ts_gan_real(c->loss, d_real, real, n, 0.5f * share) +
                         ts_gan_fake(c->loss, d_fake, fake, n, 0.5f * share));
    if (c->lecam > 0) {
        const double lecam = ts_gan_lecam(d_real, real, n, true, a->averages.fake, c->lecam * share) +
                             ts_gan_lecam(d_fake, fake, n, false, a->averages.real, c->lecam * share);
        j->f->lecam += share * lecam;
        loss += c->lecam * lecam;
    }
    tally(real, n, 1, &mean[0], &right[0]);
    tally(fake, n, -1, &mean[1], &right[1]);
    j->f->discriminator += share * loss;
    j->f->real += share * mean[0];
    j->f->fake += share * mean[1];
    j->f->accuracy += share * (right[0] + right[1]) / 2;
}

static bool rests(const ts_adversary *a, const ts_adversarial_config *c) { return a->averages.accuracy > c->gate; }

/* The discriminator's losses at x and y and, unless it rests, their gradients in its weights. */
static void discriminate(const judgement *j) {
    ts_adversary *a = j->a;
    ts_adversary_figures *f = j->f;
    memcpy(ts_graph_data(a->real.graph, a->real.x), j->batch->x, j->floats * sizeof(float));
    memcpy(ts_graph_data(a->fake.graph, a->fake.x), j->batch->y, j->floats * sizeof(float));
    ts_graph_forward(a->real.graph, j->pool);
    ts_graph_forward(a->fake.graph, j->pool);
    f->discriminator = f->real = f->fake = f->accuracy = 0;
    f->lecam = j->config->lecam > 0 ? 0 : NAN;
    for (int s = 0; s < a->real.net.scales; s++) judge_scale(j, s);
    if (rests(a, j->config)) return;
    memset(a->grads, 0, ts_params_floats(a->params) * sizeof *a->grads);
    blame_weights(j);
}

/* mean over scales and layers of mean |f(y) - f(x)|, its gradient times `weight` at the features. */
static double match_features(const judgement *j) {
    const ts_critic *real = &j->a->real, *fake = &j->a->fake;
    const int parts = fake->net.scales * fake->net.features;
    double sum = 0;
    for (int s = 0; s < fake->net.scales; s++) {
        for (int i = 0; i < fake->net.features; i++) {
            const ts_tensor t = fake->net.feature[s][i];
            sum += ts_loss_l1(ts_graph_grad_data(fake->graph, t), ts_graph_data(fake->graph, t),
                              ts_graph_data(real->graph, real->net.feature[s][i]), count(fake, t),
                              j->config->features / (float)parts, j->pool);
        }
    }
    return sum / parts;
}

/* The generator's loss; its gradient at y, to be read or changed until the next forward. */
static double generate(const judgement *j, float **dy) {
    const ts_critic *fake = &j->a->fake;
    const ts_adversarial_config *c = j->config;
    const float share = 1.0f / (float)fake->net.scales;
    double loss = 0;
    for (int s = 0; s < fake->net.scales; s++)
        loss += share * ts_gan_generator(c->loss, logit_grads(fake, s), logits(fake, s),
                                         count(fake, fake->net.logits[s]), share);
    j->f->generator = loss;
    if (j->a->matching) {
        j->f->features = match_features(j);
        loss += c->features * j->f->features;
    }
    ts_graph_backward_to(fake->graph, TS_GRADIENTS_INPUTS, j->pool);
    *dy = ts_graph_grad_data(fake->graph, fake->x);
    return loss;
}

/* How much larger the image losses' gradient is than the adversarial one, at the decoder's last weight or the pixels. */
static double balance(const judgement *j, const float *dy) {
    double image, opposed;
    if (j->config->balance == TS_BALANCE_NONE) return 1;
    if (j->config->balance == TS_BALANCE_LAYER) {
        image = ts_tail_norm(j->batch->tail, j->batch->dy, j->pool);
        opposed = ts_tail_norm(j->batch->tail, dy, j->pool);
    } else {
        image = sqrt(ts_sum_squares(j->batch->dy, j->floats, j->pool));
        opposed = sqrt(ts_sum_squares(dy, j->floats, j->pool));
    }
    const double weight = image / (opposed + BALANCE_FLOOR);
    return weight > j->config->limit ? j->config->limit : weight; /* NaN stays NaN */
}

/* ---- R1 --------------------------------------------------------------------------------------------------------- */

/* grads[s] = weight * d (sum over pictures of the mean of t[s]) / d t[s], at the starts t of a graph. */
static void fill_mean_grads(const ts_critic *critic, const ts_tensor *t, double weight, ts_pool *pool) {
    for (int s = 0; s < critic->net.scales; s++) {
        const ts_shape shape = ts_graph_shape(critic->graph, t[s]);
        ts_vfill(ts_graph_grad_data(critic->graph, t[s]), (float)(weight / (shape.h * shape.w)), ts_shape_count(shape),
                 pool);
    }
}

/* R1 = mean over pictures of |v|^2, v = dD/dx, D = sum over scales of the mean logit (Mescheder et al. 2018,
 * arXiv:1801.04406). Since d |v|^2 = 2 v dv, its gradient in the weights is that of 2 v dD/dx with v held: of twice the
 * tangent of D along v, whose net has first derivatives only (Pearlmutter 1994). Adds r1_every * r1 / 2 of R1 to loss and
 * gradients. Comes last in a step: the tangent's net lies over those of x and y. */
static void penalize(const judgement *j) {
    ts_adversary *a = j->a;
    const ts_critic *fake = &a->fake, *tangent = &a->tangent;
    const double weight = (double)j->config->r1_every * j->config->r1, batch = ts_graph_shape(fake->graph, fake->x).n;
    const size_t bytes = j->floats * sizeof(float);
    const float *v = ts_graph_grad_data(fake->graph, fake->x);
    memcpy(ts_graph_data(fake->graph, fake->x), j->batch->x, bytes);
    ts_graph_forward(fake->graph, j->pool);
    rest_features(a);
    fill_mean_grads(fake, fake->net.logits, 1, j->pool);
    ts_graph_backward_to(fake->graph, TS_GRADIENTS_INPUTS, j->pool);
    j->f->r1 = ts_sum_squares(v, j->floats, j->pool) / batch;
    j->f->discriminator += 0.5 * weight * j->f->r1;
    memmove(ts_graph_data(tangent->graph, tangent->v), v, bytes);
    memcpy(ts_graph_data(tangent->graph, tangent->x), j->batch->x, bytes);
    ts_graph_forward(tangent->graph, j->pool);
    fill_mean_grads(tangent, tangent->net.tangent, weight / batch, j->pool);
    ts_graph_backward_to(tangent->graph, TS_GRADIENTS_WEIGHTS, j->pool);
}

/* ---- a step ----------------------------------------------------------------------------------------------------- */

double ts_adversary_judge(ts_adversary *a, const ts_config *config, const ts_adversary_batch *batch, float *dy,
                          ts_pool *pool) {
    const ts_adversarial_config *c = &config->train.adversarial;
    judgement j = {
        .a = a, .config = c, .batch = batch, .f = &a->figures, .floats = count(&a->fake, a->fake.x), .pool = pool};
    double term = 0;
    a->figures = ts_adversary_nothing();
    discriminate(&j);
    if (c->weight > 0) {
        float *pull;
        const double loss = generate(&j, &pull), ramp = fmin(1, (double)(batch->k + 1) / (c->ramp > 1 ? c->ramp : 1));
        a->figures.weight = balance(&j, pull);
        const double weight = c->weight * ramp * a->figures.weight;
        ts_vaxpy(dy, pull, (float)weight, j.floats, pool);
        term = weight * loss;
    }
    if (rests(a, c)) return term;
    if (c->r1 > 0 && batch->k % c->r1_every == 0) penalize(&j);
    a->figures.grad_norm = sqrt(ts_sum_squares(a->grads, ts_params_floats(a->params), pool));
    return term;
}

bool ts_adversary_good(const ts_adversary *a, const ts_config *config) {
    const ts_adversary_figures *f = &a->figures;
    return isfinite(f->discriminator) && (rests(a, &config->train.adversarial) || isfinite(f->grad_norm));
}

static float blend(float average, double value, double decay) { return (float)(decay * average + (1 - decay) * value); }

void ts_adversary_apply(ts_adversary *a, const ts_config *config, ts_pool *pool) {
    const ts_train_config *t = &config->train;
    const ts_adversarial_config *c = &t->adversarial;
    const ts_adversary_figures *f = &a->figures;
    if (!rests(a, c)) {
        ts_adamw options = {.lr = c->lr,
                            .beta1 = c->betas[0],
                            .beta2 = c->betas[1],
                            .eps = t->eps,
                            .step = ++a->steps,
                            .grad_scale = t->clip > 0 ? (float)fmin(1, t->clip / (f->grad_norm + 1e-6)) : 1};
        ts_adamw_step(a->values, a->first, a->second, a->grads, ts_params_floats(a->params), &options, pool);
        ts_weights_changed(a->weights);
    }
    a->averages.real = blend(a->averages.real, f->real, c->lecam_decay);
    a->averages.fake = blend(a->averages.fake, f->fake, c->lecam_decay);
    a->averages.accuracy = blend(a->averages.accuracy, f->accuracy, ACCURACY_DECAY);
}
