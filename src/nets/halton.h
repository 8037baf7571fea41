/* halton.h - a fixed order of a grid's places in which every beginning is spread evenly (Halton 1960; for MaskGIT:
 * Besnier et al. 2025, arXiv:2503.17076). */
#ifndef TS_NETS_HALTON_H
#define TS_NETS_HALTON_H

#include <stdbool.h>

/* order <- all places (row * columns + column) of a grid, each once, as points 1, 2, .. of the Halton sequence fall on
 * them: the radical inverse of base 2 is the row, that of base 3 the column, scaled to the grid and floored. `seen`:
 * scratch of rows * columns. */
void ts_halton_order(int rows, int columns, int *order, bool *seen);

#endif
