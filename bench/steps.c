/* steps.c - what a training step costs: steps CONFIG.json [SKIP] [STEPS] prints the median of CPU time per step, one
 * thread, on made-up pictures, after SKIP (2) steps that do not count. Adversarial configs are timed in the phase that
 * the step numbers give: "from" below SKIP for the second. */
#define _POSIX_C_SOURCE 200809L
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "tesserae.h"

#define SIDE 160
#define PICTURES 8

static double cpu_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

static char *read_text(const char *path, size_t *size) {
    FILE *in = fopen(path, "rb");
    char *text = in ? malloc(1 << 16) : NULL;
    if (text) *size = fread(text, 1, 1 << 16, in);
    if (in) fclose(in);
    return text;
}

/* Slanted waves with an edge and noise; false when memory is out. */
static bool add_picture(tess_trainer *t, int number) {
    uint8_t *p = tess_trainer_add_image(t, 0, SIDE, SIDE, 3);
    for (int i = 0; p && i < SIDE * SIDE * 3; i++) {
        const int x = i / 3 % SIDE, y = i / 3 / SIDE, c = i % 3;
        const double wave = sin(x * (0.05 + 0.02 * number) + y * (0.11 - 0.01 * c));
        p[i] = (uint8_t)(110 + 70 * wave + (x > y + 5 * number ? 40 : 0) + i * 2654435761u % 13);
    }
    return p != NULL;
}

static int by_value(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static bool time_steps(tess_trainer *t, int skip, int steps) {
    double *times = calloc((size_t)steps + 1, sizeof *times);
    bool ok = times && tess_trainer_set(t, "steps", 1e6) == TESS_OK;
    for (int i = 0; i < PICTURES && ok; i++) ok = add_picture(t, i);
    for (int i = 0; i < skip + steps && ok; i++) {
        const double start = cpu_ms();
        ok = tess_trainer_step(t) >= 0;
        if (i >= skip) times[i - skip] = cpu_ms() - start;
    }
    if (ok) {
        qsort(times, (size_t)steps, sizeof *times, by_value);
        printf("%.2f ms (least %.2f), total %.4f, skipped %g\n", times[steps / 2], times[0],
               tess_trainer_stat(t, "total"), tess_trainer_stat(t, "skipped"));
    }
    free(times);
    return ok;
}

int main(int argc, char **argv) {
    size_t size = 0;
    char *json = argc > 1 ? read_text(argv[1], &size) : NULL;
    const int skip = argc > 2 ? atoi(argv[2]) : 2, steps = argc > 3 ? atoi(argv[3]) : 20;
    tess_trainer *t = json && skip >= 0 && steps > 0 ? tess_trainer_new() : NULL;
    if (!t) {
        fputs("usage: steps CONFIG.json [SKIP] [STEPS]\n", stderr);
        return 2;
    }
    const bool ok = tess_trainer_config(t, json, size) == TESS_OK && time_steps(t, skip, steps);
    if (!ok) fprintf(stderr, "%s\n", tess_trainer_message(t));
    tess_trainer_free(t);
    free(json);
    return ok ? 0 : 1;
}
