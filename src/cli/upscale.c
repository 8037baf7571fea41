/* upscale.c - tesserae upscale: a picture two or four times as large. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cli/picture.h"
#include "cli/platform.h"
#include "cli/report.h"
#include "cli/verbs.h"

typedef struct upscale_options {
    const char *out, *model, *part;
    int factor, threads;
    double sharpness;
    bool json;
} upscale_options;

static tess_status enlarge(tess_upscaler *upscaler, const ts_image *image, const upscale_options *o) {
    tess_status status = tess_upscaler_set(upscaler, "factor", o->factor);
    if (!status) status = tess_upscaler_set(upscaler, "sharpness", o->sharpness);
    if (!status) status = tess_upscaler_set(upscaler, "threads", o->threads);
    if (status) return status;
    uint8_t *room = tess_upscaler_begin(upscaler, image->width, image->height, image->channels);
    if (!room) return TESS_ERR_INPUT;
    memcpy(room, image->pixels, (size_t)image->width * (size_t)image->height * (size_t)image->channels);
    progress bar = progress_new();
    for (status = TESS_MORE; status == TESS_MORE;) {
        status = tess_upscaler_step(upscaler);
        progress_show(&bar, "upscaling", tess_upscaler_progress(upscaler));
    }
    progress_end(&bar);
    return status;
}

static void report(const char *in, const upscale_options *o, const ts_image *large, double ms) {
    const bool piped = strcmp(o->out, "-") == 0;
    if (o->json) {
        json_line j = json_begin(stdout);
        json_text(&j, "file", in);
        json_text(&j, "output", o->out);
        json_whole(&j, "width", large->width);
        json_whole(&j, "height", large->height);
        json_real(&j, "ms", floor(ms * 10 + 0.5) / 10);
        json_end(&j);
        return;
    }
    fprintf(piped ? stderr : stdout, "%s -> %s  %d x %d  %.0f ms\n", shown_name(in), piped ? "standard output" : o->out,
            large->width, large->height, ms);
}

static bool upscale(const char *in, const tess_model *model, const upscale_options *o, char fault[FAULT_SIZE]) {
    ts_image image, large = {0};
    if (!picture_read(in, 0, &image, fault)) return false;
    tess_upscaler *upscaler = tess_upscaler_new(model);
    const double start = clock_ms();
    bool ok = upscaler && enlarge(upscaler, &image, o) == TESS_DONE;
    const double ms = clock_ms() - start;
    if (ok) {
        large.pixels = (uint8_t *)tess_upscaler_pixels(upscaler, &large.width, &large.height, &large.channels);
        ok = picture_write(o->out, &large, fault);
        if (ok) report(in, o, &large, ms);
    } else {
        snprintf(fault, FAULT_SIZE, "%.200s: %s", shown_name(in), tess_upscaler_message(upscaler));
    }
    tess_upscaler_free(upscaler);
    ts_image_free(&image);
    return ok;
}

static int run(int argc, char **argv, const char *program) {
    upscale_options o = {.factor = 4, .sharpness = 1, .threads = processors()};
    const option table[] = {
        {'o', "output", OPTION_TEXT, &o.out, 0, 0, "OUT", "the PNG (or .ppm) to write, - for standard output"},
        {'f', "factor", OPTION_INT, &o.factor, 2, 4, "F", "2 or 4 times as large along each side (4)"},
        {'s', "sharpness", OPTION_REAL, &o.sharpness, 0, 1, "S",
         "0 smooth, with the least error, to 1 sharp, with details that may have been there (1)"},
        {'m', "model", OPTION_TEXT, &o.model, 0, 0, "MODEL", "model file; the bundled photo model if left out"},
        {0, "part", OPTION_TEXT, &o.part, 0, 0, "FILE",
         "the model's upscaler; NAME.upscaler.safetensors beside the model if left out"},
        {0, "threads", OPTION_INT, &o.threads, 1, 64, "N", "threads; all processors if left out"},
        {0, "json", OPTION_FLAG, &o.json, 0, 0, NULL, "one line of JSON"},
    };
    const verb *v = &VERB_UPSCALE;
    const int count = options_parse(v, table, sizeof table / sizeof *table, argc, argv);
    if (count < 0) return count == -2 ? EXIT_OK : EXIT_USAGE;
    if (!o.out) return usage_error(v, "name the picture to write by -o");
    if (o.factor == 3) return usage_error(v, "--factor is 2 or 4, not 3");
    if (o.json && strcmp(o.out, "-") == 0)
        return usage_error(v, "--json and the picture cannot both go to standard output; give -o a name");
    char fault[FAULT_SIZE];
    tess_model *model = model_read(o.model, program, fault);
    const bool ok = model && part_read(model, "upscaler", o.part, o.model, program, fault) &&
                    upscale(argv[1], model, &o, fault);
    if (!ok) say_fault(fault);
    tess_model_free(model);
    return ok ? EXIT_OK : EXIT_FAILED;
}

const verb VERB_UPSCALE = {
    "upscale",
    "IN -o OUT",
    "a picture two or four times as large",
    "IN is a PNG, JPEG, BMP or PPM. Alpha is enlarged by the bicubic filter.",
    1,
    1,
    run,
};
