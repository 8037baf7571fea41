/* The prior against the PyTorch twin (tests/fixtures/twin/README.md): words, orders and schedules exactly; logits, loss,
 * gradients and six training steps to float error. */
#include "test.h"

#include <stdlib.h>

#include "engine/trainer.h"
#include "nets/halton.h"
#include "twin.h"

enum { BATCH = 4, STEPS = 6, WORDS = 4, BUCKETS = 4096 };

static twin_file tables;

/* ---- integers ---------------------------------------------------------------------------------------------------- */

/* Text i of the tables as bytes (free), *size of them; NULL: there is none. */
static char *text_of(int i, size_t *size) {
    char name[24];
    snprintf(name, sizeof name, "text.%d", i);
    float *bytes = twin_floats(&tables, "", name, size);
    if (!bytes) return NULL;
    char *text = malloc(*size + 1);
    for (size_t k = 0; k < *size; k++) text[k] = (char)(uint8_t)bytes[k];
    free(bytes);
    return text;
}

static void test_words(void) {
    int count = 0;
    for (size_t size; count < 100; count++) {
        char *text = text_of(count, &size), name[24];
        if (!text) break;
        int32_t rows[WORDS * TS_TEXT_FEATURES];
        size_t n = 0;
        snprintf(name, sizeof name, "rows.%d", count);
        test_row("%s", name);
        float *want = twin_floats(&tables, "", name, &n);
        ts_text_rows(text, size, WORDS, BUCKETS, rows);
        if (CHECK(want && n == WORDS * TS_TEXT_FEATURES))
            for (size_t k = 0; k < n; k++) CHECK_INT(rows[k], want[k]);
        free(want);
        free(text);
    }
    CHECK(count >= 8);
}

static void test_orders_and_schedules(void) {
    int found = 0;
    for (size_t i = 0; i < ts_safetensors_count(tables.file); i++) {
        const ts_file_tensor *t = ts_safetensors_at(tables.file, i);
        int a, b, order[256];
        bool seen[256];
        size_t n = 0;
        const bool halton = sscanf(t->name, "halton.%dx%d", &a, &b) == 2;
        if (!halton && sscanf(t->name, "schedule.%dx%d", &a, &b) != 2) continue;
        test_row("%s", t->name);
        float *want = twin_floats(&tables, "", t->name, &n);
        if (halton && CHECK(n == (size_t)(a * b) && n <= 256)) {
            ts_halton_order(a, b, order, seen);
            for (size_t k = 0; k < n; k++) CHECK_INT(order[k], want[k]);
        }
        for (int step = 0, left = a; !halton && step < (int)n; step++) {
            if (left) left = ts_prior_masked_after(step, b, a, left);
            CHECK_INT(left, want[step]);
        }
        found++;
        free(want);
    }
    CHECK(found >= 6);
}

/* ---- floats ------------------------------------------------------------------------------------------------------ */

/* A trainer at the start of a case, its graph made, and what the twin says. */
typedef struct prior_case {
    twin_file model, values;
    tess_trainer *trainer;
    int places, codes;
} prior_case;

static bool open_case(prior_case *c, const char *name) {
    char file[64];
    *c = (prior_case){.model = twin_open(name), .trainer = tess_trainer_new()};
    snprintf(file, sizeof file, "%s_values", name);
    c->values = twin_open(file);
    test_row("%s", name);
    if (!CHECK(c->model.file && c->values.file)) return false;
    const char *json = ts_safetensors_metadata(c->model.file, "tesserae");
    tess_trainer *t = c->trainer;
    if (!CHECK(tess_trainer_config(t, json, strlen(json)) == TESS_OK &&
               tess_trainer_init(t, c->model.bytes, c->model.size) == TESS_OK &&
               ts_prior_trainer_ready(t) == TESS_OK)) {
        printf("%s\n", tess_trainer_message(t));
        return false;
    }
    c->places = t->config.prior.rows * t->config.prior.columns;
    c->codes = t->config.quantizer.size;
    return true;
}

static void close_case(prior_case *c) {
    tess_trainer_free(c->trainer);
    twin_close(&c->model);
    twin_close(&c->values);
}

/* The condition of sample i of a batch; rows: scratch. */
static ts_condition condition_of(const prior_case *c, int batch, int i, int32_t *rows) {
    const ts_prior_config *p = &c->trainer->config.prior;
    ts_condition out = {NULL, -1};
    size_t n = 0;
    if (p->words) {
        char *text = text_of(i, &n);
        if (text) ts_text_rows(text, n, p->words, p->buckets, rows);
        free(text);
        out.rows = rows;
    } else if (p->classes) {
        float *label = twin_floats(&c->values, "", "label", &n);
        out.label = (int)label[batch * BATCH + i];
        free(label);
    }
    return out;
}

/* Fills the graph's inputs with a batch; `free_of`: no sample has a condition. */
static void fill(const prior_case *c, int batch, bool free_of) {
    ts_prior_trainer *p = c->trainer->prior;
    size_t n = 0;
    float *tokens = twin_floats(&c->values, "", "tokens", &n), *masked = twin_floats(&c->values, "", "masked", &n);
    float *places = twin_floats(&c->values, "", "places", &n), *given = twin_floats(&c->values, "", "given", &n);
    float *x = ts_graph_data(p->graph, p->net.tokens), *target = ts_graph_data(p->graph, p->target);
    int32_t rows[WORDS * TS_TEXT_FEATURES];
    const int first = batch * BATCH * c->places;
    for (int i = 0; i < BATCH * c->places; i++) {
        x[i] = masked[first + i];
        target[i] = places[first + i] != 0 ? tokens[first + i] : -1;
    }
    for (int i = 0; i < BATCH; i++) {
        const bool conditioned = !free_of && given[batch * BATCH + i] != 0;
        ts_prior_condition(&p->net, p->graph, i,
                           conditioned ? condition_of(c, batch, i, rows) : (ts_condition){NULL, -1});
    }
    free(tokens);
    free(masked);
    free(places);
    free(given);
}

static void check_error(const char *what, const float *got, const float *want, size_t n, double limit) {
    const double error = twin_error(got, want, n);
    test_check(error <= limit, __FILE__, __LINE__, "%s off by %.2g", what, error);
}

static void check_values(const prior_case *c, const char *name, const float *got, size_t count, double limit) {
    size_t n = 0;
    float *want = twin_floats(&c->values, "", name, &n);
    if (CHECK(want && n == count)) check_error(name, got, want, n, limit);
    free(want);
}

/* Every parameter of a store against the file's tensors "prefix" + name. The bias of keys has no gradient but rounding. */
static void check_store(const prior_case *c, const char *prefix, const float *store, double limit) {
    const ts_params *params = c->trainer->prior->params;
    for (int i = 0; i < ts_params_count(params); i++) {
        const ts_param *p = ts_params_at(params, i);
        size_t n = 0;
        float *want = twin_floats(&c->values, prefix, p->name, &n), *got = malloc(p->count * sizeof *got);
        ts_param_write(p, store, got);
        if (!CHECK(want && n == p->count)) printf("    %s%s\n", prefix, p->name);
        if (want && strstr(p->name, "qkv.bias"))
            for (size_t k = n / 3; k < n / 3 * 2; k++) got[k] = want[k];
        if (want) check_error(p->name, got, want, n, limit);
        free(want);
        free(got);
    }
}

static void test_gradients(void) {
    static const char *const names[] = {"prior_text", "prior_class", "prior_plain"};
    for (int i = 0; i < 3; i++) {
        prior_case c;
        if (open_case(&c, names[i])) {
            ts_prior_trainer *p = c.trainer->prior;
            const size_t logits = (size_t)(BATCH * c.places) * (size_t)c.codes;
            fill(&c, 0, false);
            ts_graph_forward(p->graph, NULL);
            check_values(&c, "logits", ts_graph_data(p->graph, p->net.logits), logits, 1e-5);
            check_values(&c, "loss", ts_graph_data(p->graph, p->loss), 1, 1e-5);
            ts_graph_backward(p->graph, NULL);
            check_store(&c, "grad.", p->grads, 1e-4);
            if (i < 2) {
                fill(&c, 0, true);
                ts_graph_forward(p->graph, NULL);
                check_values(&c, "logits.free", ts_graph_data(p->graph, p->net.logits), logits, 1e-5);
            }
        }
        close_case(&c);
    }
}

static void test_steps(void) {
    static const char *const names[] = {"prior_text", "prior_class"};
    for (int i = 0; i < 2; i++) {
        prior_case c;
        size_t n = 0;
        if (open_case(&c, names[i])) {
            float *loss = twin_floats(&c.values, "", "train.loss", &n),
                  *norm = twin_floats(&c.values, "", "train.norm", &n);
            for (int step = 0; step < STEPS && loss && norm; step++) {
                fill(&c, step, false);
                CHECK_INT(ts_prior_trainer_run(c.trainer), TESS_OK);
                CHECK_NEAR(tess_trainer_stat(c.trainer, "total"), loss[step], 1e-4 * loss[step]);
                CHECK_NEAR(tess_trainer_stat(c.trainer, "grad_norm"), norm[step], 1e-3 * norm[step]);
            }
            const bool whole = ts_safetensors_find(c.values.file, "final.prior.norm.bias") != NULL;
            if (whole) check_store(&c, "final.", c.trainer->prior->values, 1e-3);
            if (whole) check_store(&c, "ema.final.", c.trainer->prior->ema, 1e-3);
            CHECK(loss && norm && (whole || i == 0));
            free(loss);
            free(norm);
        }
        close_case(&c);
    }
}

int main(void) {
    tables = twin_open("prior_tables");
    if (CHECK(tables.file)) {
        RUN(test_words);
        RUN(test_orders_and_schedules);
        RUN(test_gradients);
        RUN(test_steps);
    }
    twin_close(&tables);
    return test_end();
}
