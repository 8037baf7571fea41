/* unit.h - vectors of length one (l2 normalisation), of latents and of codes: what a quantizer with "normalize" works
 * on, as ViT-VQGAN (Yu et al. 2021, arXiv:2110.04627) and LlamaGen (Sun et al. 2024, arXiv:2406.06525) do. */
#ifndef TS_NETS_UNIT_H
#define TS_NETS_UNIT_H

#include <stddef.h>

#include "graph/graph.h"

/* For ts_graph_quantize: z / max(|z|, 1e-12) of every latent, and its gradient. */
ts_quantize_hooks ts_unit_hooks(void);
/* Rows x [rows][dim] to length one. A row that is so already, to 1e-6, keeps its bits: doing it twice changes nothing. */
void ts_unit_rows(float *x, size_t rows, size_t dim);

#endif
