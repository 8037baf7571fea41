#include "nets/config_upscaler.h"

#include "nets/config_read.h"

#define MODEL_FACTOR 8 /* latents lie on half the grid that the upscaler works on, which is a quarter of the picture */

static void read_net(const ts_json *doc, int object, const char *path, ts_upscaler_net *n, tess_status *status,
                     ts_error *err) {
    float tail[2] = {128, 3};
    int count = 2;
    if (object == TS_JSON_NONE) return;
    *n = (ts_upscaler_net){.width = 64, .blocks = 6};
    ts_section s = ts_section_open(doc, object, path, false, status, err);
    ts_section_int(&s, "width", 8, 1024, false, &n->width);
    ts_section_int(&s, "blocks", 0, TS_LAYERS_MAX, false, &n->blocks);
    ts_section_floats(&s, "tail", 2, 2, 0, 1024, tail, &count);
    n->mid = (int)tail[0];
    n->tail = (int)tail[1];
    if ((float)n->mid != tail[0] || (float)n->tail != tail[1] || n->mid < 8 || n->tail > TS_LAYERS_MAX)
        ts_section_fail(&s, "tail", "must be [channels, blocks], whole numbers from 8 and up to 64");
    ts_section_close(&s);
}

void ts_config_read_upscaler(const ts_json *doc, int object, int factor, ts_upscaler_config *u, tess_status *status,
                             ts_error *err) {
    *u = (ts_upscaler_config){0};
    if (object == TS_JSON_NONE) return;
    ts_section s = ts_section_open(doc, object, "upscaler", false, status, err);
    read_net(doc, ts_section_get(&s, "2"), "upscaler.2", &u->by2, status, err);
    read_net(doc, ts_section_get(&s, "4"), "upscaler.4", &u->by4, status, err);
    ts_section_close(&s);
    if (!ts_upscaler_any(u)) ts_section_fail(&s, "", "must describe a net for a factor: \"2\", \"4\" or both");
    if (factor != MODEL_FACTOR) ts_section_fail(&s, "", "needs a model of 8 x 8 pixels to a latent");
}
