/* eval.c - tesserae eval: rate and quality over a folder of pictures. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/picture.h"
#include "cli/platform.h"
#include "cli/report.h"
#include "cli/verbs.h"

typedef struct score {
    double bpp, psnr, ssim, ms_ssim, encode_ms, decode_ms;
    int images, exact; /* pictures that came back exactly have no PSNR */
} score;

typedef struct coder {
    tess_model *model;
    tess_encoder *encoder;
    tess_decoder *decoder;
} coder;

static tess_status encode(coder *c, const ts_image *image, const uint8_t **bytes, size_t *size) {
    uint8_t *room = tess_encoder_begin(c->encoder, image->width, image->height, image->channels);
    if (!room) return TESS_ERR_INPUT;
    memcpy(room, image->pixels, (size_t)image->width * (size_t)image->height * (size_t)image->channels);
    tess_status status;
    while ((status = tess_encoder_step(c->encoder)) == TESS_MORE) continue;
    *bytes = tess_encoder_bytes(c->encoder, size);
    return status;
}

static tess_status decode(coder *c, const uint8_t *bytes, size_t size) {
    uint8_t *room = tess_decoder_begin(c->decoder, size);
    if (!room) return TESS_ERR_MEMORY;
    memcpy(room, bytes, size);
    tess_status status;
    while ((status = tess_decoder_step(c->decoder)) == TESS_MORE) continue;
    return status;
}

static bool measure(coder *c, const char *name, const ts_image *image, score *one, char fault[FAULT_SIZE]) {
    const uint8_t *bytes;
    size_t size;
    const double t0 = clock_ms();
    if (encode(c, image, &bytes, &size) < 0) {
        snprintf(fault, FAULT_SIZE, "%.200s: %s", name, tess_encoder_message(c->encoder));
        return false;
    }
    const double t1 = clock_ms();
    if (decode(c, bytes, size) < 0) {
        snprintf(fault, FAULT_SIZE, "%.200s: %s", name, tess_decoder_message(c->decoder));
        return false;
    }
    const double t2 = clock_ms();
    int width, height, channels;
    double figures[4];
    const uint8_t *pixels = tess_decoder_pixels(c->decoder, &width, &height, &channels);
    if (tess_compare(image->pixels, pixels, width, height, 3, figures)) {
        snprintf(fault, FAULT_SIZE, "%.200s: cannot be compared (memory is out)", name);
        return false;
    }
    *one = (score){
        8.0 * (double)size / ((double)width * height), figures[1], figures[2], figures[3], t1 - t0, t2 - t1, 1, 0};
    return true;
}

static void add(score *sum, const score *one) {
    sum->bpp += one->bpp;
    if (isfinite(one->psnr)) sum->psnr += one->psnr;
    else sum->exact++;
    sum->ssim += one->ssim;
    sum->ms_ssim += one->ms_ssim;
    sum->encode_ms += one->encode_ms;
    sum->decode_ms += one->decode_ms;
    sum->images++;
}

static void print_json(const char *file, const char *rule, double rate, const score *s) {
    json_line j = json_begin(stdout);
    if (file) json_text(&j, "file", file);
    else json_whole(&j, "images", s->images);
    json_real(&j, rule, rate);
    json_real(&j, file ? "bpp" : "meanBpp", s->bpp);
    json_real(&j, "psnr", s->psnr);
    json_real(&j, "ssim", s->ssim);
    json_real(&j, "msSsim", s->ms_ssim);
    json_real(&j, "encodeMs", s->encode_ms);
    json_real(&j, "decodeMs", s->decode_ms);
    json_end(&j);
}

static score mean(const score *sum) {
    score m = *sum;
    const double n = sum->images > 0 ? sum->images : 1,
                 finite = sum->images > sum->exact ? sum->images - sum->exact : 1;
    m.bpp /= n, m.psnr /= finite, m.ssim /= n, m.ms_ssim /= n, m.encode_ms /= n, m.decode_ms /= n;
    return m;
}

/* All pictures at all rates; sums[r] per rate. True if every picture could be scored. */
static bool evaluate(coder *c, const file_list *files, const char *rule, const number_list *rates, bool json,
                     score *sums) {
    char fault[FAULT_SIZE];
    bool all = true;
    progress bar = progress_new();
    for (int i = 0; i < files->count; i++) {
        ts_image image = {0};
        bool ok = picture_read(files->paths[i], 3, &image, fault);
        for (int r = 0; ok && r < rates->count; r++) {
            score one;
            tess_encoder_set(c->encoder, rule, rates->values[r]);
            ok = measure(c, files->paths[i], &image, &one, fault);
            if (ok) add(&sums[r], &one);
            if (ok && json)
                print_json(files->paths[i], strcmp(rule, "bpp") == 0 ? "target" : rule, rates->values[r], &one);
        }
        ts_image_free(&image);
        progress_show(&bar, files->paths[i], (i + 1.0) / files->count);
        if (!ok) {
            progress_end(&bar);
            say_fault(fault);
        }
        all &= ok;
    }
    progress_end(&bar);
    return all;
}

static void print_table(const char *rule, const number_list *rates, const score *sums) {
    printf("%8s  %7s  %7s  %6s  %7s  %9s  %9s  %6s\n", rule, "bpp", "PSNR", "SSIM", "MS-SSIM", "encode ms", "decode ms",
           "images");
    for (int r = 0; r < rates->count; r++) {
        const score m = mean(&sums[r]);
        printf("%8g  %7.4f  %7.3f  %6.4f  %7.4f  %9.1f  %9.1f  %6d\n", rates->values[r], m.bpp, m.psnr, m.ssim,
               m.ms_ssim, m.encode_ms, m.decode_ms, m.images);
    }
}

static bool evaluate_folder(coder *c, const char *folder, const char *rule, const number_list *rates, bool json,
                            char fault[FAULT_SIZE]) {
    file_list files;
    score sums[LIST_MOST] = {{0}};
    if (!list_folder(folder, PICTURE_ENDINGS, &files, fault)) return false;
    if (files.count == 0) {
        snprintf(fault, FAULT_SIZE, "%.200s holds no pictures (%s)", folder, PICTURE_ENDINGS);
        return false;
    }
    const bool all = evaluate(c, &files, rule, rates, json, sums);
    free_list(&files);
    if (!json) print_table(rule, rates, sums);
    for (int r = 0; json && r < rates->count; r++) {
        const score m = mean(&sums[r]);
        print_json(NULL, strcmp(rule, "bpp") == 0 ? "target" : rule, rates->values[r], &m);
    }
    fault[0] = 0; /* faults of single pictures have been said */
    return all;
}

static int run(int argc, char **argv, const char *program) {
    const char *model_path = NULL;
    number_list bpp = {{0.05, 0.1, 0.2, 0.4}, 4}, quality = {{0}, 0};
    int effort = 4, threads = processors();
    bool json = false, predict = false;
    const option table[] = {
        {'m', "model", OPTION_TEXT, &model_path, 0, 0, "MODEL", "model file; the bundled photo model if left out"},
        {0, "bpp", OPTION_REALS, &bpp, 1e-6, 1e6, "B,B,...",
         "rates to code at, in bits per pixel; 0.05,0.1,0.2,0.4 if left out"},
        {'q', "quality", OPTION_REALS, &quality, 0, 100, "Q,Q,...", "qualities to code at, instead of rates"},
        {'e', "effort", OPTION_INT, &effort, 0, 9, "E", "as for encode"},
        {0, "predict", OPTION_FLAG, &predict, 0, 0, NULL, "as for encode"},
        {0, "threads", OPTION_INT, &threads, 1, 64, "N", "threads; all processors if left out"},
        {0, "json", OPTION_FLAG, &json, 0, 0, NULL, "a line of JSON per picture and rate, then one per rate"},
    };
    const int count = options_parse(&VERB_EVAL, table, sizeof table / sizeof *table, argc, argv);
    if (count < 0) return count == -2 ? EXIT_OK : EXIT_USAGE;
    char fault[FAULT_SIZE] = "memory is out";
    coder c = {.model = model_read(model_path, program, fault)};
    if (c.model) {
        c.encoder = tess_encoder_new(c.model);
        c.decoder = tess_decoder_new(c.model);
    }
    bool ok = c.encoder && c.decoder;
    if (ok) {
        tess_encoder_set(c.encoder, "effort", effort);
        tess_encoder_set(c.encoder, "predict", predict);
        tess_encoder_set(c.encoder, "threads", threads);
        tess_decoder_set(c.decoder, "threads", threads);
        const bool by_quality = quality.count > 0;
        ok = evaluate_folder(&c, argv[1], by_quality ? "quality" : "bpp", by_quality ? &quality : &bpp, json, fault);
    }
    if (!ok && fault[0]) say_fault(fault);
    tess_decoder_free(c.decoder);
    tess_encoder_free(c.encoder);
    tess_model_free(c.model);
    return ok ? EXIT_OK : EXIT_FAILED;
}

const verb VERB_EVAL = {
    "eval", "DIR", "PSNR, SSIM, MS-SSIM and bits per pixel over a folder of pictures", NULL, 1, 1, run,
};
