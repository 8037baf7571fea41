#include "nets/tree.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

#define POWER_STEPS 40

typedef struct ranked {
    double at; /* along the principal axis */
    int code;
} ranked;

typedef struct tree {
    const float *codes;
    int dim;
    bool zero_first;
    ranked *list;
    double *mean, *axis, *next; /* [dim] */
} tree;

static double dot(const tree *t, int code, const double *v) {
    const float *c = t->codes + (size_t)code * (size_t)t->dim;
    double sum = 0;
    for (int i = 0; i < t->dim; i++) sum += (c[i] - t->mean[i]) * v[i];
    return sum;
}

/* axis <- normalised (sum of (c - mean) (c - mean)^T) axis. False when nothing is left (all codes equal). */
static bool power_step(tree *t, const ranked *list, int n) {
    double length = 0;
    memset(t->next, 0, (size_t)t->dim * sizeof *t->next);
    for (int i = 0; i < n; i++) {
        const float *c = t->codes + (size_t)list[i].code * (size_t)t->dim;
        double along = dot(t, list[i].code, t->axis);
        for (int k = 0; k < t->dim; k++) t->next[k] += along * (c[k] - t->mean[k]);
    }
    for (int k = 0; k < t->dim; k++) length += t->next[k] * t->next[k];
    if (!(length > 1e-60)) return false;
    for (int k = 0; k < t->dim; k++) t->axis[k] = t->next[k] / sqrt(length);
    return true;
}

/* The principal axis of list[0..n), by power iteration from the direction of the code farthest from the mean. */
static void find_axis(tree *t, const ranked *list, int n) {
    double most = -1;
    memset(t->mean, 0, (size_t)t->dim * sizeof *t->mean);
    for (int i = 0; i < n; i++) {
        for (int k = 0; k < t->dim; k++)
            t->mean[k] += (double)t->codes[(size_t)list[i].code * (size_t)t->dim + (size_t)k] / n;
    }
    for (int i = 0; i < n; i++) {
        const float *c = t->codes + (size_t)list[i].code * (size_t)t->dim;
        double far = 0;
        for (int k = 0; k < t->dim; k++) far += (c[k] - t->mean[k]) * (c[k] - t->mean[k]);
        if (far <= most) continue;
        most = far;
        for (int k = 0; k < t->dim; k++) t->axis[k] = c[k] - t->mean[k];
    }
    for (int i = 0; i < POWER_STEPS && power_step(t, list, n); i++) {}
}

static int by_rank(const void *a, const void *b) {
    const ranked *x = a, *y = b;
    if (x->at != y->at) return x->at < y->at ? -1 : 1;
    return x->code - y->code;
}

static void reverse(ranked *list, int n) {
    for (int i = 0; i < n / 2; i++) {
        ranked r = list[i];
        list[i] = list[n - 1 - i];
        list[n - 1 - i] = r;
    }
}

/* Orders list[0..n): the first `half` (the largest power of two below n) are those whose next index bit is 0. */
static void split(tree *t, ranked *list, int n) {
    int half = 1, zero = 0;
    if (n < 2) return;
    while (half * 2 < n) half *= 2;
    find_axis(t, list, n);
    for (int i = 0; i < n; i++) list[i].at = dot(t, list[i].code, t->axis);
    qsort(list, (size_t)n, sizeof *list, by_rank);
    while (zero < n && list[zero].code != 0) zero++;
    if (t->zero_first && zero < n && zero >= half) reverse(list, n);
    split(t, list, half);
    split(t, list + half, n - half);
}

tess_status ts_tree_order(const float *codes, int size, int dim, bool zero_first, int *order, ts_error *err) {
    size_t doubles = 3 * (size_t)dim;
    tree t = {.codes = codes, .dim = dim, .zero_first = zero_first};
    t.list = ts_calloc((size_t)size, sizeof *t.list);
    t.mean = ts_calloc(doubles, sizeof *t.mean);
    if (!t.list || !t.mean) {
        ts_free(t.list);
        ts_free(t.mean);
        return ts_fail_memory(err, (size_t)size * sizeof *t.list + doubles * sizeof *t.mean);
    }
    t.axis = t.mean + dim;
    t.next = t.axis + dim;
    for (int i = 0; i < size; i++) t.list[i].code = i;
    split(&t, t.list, size);
    for (int i = 0; i < size; i++) order[i] = t.list[i].code;
    ts_free(t.list);
    ts_free(t.mean);
    return TESS_OK;
}
