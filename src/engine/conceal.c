/* conceal.c - what stands in for a tile that is lost: its neighbours' edges, blended across. */
#include <string.h>

#include "base/alloc.h"
#include "engine/decoder.h"

/* Latent at (x, y) of the grid, if it lies in a tile that was read: decoded from all levels there are. */
static bool known_latent(const tess_decoder *decoder, int x, int y, float *latent) {
    const ts_tess_header *h = &decoder->header;
    if (x < 0 || y < 0 || x >= h->token_width || y >= h->token_height) return false;
    const int columns = (h->token_width + h->tile - 1) / h->tile;
    if (decoder->tile_state[y / h->tile * columns + x / h->tile] != TS_TILE_WHOLE) return false;
    const size_t area = (size_t)h->token_width * (size_t)h->token_height;
    uint16_t tokens[TS_LEVELS_MAX];
    for (int level = 0; level < decoder->levels; level++)
        tokens[level] = decoder->tokens[(size_t)level * area + (size_t)y * (size_t)h->token_width + (size_t)x];
    ts_quantizer_decode(decoder->model->quantizer, tokens, 1, decoder->levels, latent, NULL);
    return true;
}

/* The mean of the codes weighted by how often they are used: what a latent is when nothing is known. */
static void usual_latent(const tess_decoder *decoder, float *latent) {
    const ts_quantizer_config *q = &decoder->model->config.quantizer;
    const float *codes = ts_quantizer_codebook(decoder->model->quantizer);
    memset(latent, 0, (size_t)q->dim * sizeof *latent);
    for (int k = 0; k < q->size; k++)
        for (int i = 0; i < q->dim; i++) latent[i] += codes[(size_t)k * (size_t)q->dim + (size_t)i] / (float)q->size;
}

/* Blend of the latents just outside the four sides, on this row and this column, by inverse distance. */
static void blend(const tess_decoder *decoder, const ts_tess_rect *rect, int x, int y, const float *usual, float *side,
                  float *latent) {
    const int dim = decoder->model->config.quantizer.dim;
    const int at[4][2] = {{rect->x - 1, y}, {rect->x + rect->width, y}, {x, rect->y - 1}, {x, rect->y + rect->height}};
    float sum = 0;
    memset(latent, 0, (size_t)dim * sizeof *latent);
    for (int s = 0; s < 4; s++) {
        if (!known_latent(decoder, at[s][0], at[s][1], side)) continue;
        const int distance = (at[s][0] > x ? at[s][0] - x : x - at[s][0]) +
                             (at[s][1] > y ? at[s][1] - y : y - at[s][1]);
        const float weight = 1.0F / (float)distance;
        for (int i = 0; i < dim; i++) latent[i] += weight * side[i];
        sum += weight;
    }
    if (sum == 0) {
        memcpy(latent, usual, (size_t)dim * sizeof *latent);
        return;
    }
    for (int i = 0; i < dim; i++) latent[i] /= sum;
}

tess_status ts_conceal_tile(tess_decoder *decoder, int tile) {
    const ts_tess_rect rect = ts_tess_tile(&decoder->header, tile);
    const size_t dim = (size_t)decoder->model->config.quantizer.dim, columns = (size_t)rect.width;
    const size_t scratch = ts_quantizer_scratch(decoder->model->quantizer, columns);
    const size_t floats = columns * dim + 2 * dim + scratch;
    float *room = ts_alloc_floats(floats);
    if (!room) return ts_fail_memory(&decoder->error, floats * sizeof(float));
    float *latents = room, *usual = latents + columns * dim, *side = usual + dim, *work = side + dim;
    usual_latent(decoder, usual);
    for (int y = rect.y; y < rect.y + rect.height && decoder->levels > 0; y++) {
        for (int x = 0; x < rect.width; x++)
            blend(decoder, &rect, rect.x + x, y, usual, side, latents + (size_t)x * dim);
        uint16_t *row = decoder->tokens + (size_t)y * (size_t)decoder->header.token_width + (size_t)rect.x;
        ts_quantizer_encode(decoder->model->quantizer, latents, columns, 1, 0, row, NULL, work, NULL);
    }
    ts_free(room);
    return TESS_OK;
}
