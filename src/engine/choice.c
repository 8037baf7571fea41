/* choice.c - rate-distortion choice of tokens, level by level in coding order. */
#include "engine/choice.h"

#include <float.h>
#include <string.h>

#include "base/alloc.h"
#include "base/size.h"
#include "kernels/vq.h"

#define SETTLED (-FLT_MAX) /* the score of a first candidate that needs no weighing */

/* What level 0 saves, the levels above have to pay for: it gets a smaller lambda. First photo model, 8 images of
 * photos-dev, 0.1 bpp: LPIPS .1653 at 1, .1624 at .5, .1608 at .25; 0.2 bpp: .1236 at 1, .1226 at .4 and .2. */
static const float LEVEL_0_LAMBDA = 0.35F;
static const float STATIC_ERROR =
    6; /* bits: how wrong static code lengths are taken to be against each other at most */

static size_t packed_floats(const ts_quantizer_config *q) { return ts_vq_packed(q->size, q->dim); }

tess_status ts_choice_books_init(ts_choice_books *books, const tess_model *model, ts_error *err) {
    const ts_quantizer_config *q = &model->config.quantizer;
    *books = (ts_choice_books){.model = model, .keep = 1, .levels = q->levels};
    const size_t floats = packed_floats(q) * (size_t)q->levels;
    books->packed = ts_alloc_floats(floats);
    return books->packed ? TESS_OK : ts_fail_memory(err, floats * sizeof(float));
}

void ts_choice_books_free(ts_choice_books *books) {
    ts_free(books->packed);
    books->packed = NULL;
}

void ts_choice_books_set(ts_choice_books *books, float lambda, int keep) {
    const ts_quantizer_config *q = &books->model->config.quantizer;
    const size_t size = (size_t)q->size, dim = (size_t)q->dim;
    const float *codes = ts_quantizer_codebook(books->model->quantizer),
                *bits = ts_quantizer_bits(books->model->quantizer);
    books->keep = keep < q->size ? keep : q->size;
    for (int level = 0; level < q->levels; level++, codes += size * dim, bits += size) {
        books->lambda[level] = level == 0 && q->levels > 1 ? lambda * LEVEL_0_LAMBDA : lambda;
        ts_vq_pack(books->packed + (size_t)level * packed_floats(q), codes, bits, books->lambda[level], q->size,
                   q->dim);
        /* Any other code costs at least lambda * (its bits): with the cheapest of them, code 0 wins up to this |r|^2.
         * The adaptive cost differs from the static one, hence the margin. */
        float cheapest = 16;
        for (size_t k = 1; k < size; k++) cheapest = bits[k] < cheapest ? bits[k] : cheapest;
        books->zero_below[level] = level == 0 ? 0 : 0.7F * books->lambda[level] * (cheapest - bits[0]);
    }
}

tess_status ts_chooser_init(ts_chooser *chooser, const tess_model *model, int side, bool predict, ts_error *err) {
    const ts_quantizer_config *q = &model->config.quantizer;
    const size_t room = ts_max_size((size_t)side * (TS_CHOICE_KEEP + 1),
                                    ts_quantizer_scratch(model->quantizer, (size_t)side));
    bool over = false;
    const size_t floats = ts_mul(ts_mul((size_t)side, (size_t)side, &over), (size_t)q->dim, &over);
    *chooser = (ts_chooser){.model = model, .side = side};
    if (over) return ts_fail_memory(err, SIZE_MAX);
    chooser->residual = ts_alloc_floats(floats);
    chooser->candidates = ts_alloc(room * sizeof(uint16_t));
    chooser->scores = ts_alloc_floats(room);
    chooser->costs = ts_alloc((TS_CHOICE_KEEP + 1) * sizeof(uint32_t));
    if (!chooser->residual || !chooser->candidates || !chooser->scores || !chooser->costs)
        return ts_fail_memory(err, floats * sizeof(float));
    return ts_entropy_coder_new(&chooser->coder, model->entropy, predict, err);
}

void ts_chooser_free(ts_chooser *chooser) {
    ts_entropy_coder_free(chooser->coder);
    ts_free(chooser->residual);
    ts_free(chooser->candidates);
    ts_free(chooser->scores);
    ts_free(chooser->costs);
    memset(chooser, 0, sizeof *chooser);
}

static float squared_length(const float *r, int dim) {
    float sum = 0;
    for (int i = 0; i < dim; i++) sum += r[i] * r[i];
    return sum;
}

/* The cheapest of the candidates at the coder's position, where bits weigh `masking` times lambda. scores: static
 * costs without |r|^2. Code 0 of an upper level is always weighed too: |r - 0|^2 is its whole distortion, so its score
 * without |r|^2 is its rate alone. */
static uint16_t best_candidate(ts_chooser *chooser, const ts_choice_books *books, int level, float masking,
                               uint16_t *candidates, float *scores) {
    const float *bits = ts_quantizer_bits(books->model->quantizer) +
                        (size_t)level * (size_t)books->model->config.quantizer.size;
    const float lambda = books->lambda[level];
    const float hopeless = scores[0] + lambda * STATIC_ERROR;
    int count = books->keep;
    while (count > 1 && scores[count - 1] > hopeless) count--;
    if (level > 0) {
        bool has_zero = false;
        for (int i = 0; i < count; i++) has_zero |= candidates[i] == 0;
        if (!has_zero) {
            candidates[count] = 0;
            scores[count++] = lambda * bits[0];
        }
    }
    ts_entropy_costs(chooser->coder, count, candidates, chooser->costs);
    uint16_t best = candidates[0];
    float best_cost = 0;
    for (int i = 0; i < count; i++) {
        const float rate = (float)chooser->costs[i] * (1.0F / TS_ENTROPY_COST_ONE);
        const float cost = scores[i] + lambda * (masking * rate - bits[candidates[i]]);
        if (i > 0 && cost >= best_cost) continue;
        best = candidates[i];
        best_cost = cost;
    }
    return best;
}

/* Candidates for the tokens of one row whose residual is worth coding; the others are settled as code 0. */
static void row_candidates(ts_chooser *chooser, const ts_choice_books *books, int level, const float *residual,
                           const float *masking, int width) {
    const ts_quantizer_config *q = &books->model->config.quantizer;
    const float *packed = books->packed + (size_t)level * packed_floats(q);
    const size_t stride = TS_CHOICE_KEEP + 1;
    for (int x = 0; x < width;) {
        int end = x;
        while (end < width && squared_length(residual + (size_t)end * (size_t)q->dim, q->dim) >=
                                  books->zero_below[level] * masking[end])
            end++;
        if (end == x) {
            chooser->candidates[(size_t)x * stride] = 0;
            chooser->scores[(size_t)x * stride] = SETTLED;
            x++;
            continue;
        }
        /* lookups are made for a run of tokens, then spread out to leave room for code 0 */
        const size_t rows = (size_t)(end - x), keep = (size_t)books->keep;
        uint16_t *index = chooser->candidates + (size_t)x * stride;
        float *score = chooser->scores + (size_t)x * stride;
        if (keep == 1)
            ts_vq_lookup(index, score, residual + (size_t)x * (size_t)q->dim, (size_t)q->dim, packed, rows, q->size,
                         q->dim, NULL);
        else
            ts_vq_best(index, score, books->keep, residual + (size_t)x * (size_t)q->dim, (size_t)q->dim, packed, rows,
                       q->size, q->dim, NULL);
        for (size_t r = rows; r-- > 1;) {
            memmove(index + r * stride, index + r * keep, keep * sizeof *index);
            memmove(score + r * stride, score + r * keep, keep * sizeof *score);
        }
        x = end;
    }
}

static tess_status choose_level(ts_chooser *chooser, const ts_choice_books *books, int level, const float *masking,
                                size_t row_stride, const ts_token_view *view, bool *used) {
    const ts_quantizer_config *q = &books->model->config.quantizer;
    const size_t dim = (size_t)q->dim, stride = TS_CHOICE_KEEP + 1;
    const float *codes = ts_quantizer_codebook(books->model->quantizer) + (size_t)level * (size_t)q->size * dim;
    const tess_status status = ts_entropy_begin(chooser->coder, level, view, &chooser->error);
    if (status) return status;
    for (int y = 0; y < view->height; y++) {
        float *residual = chooser->residual + (size_t)y * (size_t)view->width * dim;
        const float *weights = masking + (size_t)y * row_stride;
        row_candidates(chooser, books, level, residual, weights, view->width);
        for (int x = 0; x < view->width; x++, residual += dim) {
            uint16_t *candidates = chooser->candidates + (size_t)x * stride;
            float *scores = chooser->scores + (size_t)x * stride;
            const bool settled = books->keep == 1 || scores[0] == SETTLED;
            const uint16_t k = settled ? candidates[0]
                                       : best_candidate(chooser, books, level, weights[x], candidates, scores);
            ts_entropy_put(chooser->coder, k);
            *used |= k != 0;
            const float *code = codes + k * dim;
            for (size_t i = 0; i < dim; i++) residual[i] -= code[i];
        }
    }
    return TESS_OK;
}

/* FSQ and LFQ have one code per latent and no choice to make. */
static tess_status choose_only(ts_chooser *chooser, const ts_token_view *view) {
    for (int y = 0; y < view->height; y++)
        ts_quantizer_encode(
            chooser->model->quantizer,
            chooser->residual + (size_t)y * (size_t)view->width * (size_t)chooser->model->config.quantizer.dim,
            (size_t)view->width, 1, 0, view->tokens + (size_t)y * view->row_stride, NULL, chooser->scores, NULL);
    tess_status status = ts_entropy_begin(chooser->coder, 0, view, &chooser->error);
    for (int y = 0; y < view->height && !status; y++)
        for (int x = 0; x < view->width; x++)
            ts_entropy_put(chooser->coder, view->tokens[(size_t)y * view->row_stride + (size_t)x]);
    return status;
}

tess_status ts_choose(ts_chooser *chooser, const ts_choice_books *books, const float *latents, const float *masking,
                      size_t row_stride, const ts_token_view *view, uint64_t cost[TS_LEVELS_MAX],
                      bool used[TS_LEVELS_MAX]) {
    const ts_quantizer_config *q = &books->model->config.quantizer;
    const size_t dim = (size_t)q->dim;
    ts_clear(&chooser->error);
    memset(cost, 0, TS_LEVELS_MAX * sizeof *cost);
    memset(used, 0, TS_LEVELS_MAX * sizeof *used);
    for (int y = 0; y < view->height; y++)
        memcpy(chooser->residual + (size_t)y * (size_t)view->width * dim, latents + (size_t)y * row_stride * dim,
               (size_t)view->width * dim * sizeof(float));
    for (int level = 0; level < q->levels; level++) {
        tess_status status;
        if (q->type == TS_QUANTIZER_FSQ || q->type == TS_QUANTIZER_LFQ) status = choose_only(chooser, view);
        else if (level < books->levels)
            status = choose_level(chooser, books, level, masking, row_stride, view, &used[level]);
        else {
            for (int y = 0; y < view->height; y++)
                memset(view->tokens + (size_t)level * view->level_stride + (size_t)y * view->row_stride, 0,
                       (size_t)view->width * sizeof(uint16_t));
            continue;
        }
        if (status) return status;
        cost[level] = ts_entropy_cost(chooser->coder);
    }
    used[0] = true;
    return TESS_OK;
}
