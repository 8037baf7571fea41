/* ladder.c - lambda in a model's own measure.
 *
 * The tables were read off two stages of the photo model whose latents differ by a factor of 1.6: at 0.05, 0.1, 0.2,
 * 0.4 and 0.6 bpp (3.2 to 38 bits a place) both stood at the same places of their ladders, within a quarter of a step
 * from 0.1 bpp on.
 */
#include "engine/ladder.h"

#include <math.h>

typedef struct point {
    double at, place;
} point;

static const point QUALITIES[] = {{0, -1.0}, {10, -0.4}, {30, 0.6}, {60, 1.6}, {80, 3.0}, {95, 4.6}, {100, 6.0}};
static const point RATES[] = {{1.6, -0.7},  {3.2, -0.3},  {6.4, 1.0}, {12.8, 1.5},
                              {25.6, 2.85}, {38.4, 4.15}, {51.2, 5.5}};

/* The table's place at x, straight between its points and constant beyond them. */
static double look_up(const point *table, int count, double x) {
    if (x <= table[0].at) return table[0].place;
    for (int i = 1; i < count; i++) {
        if (x > table[i].at) continue;
        const double t = (x - table[i - 1].at) / (table[i].at - table[i - 1].at);
        return table[i - 1].place + t * (table[i].place - table[i - 1].place);
    }
    return table[count - 1].place;
}

/* Mean squared length of a level's codes over their mean length in bits, both by the shares that the lengths imply. */
static double level_lambda(const float *codes, const float *bits, int size, int dim) {
    double shares = 0, energy = 0, rate = 0;
    for (int k = 0; k < size; k++) {
        const double share = exp2(-(double)bits[k]);
        double square = 0;
        for (int i = 0; i < dim; i++)
            square += (double)codes[(size_t)k * (size_t)dim + (size_t)i] *
                      (double)codes[(size_t)k * (size_t)dim + (size_t)i];
        shares += share, energy += share * square, rate += share * (double)bits[k];
    }
    return fmax(energy / shares, 1e-12) / fmax(rate / shares, 1);
}

void ts_ladder_of(const tess_model *model, ts_ladder *ladder) {
    const ts_quantizer_config *q = &model->config.quantizer;
    const float *codes = ts_quantizer_codebook(model->quantizer), *bits = ts_quantizer_bits(model->quantizer);
    ladder->steps = q->levels;
    for (int level = 0; level < q->levels; level++, codes += (size_t)q->size * (size_t)q->dim, bits += q->size) {
        double step = log2(level_lambda(codes, bits, q->size, q->dim));
        if (level > 0) step = fmin(step, ladder->log_lambda[level - 1] - 0.1);
        ladder->log_lambda[level] = step;
    }
}

/* Lambda at a place: between steps, or as far beyond as the nearest two lie apart (2 octaves for a single step). */
static double lambda_at(const ts_ladder *ladder, double place) {
    const int last = ladder->steps - 1;
    if (last == 0) return exp2(ladder->log_lambda[0] - 2 * place);
    int low = (int)floor(place);
    low = low < 0 ? 0 : low > last - 1 ? last - 1 : low;
    const double fall = ladder->log_lambda[low + 1] - ladder->log_lambda[low];
    return exp2(ladder->log_lambda[low] + (place - low) * fall);
}

double ts_ladder_quality(const ts_ladder *ladder, double quality) {
    if (quality >= 100) return 0;
    return lambda_at(ladder, look_up(QUALITIES, sizeof QUALITIES / sizeof *QUALITIES, quality));
}

double ts_ladder_rate(const ts_ladder *ladder, double bits) {
    return lambda_at(ladder, look_up(RATES, sizeof RATES / sizeof *RATES, bits));
}
