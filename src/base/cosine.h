/* cosine.h - the one piece of a cosine that schedules need. */
#ifndef TS_BASE_COSINE_H
#define TS_BASE_COSINE_H

/* cos(pi x) for x in 0..1, to 1e-15. (The C library's brings 5 kB of tables for larger angles into WebAssembly.) */
double ts_cos_pi(double x);

#endif
