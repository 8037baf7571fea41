/* generate.c - tesserae generate: pictures that a model's prior makes up, from words or a class. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "cli/picture.h"
#include "cli/platform.h"
#include "cli/report.h"
#include "cli/verbs.h"

typedef struct generate_options {
    const char *model, *out, *prompt, *order;
    int count, seed, steps, top_k, label, threads;
    double guidance, temperature, top_p;
    bool sheet, json;
} generate_options;

/* What turns prior and tokens into pictures. */
typedef struct studio {
    tess_sampler *sampler;
    tess_decoder *decoder;
    int rows, columns, factor; /* of the grid; pixels per token along a side */
} studio;

static bool sampler_fault(const studio *s, const char *about, char fault[FAULT_SIZE]) {
    snprintf(fault, FAULT_SIZE, "%.200s: %s", about, tess_sampler_message(s->sampler));
    return false;
}

/* Grid and factor from the model's info; false if it has no prior. */
static bool read_sizes(studio *s, const char *info) {
    ts_json doc;
    if (ts_json_parse(&doc, info, strlen(info), NULL)) return false;
    const int grid = ts_json_get(&doc, ts_json_get(&doc, 0, "prior"), "grid");
    s->rows = (int)ts_json_number(&doc, ts_json_at(&doc, grid, 0), 0);
    s->columns = (int)ts_json_number(&doc, ts_json_at(&doc, grid, 1), 0);
    s->factor = (int)ts_json_number(&doc, ts_json_get(&doc, 0, "factor"), 0);
    ts_json_free(&doc);
    return s->rows > 0 && s->columns > 0;
}

static bool set_up(studio *s, const generate_options *o, char fault[FAULT_SIZE]) {
    const struct {
        const char *name;
        double value;
    } settings[] = {{"steps", o->steps},       {"temperature", o->temperature},
                    {"top_k", o->top_k},       {"top_p", o->top_p},
                    {"guidance", o->guidance}, {"order", strcmp(o->order, "confidence") == 0},
                    {"class", o->label},       {"threads", o->threads}};
    if (!s->sampler || !s->decoder) {
        snprintf(fault, FAULT_SIZE, "memory is out");
        return false;
    }
    if (s->rows == 0) {
        snprintf(fault, FAULT_SIZE, "%.200s has no prior to generate with; train one (train.prior, docs/TRAINING.md)",
                 o->model);
        return false;
    }
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
        if (tess_sampler_set(s->sampler, settings[i].name, settings[i].value)) return sampler_fault(s, o->model, fault);
    tess_decoder_set(s->decoder, "threads", o->threads);
    if (o->prompt && tess_sampler_prompt(s->sampler, o->prompt, strlen(o->prompt)))
        return sampler_fault(s, o->model, fault);
    return true;
}

/* Makes up the tokens of one picture. */
static bool sample(studio *s, int seed, progress *bar, double done, double share, char fault[FAULT_SIZE]) {
    tess_status status = tess_sampler_set(s->sampler, "seed", seed);
    if (status >= 0) status = tess_sampler_begin(s->sampler, s->rows, s->columns, NULL) ? TESS_MORE : TESS_ERR_MEMORY;
    while (status == TESS_MORE && !interrupted()) {
        status = tess_sampler_step(s->sampler);
        progress_show(bar, "generating", done + share * tess_sampler_progress(s->sampler));
    }
    if (status == TESS_MORE) snprintf(fault, FAULT_SIZE, "stopped");
    return status == TESS_DONE || (status < 0 && sampler_fault(s, "generating", fault));
}

/* The picture of the sampler's tokens; its pixels belong to the decoder. */
static bool decode(studio *s, ts_image *image, char fault[FAULT_SIZE]) {
    int levels, height, width;
    const uint16_t *tokens = tess_sampler_tokens(s->sampler, &levels, &height, &width);
    uint16_t *room = tess_decoder_begin_tokens(s->decoder, levels, height, width, height * s->factor,
                                               width * s->factor);
    tess_status status = room ? TESS_MORE : TESS_ERR_MEMORY;
    if (room) memcpy(room, tokens, (size_t)levels * (size_t)height * (size_t)width * sizeof *room);
    while (status == TESS_MORE) status = tess_decoder_step(s->decoder);
    image->pixels = (uint8_t *)tess_decoder_pixels(s->decoder, &image->width, &image->height, &image->channels);
    if (status < 0) snprintf(fault, FAULT_SIZE, "decoding: %s", tess_decoder_message(s->decoder));
    return status == TESS_DONE;
}

/* Copies picture i of a sheet to its place, row by row. */
static void paste(ts_image *sheet, const ts_image *picture, int i) {
    const int across = sheet->width / picture->width;
    const size_t row = (size_t)picture->width * 3, stride = (size_t)sheet->width * 3;
    uint8_t *to = sheet->pixels + (size_t)(i / across * picture->height) * stride + (size_t)(i % across) * row;
    for (int y = 0; y < picture->height; y++) memcpy(to + (size_t)y * stride, picture->pixels + (size_t)y * row, row);
}

/* A white sheet for `count` pictures, as square as it gets. */
static bool make_sheet(ts_image *sheet, const studio *s, int count, char fault[FAULT_SIZE]) {
    int across = 1;
    while (across * across < count) across++;
    sheet->width = across * s->columns * s->factor;
    sheet->height = (count + across - 1) / across * s->rows * s->factor;
    sheet->channels = 3;
    const size_t bytes = (size_t)sheet->width * (size_t)sheet->height * 3;
    sheet->pixels = malloc(bytes);
    if (sheet->pixels) memset(sheet->pixels, 255, bytes);
    else snprintf(fault, FAULT_SIZE, "memory is out for a sheet of %d pictures", count);
    return sheet->pixels != NULL;
}

static bool write_picture(const char *path, const ts_image *image, const generate_options *o, int seed,
                          char fault[FAULT_SIZE]) {
    if (!picture_write(path, image, fault)) return false;
    if (o->json) {
        json_line j = json_begin(stdout);
        json_text(&j, "output", path);
        json_whole(&j, "seed", seed);
        json_whole(&j, "width", image->width);
        json_whole(&j, "height", image->height);
        json_end(&j);
    } else if (strcmp(path, "-") != 0) {
        printf("%s  %d x %d  seed %d\n", path, image->width, image->height, seed);
    }
    return true;
}

static bool generate(studio *s, const generate_options *o, char fault[FAULT_SIZE]) {
    ts_image sheet = {0}, image = {0};
    char path[PATH_SIZE];
    progress bar = progress_new();
    bool ok = !o->sheet || make_sheet(&sheet, s, o->count, fault);
    for (int i = 0; i < o->count && ok; i++) {
        const int seed = o->seed + i;
        ok = sample(s, seed, &bar, (double)i / o->count, 1.0 / o->count, fault) && decode(s, &image, fault);
        if (ok && o->sheet) {
            paste(&sheet, &image, i);
            continue;
        }
        progress_end(&bar);
        if (ok && !numbered_path(o->out, i, o->count, path)) {
            snprintf(fault, FAULT_SIZE, "%.200s: the output's path is too long", o->out);
            ok = false;
        }
        ok = ok && write_picture(path, &image, o, seed, fault);
    }
    progress_end(&bar);
    ok = ok && (!o->sheet || write_picture(o->out, &sheet, o, o->seed, fault));
    free(sheet.pixels);
    return ok;
}

static int run(int argc, char **argv, const char *program) {
    generate_options o = {.model = "avatars",
                          .order = "confidence",
                          .count = 1,
                          .seed = 1,
                          .steps = 12,
                          .label = -1,
                          .guidance = 1,
                          .threads = processors(),
                          .temperature = 1,
                          .top_p = 1};
    const option table[] = {
        {'m', "model", OPTION_TEXT, &o.model, 0, 0, "MODEL",
         "model file with a prior, or the name of a bundled one: avatars (if left out), digits, emoji"},
        {'o', "output", OPTION_TEXT, &o.out, 0, 0, "OUT",
         "the PNG (or .ppm) to write, - for standard output; of several pictures OUT-1.png, OUT-2.png and so on"},
        {'n', "count", OPTION_INT, &o.count, 1, 10000, "N", "so many pictures, with seeds that follow each other (1)"},
        {0, "sheet", OPTION_FLAG, &o.sheet, 0, 0, NULL, "all pictures on one sheet"},
        {0, "seed", OPTION_INT, &o.seed, 0, 2e9, "N", "the same seed gives the same picture (1)"},
        {0, "steps", OPTION_INT, &o.steps, 1, 256, "N",
         "sampling steps: more are slower and better up to a point (12)"},
        {0, "guidance", OPTION_REAL, &o.guidance, 0, 100, "W", "how strictly words or class count; 0: as learnt (1)"},
        {0, "temperature", OPTION_REAL, &o.temperature, 0, 100, "T",
         "below 1 likelier codes, above it wilder ones; 0: always the likeliest (1)"},
        {0, "top-k", OPTION_INT, &o.top_k, 0, 65536, "K", "draw from the K likeliest codes; 0: from all (0)"},
        {0, "top-p", OPTION_REAL, &o.top_p, 0, 1, "P",
         "draw from the likeliest codes of this probability together (1)"},
        {0, "order", OPTION_TEXT, &o.order, 0, 0, "ORDER",
         "which places are settled first: by confidence (the default) or halton (spread evenly)"},
        {0, "class", OPTION_INT, &o.label, 0, 65535, "N", "make this class, for a prior with classes"},
        {0, "threads", OPTION_INT, &o.threads, 1, 64, "N", "threads; all processors if left out"},
        {0, "json", OPTION_FLAG, &o.json, 0, 0, NULL, "one line of JSON per picture"},
    };
    const verb *v = &VERB_GENERATE;
    const int count = options_parse(v, table, sizeof table / sizeof *table, argc, argv);
    if (count < 0) return count == -2 ? EXIT_OK : EXIT_USAGE;
    if (!o.out) return usage_error(v, "name the picture to write by -o");
    if (strcmp(o.order, "halton") != 0 && strcmp(o.order, "confidence") != 0)
        return usage_error(v, "--order is halton or confidence, not '%s'", o.order);
    if (strcmp(o.out, "-") == 0 && o.count > 1 && !o.sheet)
        return usage_error(v, "%d pictures cannot all go to standard output; give -o a name, or use --sheet", o.count);
    if (strcmp(o.out, "-") == 0 && o.json)
        return usage_error(v, "--json and the picture cannot both go to standard output; give -o a name");
    o.prompt = count > 0 ? argv[1] : NULL;

    char fault[FAULT_SIZE];
    tess_model *model = model_read(o.model, program, fault);
    studio s = {0};
    bool ok = model != NULL;
    if (ok) {
        s = (studio){.sampler = tess_sampler_new(model), .decoder = tess_decoder_new(model)};
        read_sizes(&s, tess_model_info(model));
        catch_interrupt();
        ok = set_up(&s, &o, fault) && generate(&s, &o, fault);
    }
    if (!ok) say_fault(fault);
    tess_sampler_free(s.sampler);
    tess_decoder_free(s.decoder);
    tess_model_free(model);
    return ok ? EXIT_OK : EXIT_FAILED;
}

const verb VERB_GENERATE = {
    "generate",
    "[PROMPT]",
    "pictures that a model's prior makes up",
    "PROMPT: words, for a prior that was trained with captions; quote several. Without one anything may come.",
    0,
    1,
    run,
};
