/* config_prior.h - reads a config's "prior" and "train.prior". Used by config.c and config_train.c only. */
#ifndef TS_NETS_CONFIG_PRIOR_H
#define TS_NETS_CONFIG_PRIOR_H

#include "base/json.h"
#include "nets/config.h"

/* Missing (TS_JSON_NONE): there is no prior. It must fit the quantizer. Errors are sticky in *status. */
void ts_config_read_prior(const ts_json *doc, int object, const ts_quantizer_config *q, ts_prior_config *p,
                          tess_status *status, ts_error *err);
/* Missing: not on, defaults otherwise. */
void ts_config_read_prior_train(const ts_json *doc, int object, ts_prior_train_config *t, tess_status *status,
                                ts_error *err);

#endif
