#include "nets/config_part.h"

#include <inttypes.h>
#include <string.h>

#include "nets/config_prior.h"
#include "nets/config_read.h"
#include "nets/config_upscaler.h"

/* Is the part one of that model? */
static tess_status check_model(ts_section *s, const ts_config *model, uint64_t fingerprint, ts_error *err) {
    uint64_t made_for = 0;
    const int value = ts_section_get(s, "part_of");
    if (value == TS_JSON_NONE)
        return ts_fail(
            err, TESS_ERR_MODEL,
            "This file is no part of a model: its config does not say of which (part_of). A model of its own is "
            "loaded, not added.");
    if (!ts_section_fingerprint(s->doc, value, &made_for)) {
        ts_section_fail(s, "part_of", "must be a fingerprint, 16 hexadecimal digits");
        return *s->status;
    }
    if (made_for == fingerprint) return TESS_OK;
    return ts_fail(err, TESS_ERR_MODEL,
                   "This part belongs to the model %016" PRIx64 ", not to %.60s, which is %016" PRIx64
                   "; take the part that came with the model.",
                   made_for, model->name, fingerprint);
}

static tess_status parse_root(const ts_json *doc, const ts_config *model, uint64_t fingerprint, ts_part_config *part,
                              ts_error *err) {
    tess_status status = TESS_OK;
    ts_section s = ts_section_open(doc, 0, "", false, &status, err);
    ts_section_format(&s);
    if (status < 0) return status;
    status = check_model(&s, model, fingerprint, err);
    if (status < 0) return status;
    const int prior = ts_section_get(&s, "prior"), upscaler = ts_section_get(&s, "upscaler");
    static const char *const descriptions[] = {"name", "licence", "trained_on", "notes"};
    for (int i = 0; i < 4; i++) ts_section_get(&s, descriptions[i]);
    if (prior == TS_JSON_NONE && upscaler == TS_JSON_NONE) ts_section_fail(&s, "", "names neither prior nor upscaler");
    ts_section_close(&s);
    ts_config_read_prior(doc, prior, &model->quantizer, &part->prior, &status, err);
    ts_config_read_upscaler(doc, upscaler, ts_config_factor(model), &part->upscaler, &status, err);
    return status;
}

tess_status ts_config_parse_part(const char *json, size_t size, const ts_config *model, uint64_t fingerprint,
                                 ts_part_config *part, ts_error *err) {
    ts_json doc;
    memset(part, 0, sizeof *part);
    tess_status status = ts_json_parse(&doc, json, size, err);
    if (status < 0) return status == TESS_ERR_FORMAT ? TESS_ERR_INPUT : status;
    status = parse_root(&doc, model, fingerprint, part, err);
    ts_json_free(&doc);
    return status;
}
