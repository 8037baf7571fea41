/* trainer_watch.c - signs of collapse, each as a sentence with the cure: few codes in use, a discriminator that has won or
 * lost, many skipped steps. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "engine/trainer.h"

#define USAGE_EVERY 50     /* steps between two looks at all codes */
#define FEW 10             /* fewer than a FEWth of a level's codes in use is a collapse */
#define SEEN_PER_CODE 8    /* latents per code that a verdict needs, unless the window is full */
#define SATURATED 200      /* steps at one end of the discriminator's accuracy: */
#define HIGH 0.97f         /* it is right nearly always, */
#define LOW 0.03f          /* or wrong nearly always */
#define SKIPPED_DECAY 0.99 /* of the running share of bad steps, */
#define SKIPPED_SHARE 0.05 /* which is many */

enum { FINE, MANY_SKIPPED, ALWAYS_RIGHT, ALWAYS_WRONG, FEW_CODES /* + level */ };

void ts_watch_reset(tess_trainer *t) { t->watch = (ts_watch){.poor = -1}; }

static long codes_used(const tess_trainer *t, int level) {
    const uint32_t *counts = ts_learner_counts(t->learner, level);
    long used = 0;
    for (int k = 0; k < t->config.quantizer.size; k++) used += counts[k] > 0;
    return used;
}

/* The first level with few codes in use, or -1. */
static int poor_level(const tess_trainer *t) {
    const ts_quantizer_config *q = &t->config.quantizer;
    const long wanted = (long)q->size * SEEN_PER_CODE < TS_WINDOW ? (long)q->size * SEEN_PER_CODE : TS_WINDOW;
    for (int l = 0; l < q->levels; l++) {
        const bool enough = (long)ts_learner_filled(t->learner)[2 * l] >= wanted;
        if (enough && codes_used(t, l) * FEW < q->size) return l;
    }
    return -1;
}

static void say_few_codes(ts_watch *w, const tess_trainer *t, int level) {
    const ts_quantizer_config *q = &t->config.quantizer;
    const char *cure = q->type == TS_QUANTIZER_FSQ   ? "take fewer bins"
                       : q->type == TS_QUANTIZER_LFQ ? "raise train.loss.entropy or take fewer bits"
                                                     : "restart the others, raise quantizer.restart or take fewer";
    snprintf(w->text, sizeof w->text, "Only %ld of %d codes of level %d are in use: %s.", codes_used(t, level), q->size,
             level, cure);
}

static void say(ts_watch *w, const char *sentence) { snprintf(w->text, sizeof w->text, "%s", sentence); }

static void watch_adversary(tess_trainer *t) {
    ts_watch *w = &t->watch;
    if (!isfinite(t->figures.adversary.accuracy)) return; /* not judged, or not a number */
    w->high = t->adversary->averages.accuracy > HIGH ? w->high + 1 : 0;
    w->low = t->adversary->averages.accuracy < LOW ? w->low + 1 : 0;
}

void ts_watch_step(tess_trainer *t, bool good) {
    ts_watch *w = &t->watch;
    if (good) watch_adversary(t);
    w->skipped = SKIPPED_DECAY * w->skipped + (good ? 0 : 1 - SKIPPED_DECAY);
    if (t->sealed) w->poor = -1; /* nothing can be done about it */
    else if (t->step % USAGE_EVERY == 0) w->poor = poor_level(t);
    const int about = w->skipped > SKIPPED_SHARE ? MANY_SKIPPED
                      : w->high >= SATURATED     ? ALWAYS_RIGHT
                      : w->low >= SATURATED      ? ALWAYS_WRONG
                      : w->poor >= 0             ? FEW_CODES + w->poor
                                                 : FINE;
    if (about == w->about) return;
    w->about = about;
    switch (about) {
    case FINE: w->text[0] = 0; break;
    case MANY_SKIPPED:
        say(w, "Many steps are skipped, as loss or gradient is not finite: lower train.lr or go back to a checkpoint.");
        break;
    case ALWAYS_RIGHT:
        say(w,
            "The discriminator has told all pictures apart for 200 steps and teaches little: lower adversarial.lr, add "
            "adversarial.r1 or lecam, or set adversarial.gate below 1.");
        break;
    case ALWAYS_WRONG:
        say(w, "The discriminator has been wrong about all pictures for 200 steps: raise adversarial.lr, or lower "
               "adversarial.weight.");
        break;
    default: say_few_codes(w, t, about - FEW_CODES);
    }
}

const char *tess_trainer_warning(const tess_trainer *trainer) { return trainer ? trainer->watch.text : ""; }
