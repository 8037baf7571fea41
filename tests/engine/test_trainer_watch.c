/* Warnings: a codebook that collapses is told of and restarts, skipped steps are told of, a sound run is not. */
#include "test.h"

#include "engine/trainer.h"
#include "training.h"

/* 256 codes that hardly move (the decay is nearly 1) and never restart. */
static tess_trainer *collapsing(void) {
    char json[4096];
    const char *quantizer = strstr(training_configs[0], "\"quantizer\":");
    const char *train = strstr(training_configs[0], "\"train\":{") + 9;
    const char *weights = strstr(train, ",\"level_weights\"");
    snprintf(json, sizeof json,
             "%.*s\"quantizer\":{\"type\":\"vq\",\"size\":256,\"dim\":4,\"decay\":0.999999,\"restart\":0},"
             "\"train\":{%.*s}}",
             (int)(quantizer - training_configs[0]), training_configs[0], (int)(weights - train), train);
    tess_trainer *t = training_new(json);
    tess_trainer_set(t, "steps", 1000);
    return t;
}

static void test_collapse_is_told_and_cured(void) {
    tess_trainer *t = collapsing();
    training_steps(t, 10);
    CHECK_TEXT(tess_trainer_warning(t), "");
    /* all codes but a few far away: as after a leap of the encoder */
    float *codes = ts_quantizer_codebook(t->quantizer), *sum = ts_learner_sum(t->learner),
          *count = ts_learner_count(t->learner);
    for (int k = 8; k < 256; k++) {
        for (int i = 0; i < 4; i++) sum[4 * k + i] = 1000 * (count[k] = 1), codes[4 * k + i] = 1000;
    }
    /* the window of 65536 latents, 64 a step, has to see enough */
    memset(ts_learner_filled(t->learner), 0, 2 * sizeof(uint32_t));
    ts_learner_recount(t->learner);
    training_steps(t, 90);
    const double before = tess_trainer_stat(t, "used");
    CHECK(before <= 8);
    CHECK(strstr(tess_trainer_warning(t), "of 256 codes of level 0") != NULL);
    CHECK(strstr(tess_trainer_warning(t), "restart") != NULL);
    char text[256];
    snprintf(text, sizeof text, "%s", tess_trainer_warning(t));
    for (int i = 4; i < 8 * 4; i++) sum[i] = 1000 * count[i / 4], codes[i] = 1000;
    ts_learner_forget(t->learner);
    training_steps(t, 60);
    CHECK(tess_trainer_stat(t, "used") < before);
    CHECK_TEXT(tess_trainer_warning(t), text); /* word for word, as long as it lasts, with other figures too */
    CHECK_INT(tess_trainer_set(t, "restart_codes", 1), TESS_OK);
    training_steps(t, 51);
    const double after = tess_trainer_stat(t, "used");
    if (!CHECK(after > 64)) printf("used %g, then %g\n", before, after);
    CHECK_TEXT(tess_trainer_warning(t), "");
    tess_trainer_free(t);
}

static void test_sound_runs_are_left_alone(void) {
    for (int k = 0; k < TRAINING_CONFIGS; k++) {
        tess_trainer *t = training_new(training_configs[k]);
        test_row("config %d", k);
        tess_trainer_set(t, "steps", 200);
        for (int i = 0; i < 200; i++) {
            training_steps(t, 1);
            CHECK_TEXT(tess_trainer_warning(t), "");
        }
        const bool codes = t->config.quantizer.type == TS_QUANTIZER_VQ;
        CHECK_INT(tess_trainer_set(t, "restart_codes", 1), codes ? TESS_OK : TESS_ERR_STATE);
        tess_trainer_free(t);
    }
    CHECK_TEXT(tess_trainer_warning(NULL), "");
}

/* A hopeless generator, which learns nothing: the discriminator wins, until its gate or a set-back ends it. */
static void test_saturated_discriminator_is_told(void) {
    tess_trainer *t = training_against(0, "{\"discriminator\":{\"layers\":2},\"from\":10,\"lr\":0.002}");
    tess_trainer *r = tess_trainer_new();
    const uint8_t *bytes = NULL;
    size_t size = 0;
    tess_trainer_set(t, "steps", 2000);
    tess_trainer_set(t, "lr", 0);
    training_steps(t, 10);
    int first = -1;
    for (int i = 0; i < 1200 && first < 0; i++) {
        training_steps(t, 1);
        if (tess_trainer_warning(t)[0]) first = i;
    }
    CHECK(strstr(tess_trainer_warning(t), "discriminator") != NULL);
    CHECK_INT(t->watch.high, 200);
    CHECK_INT(tess_trainer_checkpoint(t, &bytes, &size), TESS_OK);
    CHECK_INT(tess_trainer_resume(r, bytes, size), TESS_OK);
    training_pictures(r, 0, 5);
    training_steps(r, 1);
    CHECK_TEXT(tess_trainer_warning(r), tess_trainer_warning(t)); /* the count goes on */
    t->adversary->averages.accuracy = 0.5f;
    training_steps(t, 1);
    CHECK_TEXT(tess_trainer_warning(t), "");
    tess_trainer_free(t);
    tess_trainer_free(r);
}

static void test_skipped_steps_are_told(void) {
    tess_trainer *t = training_new(training_configs[0]);
    tess_trainer_set(t, "steps", 1000);
    training_steps(t, 10);
    for (int i = 0; i < 6; i++) {
        ts_graph_data(t->graph, t->x)[0] = NAN;
        CHECK_INT(ts_trainer_run(t, 1, 0), TESS_OK);
    }
    CHECK(strstr(tess_trainer_warning(t), "skipped") != NULL);
    training_steps(t, 200);
    CHECK_TEXT(tess_trainer_warning(t), "");
    tess_trainer_free(t);
}

int main(void) {
    RUN(test_collapse_is_told_and_cured);
    RUN(test_sound_runs_are_left_alone);
    RUN(test_saturated_discriminator_is_told);
    RUN(test_skipped_steps_are_told);
    return test_end();
}
