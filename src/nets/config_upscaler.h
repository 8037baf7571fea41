/* config_upscaler.h - reads a config's "upscaler". Used by config.c and config_part.c only. */
#ifndef TS_NETS_CONFIG_UPSCALER_H
#define TS_NETS_CONFIG_UPSCALER_H

#include "base/json.h"
#include "nets/config.h"

/* Missing (TS_JSON_NONE): there is none. `factor`: the model's. Errors are sticky in *status. */
void ts_config_read_upscaler(const ts_json *doc, int object, int factor, ts_upscaler_config *u, tess_status *status,
                             ts_error *err);

#endif
