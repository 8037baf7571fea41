/* vmath.c - constants of vmath.h. */
#include "simd/vmath.h"

const float ts_exp_constants[] = {-87.3f,
                                  88.3f,
                                  0x1.8p23f,
                                  1.44269504088896341f,
                                  0.693359375f,
                                  -2.12194440e-4f, /* ln 2 in two parts */
                                  1.9875691500e-4f,
                                  1.3981999507e-3f,
                                  8.3334519073e-3f,
                                  4.1665795894e-2f,
                                  1.6666665459e-1f,
                                  5.0000001201e-1f,
                                  1.0f};
