/* bicubic.h - resampling by Keys' cubic filter with a = -1/2 (Keys 1981, IEEE Trans. ASSP 29), as PIL's BICUBIC does it:
 * stretched where it reduces, so that nothing aliases; taps outside the picture are left out and the others divided by their
 * sum. Not clamped. */
#ifndef TS_KERNELS_BICUBIC_H
#define TS_KERNELS_BICUBIC_H

#include "base/parallel.h"

#include <stddef.h>

/* Floats of scratch for pictures from h x w to out_h x out_w pixels of c channels, with so many threads. */
size_t ts_bicubic_scratch(int h, int out_h, int w, int out_w, int c, int threads);

/* y [out_h][out_w][c] from x [h][w][c]; no side is 0. `scratch`: as above for the pool's threads. */
void ts_bicubic(float *y, int out_h, int out_w, const float *x, int h, int w, int c, float *scratch, ts_pool *pool);

#endif
