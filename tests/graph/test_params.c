/* Parameter descriptions: names, shapes, offsets, and the two orders of conv weights. */
#include "test.h"

#include "graph/params.h"

static void test_layouts(void) {
    ts_params *p = NULL;
    float file[24], memory[64] = {0}, back[24];
    CHECK_INT(ts_params_new(&p, NULL), TESS_OK);
    CHECK_INT(ts_params_add(p, "bias", TS_PARAM_PLAIN, 1, (int[]){3}, NULL), TESS_OK);
    CHECK_INT(ts_params_add(p, "weight", TS_PARAM_CONV, 4, (int[]){3, 2, 2, 2}, NULL), TESS_OK);
    const ts_param *w = ts_params_at(p, ts_params_find(p, "weight"));
    CHECK_INT(w->offset % 16, 0);
    CHECK(w->offset >= 3);
    CHECK_INT(w->count, 24);
    CHECK_INT(ts_params_total(p), 27);
    CHECK(ts_params_floats(p) >= w->offset + 24);
    for (int i = 0; i < 24; i++) file[i] = (float)i;
    ts_param_read(w, memory, file);
    for (int o = 0; o < 3; o++) { /* file O I kh kw -> memory kh kw I O */
        for (int i = 0; i < 2; i++) {
            for (int t = 0; t < 4; t++)
                CHECK_NEAR(memory[w->offset + (size_t)((t * 2 + i) * 3 + o)], (o * 2 + i) * 4 + t, 0);
        }
    }
    ts_param_write(w, memory, back);
    CHECK_BYTES(back, file, sizeof file);
    ts_params_free(p);
}

/* A linear layer's [out][in] is a convolution of one tap; its rank stays 2 for files. */
static void test_linear(void) {
    ts_params *p = NULL;
    float file[6], memory[16] = {0}, back[6];
    CHECK_INT(ts_params_new(&p, NULL), TESS_OK);
    CHECK_INT(ts_params_add(p, "weight", TS_PARAM_CONV, 2, (int[]){3, 2}, NULL), TESS_OK);
    const ts_param *w = ts_params_at(p, 0);
    CHECK(w->rank == 2 && w->dims[2] == 1 && w->dims[3] == 1 && w->count == 6);
    for (int i = 0; i < 6; i++) file[i] = (float)i;
    ts_param_read(w, memory, file);
    for (int o = 0; o < 3; o++)
        for (int i = 0; i < 2; i++) CHECK_NEAR(memory[i * 3 + o], file[o * 2 + i], 0);
    ts_param_write(w, memory, back);
    CHECK_BYTES(back, file, sizeof file);
    ts_params_free(p);
}

/* A split store: weights as float16, the rest as floats, each entry at its place; both kinds read back alike. */
static void test_split(void) {
    ts_params *p = NULL;
    float file[24], values[64] = {0}, back[24];
    uint16_t halves[64] = {0};
    CHECK_INT(ts_params_new(&p, NULL), TESS_OK);
    CHECK_INT(ts_params_add(p, "w1", TS_PARAM_CONV, 4, (int[]){2, 2, 3, 1}, NULL), TESS_OK);
    CHECK_INT(ts_params_add(p, "b1", TS_PARAM_PLAIN, 1, (int[]){3}, NULL), TESS_OK);
    CHECK_INT(ts_params_add(p, "w2", TS_PARAM_CONV, 4, (int[]){3, 2, 2, 2}, NULL), TESS_OK);
    CHECK_INT(ts_params_add(p, "b2", TS_PARAM_PLAIN, 1, (int[]){2}, NULL), TESS_OK);
    CHECK_INT(ts_params_split(p, TS_PARAM_CONV), 48);
    CHECK_INT(ts_params_split(p, TS_PARAM_PLAIN), 32);
    CHECK_INT(ts_params_largest(p), 24);
    for (int i = 0; i < ts_params_count(p); i++) {
        const ts_param *e = ts_params_at(p, i);
        for (size_t k = 0; k < e->count; k++) file[k] = (float)(i * 100) + (float)k + 0.25f;
        ts_param_read_split(e, values, halves, file);
    }
    CHECK_NEAR(values[16], 300.25, 0); /* b2 comes after b1, whatever lies between them in the description */
    for (int i = 0; i < ts_params_count(p); i++) {
        const ts_param *e = ts_params_at(p, i);
        ts_param_write_store(e, (ts_store){values, halves}, back);
        test_row("%s", e->name);
        for (size_t k = 0; k < e->count; k++) CHECK_NEAR(back[k], (float)(i * 100) + (float)k + 0.25f, 0);
    }
    const ts_param *w = ts_params_at(p, 2);
    CHECK_INT(halves[w->split + 3], 0x5a62); /* 204.25, file [0][1][0][0]: memory is [tap][in][out] */
    ts_params_free(p);
}

static void test_add_twice(void) {
    ts_params *p = NULL;
    ts_error err = {{0}};
    CHECK_INT(ts_params_new(&p, NULL), TESS_OK);
    CHECK_INT(ts_params_add(p, "a", TS_PARAM_PLAIN, 2, (int[]){3, 4}, &err), TESS_OK);
    CHECK_INT(ts_params_add(p, "a", TS_PARAM_PLAIN, 2, (int[]){3, 4}, &err), TESS_OK);
    CHECK_INT(ts_params_count(p), 1);
    CHECK_INT(ts_params_add(p, "a", TS_PARAM_PLAIN, 2, (int[]){4, 3}, &err), TESS_ERR_INPUT);
    CHECK_TEXT(err.text, "Parameter a is declared twice with different shapes.");
    CHECK_INT(
        ts_params_add(p, "a name that is longer than any that a config can give", TS_PARAM_PLAIN, 1, (int[]){1}, &err),
        TESS_ERR_INPUT);
    const int huge[4] = {1 << 30, 1 << 30, 1 << 10, 1};
    CHECK_INT(ts_params_add(p, "h", TS_PARAM_PLAIN, 4, huge, &err), TESS_ERR_TOO_LARGE);
    CHECK_INT(ts_params_find(p, "none"), -1);
    for (int i = 0; i < 100; i++) {
        char name[16];
        snprintf(name, sizeof name, "n%d", i);
        CHECK_INT(ts_params_add(p, name, TS_PARAM_PLAIN, 1, (int[]){i + 1}, &err), TESS_OK);
    }
    CHECK_INT(ts_params_count(p), 101);
    CHECK_INT(ts_params_at(p, ts_params_find(p, "n70"))->count, 71);
    ts_params_free(p);
}

int main(void) {
    RUN(test_layouts);
    RUN(test_linear);
    RUN(test_split);
    RUN(test_add_twice);
    return test_end();
}
