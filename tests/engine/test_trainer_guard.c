/* The guard: a passing fault changes nothing, a lasting one is skipped, healed by the last good state, or given up. */
#include "test.h"

#include "engine/trainer.h"
#include "training.h"

static void faulty_steps(tess_trainer *t, int from, int to, const int *faults, int count) {
    for (int step = from; step < to; step++) {
        for (int i = 0; i < count; i++) {
            if (faults[i] == step) CHECK_INT(tess_trainer_set(t, "fault", 1), TESS_OK);
        }
        training_steps(t, 1);
    }
}

static void check_same_checkpoint(tess_trainer *a, tess_trainer *b) {
    const uint8_t *one = NULL, *two = NULL;
    size_t n = 0, m = 0;
    CHECK_INT(tess_trainer_checkpoint(a, &one, &n), TESS_OK);
    CHECK_INT(tess_trainer_checkpoint(b, &two, &m), TESS_OK);
    if (CHECK_INT(n, m)) CHECK(memcmp(one, two, n) == 0);
}

/* The whole checkpoint, byte for byte: weights, moments, EMA, codes, generators, counters. */
static void test_passing_faults_change_nothing(void) {
    static const int faults[] = {0, 1, 5, 6, 7, 40, 41, 99, 100, 101, 150, 203};
    for (int k = 0; k < TRAINING_CONFIGS; k++) {
        tess_trainer *a = training_new(training_configs[k]), *b = training_new(training_configs[k]);
        test_row("config %d", k);
        tess_trainer_set(a, "steps", 210);
        tess_trainer_set(b, "steps", 210);
        training_steps(a, 210);
        faulty_steps(b, 0, 210, faults, 12);
        check_same_checkpoint(a, b);
        CHECK_NEAR(tess_trainer_stat(a, "retried"), 0, 0);
        CHECK_NEAR(tess_trainer_stat(b, "retried"), 12, 0);
        CHECK_NEAR(tess_trainer_stat(b, "skipped"), 0, 0);
        tess_trainer_free(a);
        tess_trainer_free(b);
    }
}

/* Everything an adversary can have, in both kinds of phase two. */
static const char *const adversaries[] = {
    "{\"discriminator\":{\"layers\":2,\"width\":8},\"from\":12,\"ramp\":9,\"r1\":1,\"r1_every\":3,\"lecam\":0.1,"
    "\"features\":1,\"gate\":0.9,\"balance\":\"layer\"}",
    "{\"discriminator\":{\"layers\":2,\"width\":8},\"from\":12,\"freeze\":true,\"lecam\":0.1,\"loss\":"
    "\"nonsaturating\","
    "\"balance\":\"image\"}",
};

/* The same with a discriminator, whose weights, moments and averages are in the checkpoint too. */
static void test_passing_faults_against_an_adversary(void) {
    static const int faults[] = {11, 12, 13, 14, 15, 30, 31, 110, 111, 112, 150, 203};
    for (int k = 0; k < 4; k++) {
        tess_trainer *a = training_against(k % 2, adversaries[k / 2]), *b = training_against(k % 2, adversaries[k / 2]);
        test_row("case %d", k);
        tess_trainer_set(a, "steps", 210);
        tess_trainer_set(b, "steps", 210);
        training_steps(a, 210);
        faulty_steps(b, 0, 210, faults, 12);
        check_same_checkpoint(a, b);
        CHECK_NEAR(tess_trainer_stat(b, "retried"), 12, 0);
        CHECK_NEAR(tess_trainer_stat(b, "skipped"), 0, 0);
        tess_trainer_free(a);
        tess_trainer_free(b);
    }
}

/* A weight of the discriminator that became NaN is as bad as one of ours. */
static void test_last_good_discriminator_comes_back(void) {
    for (int k = 0; k < 2; k++) {
        tess_trainer *t = training_against(0, adversaries[k]), *kept = training_against(0, adversaries[k]);
        /* the first copies: step 6, when codes are fitted; or step 12, when they are sealed; then each 100th good step */
        const int copied = k == 0 ? 106 : 112;
        tess_trainer_set(t, "steps", 400);
        tess_trainer_set(kept, "steps", 400);
        training_steps(kept, copied);
        training_steps(t, 150);
        test_row("case %d", k);
        const size_t bytes = ts_params_floats(t->adversary->params) * sizeof(float);
        t->adversary->values[3] = NAN;
        ts_weights_changed(t->adversary->weights);
        training_steps(t, 10);
        CHECK_NEAR(tess_trainer_stat(t, "skipped"), 10, 0);
        CHECK_BYTES(t->adversary->values, kept->adversary->values, bytes);
        CHECK_BYTES(t->adversary->first, kept->adversary->first, bytes);
        CHECK_BYTES(t->adversary->second, kept->adversary->second, bytes);
        CHECK_BYTES(&t->adversary->averages, &kept->adversary->averages, sizeof t->adversary->averages);
        CHECK_BYTES(t->values, kept->values, ts_params_floats(t->params) * sizeof(float));
        CHECK_INT(t->adversary->steps, kept->adversary->steps);
        training_steps(t, 5);
        CHECK_NEAR(tess_trainer_stat(t, "skipped"), 10, 0);
        CHECK(isfinite(tess_trainer_stat(t, "discriminator")));
        tess_trainer_free(t);
        tess_trainer_free(kept);
    }
}

/* "fault" n meets the n-th step from now. */
static void test_fault_counts_steps(void) {
    tess_trainer *t = training_new(training_configs[0]);
    CHECK_INT(tess_trainer_set(t, "fault", 3), TESS_OK);
    training_steps(t, 2);
    CHECK_NEAR(tess_trainer_stat(t, "retried"), 0, 0);
    training_steps(t, 1);
    CHECK_NEAR(tess_trainer_stat(t, "retried"), 1, 0);
    training_steps(t, 3);
    CHECK_NEAR(tess_trainer_stat(t, "retried"), 1, 0);
    CHECK_INT(tess_trainer_set(t, "fault", 0), TESS_ERR_OPTION);
    tess_trainer_free(t);
}

/* A weight that became NaN: ten steps are skipped, then the state of at most a hundred good steps ago comes back. */
static void test_last_good_state_comes_back(void) {
    tess_trainer *t = training_new(training_configs[0]), *kept = training_new(training_configs[0]);
    const size_t bytes = ts_params_floats(t->params) * sizeof(float);
    tess_trainer_set(t, "steps", 400);
    tess_trainer_set(kept, "steps", 400);
    training_steps(kept, 106); /* copies are of what steps 6 (after the codes were fitted) and 106 began with */
    training_steps(t, 150);
    t->values[3] = NAN;
    ts_weights_changed(t->weights);
    training_steps(t, 9);
    CHECK_NEAR(tess_trainer_stat(t, "skipped"), 9, 0);
    CHECK(isnan(t->values[3]));
    training_steps(t, 1);
    CHECK_NEAR(tess_trainer_stat(t, "skipped"), 10, 0);
    CHECK_BYTES(t->values, kept->values, bytes);
    CHECK_BYTES(t->ema, kept->ema, bytes);
    CHECK_BYTES(t->first, kept->first, bytes);
    CHECK_BYTES(t->second, kept->second, bytes);
    CHECK_BYTES(ts_quantizer_codebook(t->quantizer), ts_quantizer_codebook(kept->quantizer),
                2 * 16 * 4 * sizeof(float));
    CHECK_BYTES(ts_learner_sum(t->learner), ts_learner_sum(kept->learner), 2 * 16 * 4 * sizeof(float));
    CHECK_INT(t->adam_steps, kept->adam_steps);
    CHECK_INT(t->step, 160);
    training_steps(t, 5);
    CHECK_NEAR(tess_trainer_stat(t, "skipped"), 10, 0);
    CHECK(isfinite(tess_trainer_stat(t, "total")));
    tess_trainer_free(t);
    tess_trainer_free(kept);
}

/* The weight goes bad again and again: one copy comes back in a hundred steps, then the run is given up, in a state that
 * a checkpoint can hold. */
static void test_lasting_fault_is_given_up(void) {
    tess_trainer *t = training_new(training_configs[0]), *resumed = tess_trainer_new();
    const uint8_t *bytes = NULL;
    size_t size = 0;
    tess_status status = TESS_MORE;
    int tries = 0;
    tess_trainer_set(t, "steps", 400);
    training_steps(t, 20);
    for (; tries < 300 && status >= 0; tries++) {
        if (tries < 95) t->values[3] = NAN;
        else ts_graph_data(t->graph, t->x)[0] = NAN;
        ts_weights_changed(t->weights);
        status = tries < 95 ? tess_trainer_step(t) : ts_trainer_run(t, 1, 0);
    }
    CHECK_INT(status, TESS_ERR_NUMERIC);
    CHECK_INT(tries, 100);
    CHECK(strstr(tess_trainer_message(t), "100 steps in a row") != NULL);
    CHECK_INT(tess_trainer_checkpoint(t, &bytes, &size), TESS_OK);
    CHECK_INT(tess_trainer_resume(resumed, bytes, size), TESS_OK);
    tess_trainer_free(t);
    tess_trainer_free(resumed);
}

int main(void) {
    RUN(test_passing_faults_change_nothing);
    RUN(test_passing_faults_against_an_adversary);
    RUN(test_last_good_discriminator_comes_back);
    RUN(test_fault_counts_steps);
    RUN(test_last_good_state_comes_back);
    RUN(test_lasting_fault_is_given_up);
    return test_end();
}
