/* config_train.h - reads a config's "train". Used by config.c only. */
#ifndef TS_NETS_CONFIG_TRAIN_H
#define TS_NETS_CONFIG_TRAIN_H

#include "base/json.h"
#include "nets/config.h"

/* Missing (TS_JSON_NONE): all defaults. The quantizer gives the length of level_weights. Errors are sticky in *status. */
void ts_config_read_train(const ts_json *doc, int object, const ts_quantizer_config *q, ts_train_config *t,
                          tess_status *status, ts_error *err);

#endif
