/* pointwise.c - elementwise arithmetic. */
#include "kernels/pointwise.h"

#include "kernels/flat.h"

typedef struct flat_job {
    float *y;
    const float *a, *b;
    float scale;
} flat_job;

/* A task that stores `expression` of va (= a), vb (= b), vy (= old y) and s (= scale). Loads that it does not use are
 * dropped by the compiler. */
#define DEFINE_TASK(name, LOADS, expression)                                                                           \
    static void name(void *context, size_t begin, size_t end, int worker) {                                            \
        const flat_job *j = context;                                                                                   \
        const vf s = vf_set1(j->scale);                                                                                \
        (void)worker;                                                                                                  \
        (void)s;                                                                                                       \
        TS_FLAT_LOOP(begin, end) { LOADS vf_store_upto(j->y + i, (expression), n); }                                   \
    }
#define LOAD_A const vf va = vf_load_upto(j->a + i, n);
#define LOAD_B const vf vb = vf_load_upto(j->b + i, n);
#define LOAD_Y const vf vy = vf_load_upto(j->y + i, n);

DEFINE_TASK(add_task, LOAD_A LOAD_B, vf_add(va, vb))
DEFINE_TASK(mul_task, LOAD_A LOAD_B, vf_mul(va, vb))
DEFINE_TASK(mul_add_task, LOAD_A LOAD_B LOAD_Y, vf_madd(va, vb, vy))
DEFINE_TASK(scale_task, LOAD_A, vf_mul(va, s))
DEFINE_TASK(axpy_task, LOAD_A LOAD_Y, vf_madd(va, s, vy))
DEFINE_TASK(fill_task, , s)

static void run_flat(ts_task *task, float *y, const float *a, const float *b, float scale, size_t n, ts_pool *pool) {
    flat_job j = {y, a, b, scale};
    ts_parallel(pool, n, TS_FLAT_GRAIN, task, &j);
}

void ts_vadd(float *y, const float *a, const float *b, size_t n, ts_pool *pool) {
    run_flat(add_task, y, a, b, 0, n, pool);
}
void ts_vmul(float *y, const float *a, const float *b, size_t n, ts_pool *pool) {
    run_flat(mul_task, y, a, b, 0, n, pool);
}
void ts_vmul_add(float *y, const float *a, const float *b, size_t n, ts_pool *pool) {
    run_flat(mul_add_task, y, a, b, 0, n, pool);
}
void ts_vscale(float *y, const float *x, float scale, size_t n, ts_pool *pool) {
    run_flat(scale_task, y, x, NULL, scale, n, pool);
}
void ts_vaxpy(float *y, const float *x, float scale, size_t n, ts_pool *pool) {
    run_flat(axpy_task, y, x, NULL, scale, n, pool);
}
void ts_vfill(float *y, float value, size_t n, ts_pool *pool) { run_flat(fill_task, y, NULL, NULL, value, n, pool); }

/* ---- by rows ------------------------------------------------------------------------------------------------ */
enum { ROW_GRAIN = 256 };

typedef struct affine_job {
    float *y;
    const float *x, *scale, *shift;
    size_t channels;
} affine_job;

static void affine_task(void *context, size_t begin, size_t end, int worker) {
    const affine_job *j = context;
    (void)worker;
    for (size_t row = begin; row < end; row++) {
        const float *x = j->x + row * j->channels;
        float *y = j->y + row * j->channels;
        TS_FLAT_LOOP(0, j->channels) {
            vf v = vf_load_upto(x + i, n);
            if (j->scale) v = vf_mul(v, vf_load_upto(j->scale + i, n));
            if (j->shift) v = vf_add(v, vf_load_upto(j->shift + i, n));
            vf_store_upto(y + i, v, n);
        }
    }
}

void ts_channel_affine(float *y, const float *x, const float *scale, const float *shift, size_t rows, int channels,
                       ts_pool *pool) {
    affine_job j = {y, x, scale, shift, (size_t)channels};
    ts_parallel(pool, rows, ROW_GRAIN, affine_task, &j);
}

typedef struct columns_job {
    float *y;
    const float *x;
    size_t y_width, x_width, columns;
} columns_job;

static void columns_task(void *context, size_t begin, size_t end, int worker) {
    const columns_job *j = context;
    (void)worker;
    for (size_t row = begin; row < end; row++)
        memcpy(j->y + row * j->y_width, j->x + row * j->x_width, j->columns * sizeof(float));
}

void ts_copy_columns(float *y, int y_width, int y_first, const float *x, int x_width, int x_first, size_t rows,
                     int columns, ts_pool *pool) {
    columns_job j = {y + y_first, x + x_first, (size_t)y_width, (size_t)x_width, (size_t)columns};
    ts_parallel(pool, rows, ROW_GRAIN, columns_task, &j);
}
