/* trainer_guard.c - what keeps a run alive: the account of good and bad steps, and the last good state. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "engine/trainer.h"

#define KEEP_EVERY 100    /* good steps between two copies of the state */
#define RESTORE_AFTER 10  /* bad steps in a row before the copy comes back, */
#define RESTORE_EVERY 100 /* which it does once in so many steps */
#define MAX_SKIPPED 100   /* bad steps in a row before giving up */
#define PARTS 11

/* A piece of the state: `count` floats. */
typedef struct part {
    float *at;
    size_t count;
} part;

/* Everything that a step moves, but for generators, counters and the window of statistics. */
static int list_parts(tess_trainer *t, part list[PARTS]) {
    const ts_quantizer_config *q = &t->config.quantizer;
    const size_t weights = ts_params_floats(t->params), codes = (size_t)q->levels * (size_t)q->size;
    float *const stores[] = {t->values, t->ema, t->first, t->second};
    int count = 0;
    for (int i = 0; i < 4; i++) list[count++] = (part){stores[i], weights};
    if (codes) {
        list[count++] = (part){ts_quantizer_bits(t->quantizer), codes};
        list[count++] = (part){ts_learner_count(t->learner), codes};
    }
    if (q->type == TS_QUANTIZER_VQ) {
        list[count++] = (part){ts_quantizer_codebook(t->quantizer), codes * (size_t)q->dim};
        list[count++] = (part){ts_learner_sum(t->learner), codes * (size_t)q->dim};
    }
    if (t->adversary) {
        float *const more[] = {t->adversary->values, t->adversary->first, t->adversary->second};
        for (int i = 0; i < 3; i++) list[count++] = (part){more[i], ts_params_floats(t->adversary->params)};
    }
    return count;
}

tess_status ts_guard_ready(tess_trainer *t) {
    part list[PARTS];
    size_t floats = 0;
    if (t->guard.room) return TESS_OK;
    for (int i = list_parts(t, list) - 1; i >= 0; i--) floats += list[i].count;
    t->guard.room = ts_alloc_floats(floats);
    return t->guard.room ? TESS_OK : ts_fail_memory(&t->error, floats * sizeof(float));
}

void ts_guard_forget(tess_trainer *t) { t->guard.filled = false; }

void ts_guard_free(tess_trainer *t) {
    ts_free(t->guard.room);
    t->guard = (ts_guard){0};
}

void ts_guard_keep(tess_trainer *t) {
    ts_guard *g = &t->guard;
    part list[PARTS];
    if (!g->room || (g->filled && ++g->good < KEEP_EVERY)) return;
    float *to = g->room;
    const int count = list_parts(t, list);
    for (int i = 0; i < count; to += list[i++].count) memcpy(to, list[i].at, list[i].count * sizeof *to);
    g->adam_steps = t->adam_steps;
    if (t->adversary) {
        g->adversary_steps = t->adversary->steps;
        g->averages = t->adversary->averages;
    }
    g->good = 0;
    g->filled = true;
}

static void restore(tess_trainer *t) {
    ts_guard *g = &t->guard;
    part list[PARTS];
    if (!g->filled) return;
    const float *from = g->room;
    const int count = list_parts(t, list);
    for (int i = 0; i < count; from += list[i++].count) memcpy(list[i].at, from, list[i].count * sizeof *from);
    t->adam_steps = g->adam_steps;
    ts_weights_changed(t->weights);
    if (t->adversary) {
        t->adversary->steps = g->adversary_steps;
        t->adversary->averages = g->averages;
        ts_weights_changed(t->adversary->weights);
    }
    g->restored = t->step;
}

tess_status ts_guard_count(tess_trainer *t, bool good) {
    const ts_guard *g = &t->guard;
    t->skipped += !good;
    t->skipped_in_row = good ? 0 : t->skipped_in_row + 1;
    t->step++;
    t->crops += t->config.train.batch;
    ts_watch_step(t, good);
    const bool over = t->skipped_in_row >= MAX_SKIPPED, due = !g->restored || t->step - g->restored >= RESTORE_EVERY;
    if (over || (t->skipped_in_row >= RESTORE_AFTER && due)) restore(t);
    if (!over) return TESS_OK;
    return ts_fail(
        &t->error, TESS_ERR_NUMERIC,
        "%d steps in a row had a loss or gradient that is not finite; lower train.lr or go back to a checkpoint.",
        MAX_SKIPPED);
}
