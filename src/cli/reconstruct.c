/* reconstruct.c - tesserae reconstruct: a picture through encoder, quantizer and decoder, without a file between. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cli/picture.h"
#include "cli/platform.h"
#include "cli/report.h"
#include "cli/verbs.h"

typedef struct reconstruct_options {
    const char *model;
    int threads;
    bool latents, json;
} reconstruct_options;

static tess_status encode(tess_encoder *encoder, const ts_image *image, bool latents, progress *bar) {
    tess_status status = tess_encoder_set(encoder, latents ? "latents" : "tokens_only", 1);
    uint8_t *room = tess_encoder_begin(encoder, image->width, image->height, image->channels);
    if (!room) return TESS_ERR_INPUT;
    memcpy(room, image->pixels, (size_t)image->width * (size_t)image->height * (size_t)image->channels);
    while (!status || status == TESS_MORE) {
        status = tess_encoder_step(encoder);
        progress_show(bar, "reconstruct", tess_encoder_progress(encoder) / 2);
    }
    return status;
}

static tess_status decode(tess_decoder *decoder, const tess_encoder *encoder, const ts_image *image, bool latents,
                          progress *bar) {
    int levels, height, width, dim;
    tess_status status = TESS_MORE;
    if (latents) {
        const float *from = tess_encoder_latents(encoder, &height, &width, &dim);
        float *to = tess_decoder_begin_latents(decoder, height, width, dim, image->height, image->width);
        if (!to) return TESS_ERR_INPUT;
        memcpy(to, from, (size_t)height * (size_t)width * (size_t)dim * sizeof *to);
    } else {
        const uint16_t *from = tess_encoder_tokens(encoder, &levels, &height, &width);
        uint16_t *to = tess_decoder_begin_tokens(decoder, levels, height, width, image->height, image->width);
        if (!to) return TESS_ERR_INPUT;
        memcpy(to, from, (size_t)levels * (size_t)height * (size_t)width * sizeof *to);
    }
    while (status == TESS_MORE) {
        status = tess_decoder_step(decoder);
        progress_show(bar, "reconstruct", 0.5 + tess_decoder_progress(decoder) / 2);
    }
    return status;
}

static void report(const char *in, const char *out, const ts_image *a, const ts_image *b, double ms, bool json) {
    double measures[4] = {NAN, NAN, NAN, NAN};
    tess_compare(a->pixels, b->pixels, a->width, a->height, 3, measures);
    if (json) {
        json_line j = json_begin(stdout);
        json_text(&j, "file", in);
        json_text(&j, "output", out);
        json_whole(&j, "width", a->width);
        json_whole(&j, "height", a->height);
        json_real(&j, "psnr", measures[1]);
        json_real(&j, "ssim", measures[2]);
        json_real(&j, "ms", floor(ms * 10 + 0.5) / 10);
        json_end(&j);
        return;
    }
    FILE *to = strcmp(out, "-") == 0 ? stderr : stdout;
    fprintf(to, "%s -> %s  %d x %d  %.2f dB  %.0f ms\n", shown_name(in),
            strcmp(out, "-") == 0 ? "standard output" : out, a->width, a->height, measures[1], ms);
}

static bool reconstruct(const char *in, const char *out, const tess_model *model, const reconstruct_options *o,
                        char fault[FAULT_SIZE]) {
    ts_image image, made = {0};
    const bool latents = o->latents || !tess_model_codebook(model, 0, NULL, NULL);
    if (!picture_read(in, 3, &image, fault)) return false;
    tess_encoder *encoder = tess_encoder_new(model);
    tess_decoder *decoder = tess_decoder_new(model);
    progress bar = progress_new();
    bool ok = encoder && decoder;
    if (!ok) snprintf(fault, FAULT_SIZE, "memory is out");
    const double start = clock_ms();
    if (ok) {
        tess_encoder_set(encoder, "threads", o->threads);
        tess_decoder_set(decoder, "threads", o->threads);
        ok = encode(encoder, &image, latents, &bar) == TESS_DONE;
        if (!ok) snprintf(fault, FAULT_SIZE, "%.200s: %s", shown_name(in), tess_encoder_message(encoder));
    }
    if (ok) {
        ok = decode(decoder, encoder, &image, latents, &bar) == TESS_DONE;
        if (!ok) snprintf(fault, FAULT_SIZE, "%.200s: %s", shown_name(in), tess_decoder_message(decoder));
    }
    const double ms = clock_ms() - start;
    progress_end(&bar);
    if (ok) {
        made.pixels = (uint8_t *)tess_decoder_pixels(decoder, &made.width, &made.height, &made.channels);
        ok = picture_write(out, &made, fault);
    }
    if (ok) report(in, out, &image, &made, ms, o->json);
    tess_encoder_free(encoder);
    tess_decoder_free(decoder);
    ts_image_free(&image);
    return ok;
}

static int run(int argc, char **argv, const char *program) {
    reconstruct_options o = {.threads = processors()};
    const option table[] = {
        {'m', "model", OPTION_TEXT, &o.model, 0, 0, "MODEL", "model file; the bundled photo model if left out"},
        {0, "latents", OPTION_FLAG, &o.latents, 0, 0, NULL, "leave the quantizer out"},
        {0, "threads", OPTION_INT, &o.threads, 1, 64, "N", "threads; all processors if left out"},
        {0, "json", OPTION_FLAG, &o.json, 0, 0, NULL, "one line of JSON"},
    };
    const verb *v = &VERB_RECONSTRUCT;
    const int count = options_parse(v, table, sizeof table / sizeof *table, argc, argv);
    if (count < 0) return count == -2 ? EXIT_OK : EXIT_USAGE;
    if (o.json && strcmp(argv[2], "-") == 0)
        return usage_error(v, "--json and the picture cannot both go to standard output; give OUT a name");
    char fault[FAULT_SIZE];
    tess_model *model = model_read(o.model, program, fault);
    const bool ok = model && reconstruct(argv[1], argv[2], model, &o, fault);
    if (!ok) say_fault(fault);
    tess_model_free(model);
    return ok ? EXIT_OK : EXIT_FAILED;
}

const verb VERB_RECONSTRUCT = {
    "reconstruct",
    "IN OUT",
    "a picture through a model and back",
    "Encodes, takes the nearest codes (a model without a codebook: none) and decodes; OUT is a PNG, or .ppm. Alpha is\n"
    "dropped.",
    2,
    2,
    run,
};
