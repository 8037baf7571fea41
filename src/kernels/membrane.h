/* membrane.h - the surface that a membrane takes on, held at its edge: harmonic where it is free.
 *
 * It fills holes smoothly, and it is what Poisson blending (Perez, Gangnet and Blake 2003) comes down to: the surface with
 * the gradients of y inside a mask and the values of u on its edge is y plus the membrane of u - y (Farbman et al. 2009). */
#ifndef TS_KERNELS_MEMBRANE_H
#define TS_KERNELS_MEMBRANE_H

#include <stdint.h>

#include "base/status.h"

/* u: [height][width][channels]. Where open is not 0, u becomes such that each place is the mean of its neighbours (of the
 * four at its sides those inside the grid), to within about `tolerance`; elsewhere u is fixed and not touched. It begins
 * from what u holds. Without a fixed place, or without an open one, nothing is done.
 * By conjugate gradients with one multigrid cycle as the preconditioner, on grids of half the size whose conductances are
 * half the sums of those across their borders (Braess 1995). Single-threaded. Errors: MEMORY, with u as it was. */
tess_status ts_membrane(float *u, const uint8_t *open, int height, int width, int channels, float tolerance,
                        ts_error *err);

#endif
