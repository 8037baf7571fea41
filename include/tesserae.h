/* tesserae.h - the whole public C API.
 *
 * A model turns an image into a grid of tokens (codebook indices, levels x h x w) and back; an encoder writes those
 * tokens as a .tess file, a decoder reads one; a sampler makes up tokens by the model's prior, an inpainter parts of
 * a picture; a trainer makes a model.
 *
 * Rules that hold everywhere:
 *   - Handles are opaque and own everything they return a pointer to; such a pointer is good until the next call on
 *     that handle. `*_free(NULL)` is allowed. A handle may be used by one thread at a time; there are no globals.
 *   - Status codes are negative for errors. After an error, `*_message(handle)` is one sentence that names the fault
 *     and the cure; the handle stays valid and may be freed or given a new job.
 *   - Nothing here aborts, prints, exits, reads a file or asks the clock.
 *   - Pixels are 8-bit sRGB, interleaved, rows top to bottom without padding; channels is 1 (grey), 3 (RGB) or 4
 *     (RGBA, straight alpha). Byte counts are size_t.
 *   - Long work is stepped: a `*_step` does one tile or one training step (tens of milliseconds) and returns
 *     TESS_MORE while there is more to do and TESS_DONE when the result can be read.
 */
#ifndef TESSERAE_H
#define TESSERAE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum tess_status {
    TESS_OK = 0,
    TESS_MORE = 1,           /* call step again */
    TESS_DONE = 2,           /* the job is finished */
    TESS_ERR_MEMORY = -1,    /* an allocation failed */
    TESS_ERR_FORMAT = -2,    /* damaged or foreign bytes */
    TESS_ERR_VERSION = -3,   /* made by a newer format */
    TESS_ERR_MODEL = -4,     /* needs another model, or the model is unfit */
    TESS_ERR_CHECKSUM = -5,  /* a checksum does not match */
    TESS_ERR_TOO_LARGE = -6, /* over a stated limit */
    TESS_ERR_OPTION = -7,    /* an option's name or value is out of range */
    TESS_ERR_INPUT = -8,     /* pixels, config or data not usable */
    TESS_ERR_STATE = -9,     /* calls in the wrong order */
    TESS_ERR_NUMERIC = -10   /* non-finite numbers that could not be recovered from */
} tess_status;

const char *tess_version(void);                 /* "0.1.0" */
const char *tess_backend(void);                 /* "scalar", "simd128", "relaxed", "sse4.1", "avx2", "avx512", "neon" */
const char *tess_status_name(tess_status code); /* "ERR_FORMAT" and so on; never NULL */
void *tess_alloc(size_t bytes);                 /* for callers without a malloc of their own (JavaScript) */
void tess_free(void *memory);

/* ---- model ------------------------------------------------------------------------------------------------- */
typedef struct tess_model tess_model;

tess_model *tess_model_new(void); /* an empty handle; NULL only if memory is out */
void tess_model_free(tess_model *model);
const char *tess_model_message(const tess_model *model);
/* Reads a model file, or a checkpoint of the field (docs/FORMAT.md: VQGANs and TAESD, from safetensors or PyTorch's zip
 * format). The bytes are copied and may be freed afterwards. */
tess_status tess_model_load(tess_model *model, const void *bytes, size_t size);
/* The same from two files, for nets whose encoder and decoder are kept apart (TAESD), in either order. `more` NULL: one. */
tess_status tess_model_load_pair(tess_model *model, const void *bytes, size_t size, const void *more, size_t more_size);
/* Adds a part to a loaded model: a prior or an upscaler, in a safetensors file of its own that was made for this model
 * (docs/FORMAT.md, 6.9). The bytes are copied. The model's fingerprint stays; a part of the kind that was added before is
 * replaced; tess_model_save leaves parts out. Not while a sampler or an upscaler of the model is there. Errors: MODEL (made
 * for another model, or the model's own file holds such a part), FORMAT, MEMORY; then the model is as it was. */
tess_status tess_model_add(tess_model *model, const void *bytes, size_t size);
/* JSON: name, hash (16 hex digits), reads (the same, of models whose .tess files this one decodes too), params, bytes,
 * factor, reach (how many latents beyond its own place a token changes in the picture; -1: all of it), levels, predictors
 * (how many levels have one; 0: there is no option "predict"), codebook {size, dim}, macsPerPixel {encoder, decoder},
 * tasks, licence, trainedOn. tasks: "compress" (not for a model with quantizer type none, which has 0 levels of 0 codes),
 * "reconstruct", "generate" (with a prior), "inpaint" (with a codebook), "upscale" (with an upscaler). A model with a prior
 * also has prior {type, params, grid [rows, columns], text (are there words?), classes}, one with an upscaler has upscaler
 * {params, factors}. */
const char *tess_model_info(const tess_model *model);
/* Writes the model file into memory owned by the handle; half: 1 stores weights as f16, 0 as f32, -1 as loaded (nets and
 * prior each). */
tess_status tess_model_save(tess_model *model, int half, const uint8_t **bytes, size_t *size);
/* How many work tiles a width x height picture has in the encoder (encode != 0) or decoder, or a status < 0; rect gets the
 * pixels (x, y, width, height) of tile i if there is one. Tiles follow from the model and the picture's size alone: who
 * splits work along them computes nothing twice and gets the same bits. */
int tess_model_tile(const tess_model *model, int encode, int width, int height, int i, int rect[4]);
/* The same for the pixels that work tile i of the encoder looks at. */
int tess_model_window(const tess_model *model, int width, int height, int i, int rect[4]);
/* The code vectors of one level: [size][dim] floats. */
const float *tess_model_codebook(const tess_model *model, int level, int *size, int *dim);

/* ---- encoder: pixels -> tokens -> .tess -------------------------------------------------------------------- */
typedef struct tess_encoder tess_encoder;

tess_encoder *tess_encoder_new(const tess_model *model); /* the model must outlive the encoder */
void tess_encoder_free(tess_encoder *encoder);
const char *tess_encoder_message(const tess_encoder *encoder);
/* Options: "quality" 0..100, "bpp" > 0, "size" bytes (the last one set of these three rules), "effort" 0..9,
 * "alpha" 0 drop / 1 keep, "threads" >= 1, "tokens_only" 0/1 (no file; nearest codes unless a rate was set), "latents"
 * 0/1 (no codes either: the job ends with the encoder's latents), "x" "y" "width" "height" (a region in pixels, for jobs
 * with "latents" and for tokens of given latents: only the tiles that it touches are worked out, the rest is zero), "tile"
 * side of the work tiles in latents (0, the default: by picture size and model alone, so that results are the same
 * everywhere; other sides may round the last bits otherwise), "predict" 0/1 (tokens coded with the model's predictors: a
 * smaller file that takes longer to write and to read; OPTION at the first step if the model has none). */
tess_status tess_encoder_set(tess_encoder *encoder, const char *option, double value);
/* Starts a job: returns where to write width*height*channels bytes of pixels, or NULL (see message). */
uint8_t *tess_encoder_begin(tess_encoder *encoder, int width, int height, int channels);
/* Starts a job from latents, as of tess_encoder_latents: returns where to write height*width*dim floats, or NULL. */
float *tess_encoder_begin_latents(tess_encoder *encoder, int height, int width, int dim, int height_px, int width_px);
/* Starts a job that writes given tokens as a file; they are all zero at first. Returns where to write them,
 * [levels of the model][height][width], or NULL. */
uint16_t *tess_encoder_begin_tokens(tess_encoder *encoder, int height, int width, int height_px, int width_px);
tess_status tess_encoder_step(tess_encoder *encoder);
double tess_encoder_progress(const tess_encoder *encoder); /* 0..1 */
const uint8_t *tess_encoder_bytes(const tess_encoder *encoder, size_t *size);
/* The chosen tokens, [levels][height][width]. */
const uint16_t *tess_encoder_tokens(const tess_encoder *encoder, int *levels, int *height, int *width);
/* After a job with option "latents": what the encoder makes of the picture, ahead of any quantizer,
 * [height][width][dim]. */
const float *tess_encoder_latents(const tess_encoder *encoder, int *height, int *width, int *dim);

/* ---- decoder: .tess (or tokens) -> pixels ------------------------------------------------------------------ */
typedef struct tess_decoder tess_decoder;

tess_decoder *tess_decoder_new(const tess_model *model);
void tess_decoder_free(tess_decoder *decoder);
const char *tess_decoder_message(const tess_decoder *decoder);
/* Options: "levels" 1..L (decode only a prefix), "x" "y" "width" "height" (a region, in pixels), "threads",
 * "strict" 1: a damaged tile is an error, 0 (default): it is concealed and counted, "bits" 1: what each token of a file
 * costs is counted too (tess_decoder_bits), "tile" as for encoders. */
tess_status tess_decoder_set(tess_decoder *decoder, const char *option, double value);
/* Starts a job from a file of `size` bytes: returns where to write them, or NULL. */
uint8_t *tess_decoder_begin(tess_decoder *decoder, size_t size);
/* Starts a job from tokens: returns where to write levels*height*width uint16 values, or NULL. Pixels: width_px x height_px. */
uint16_t *tess_decoder_begin_tokens(tess_decoder *decoder, int levels, int height, int width, int height_px,
                                    int width_px);
/* Starts a job from latents, as of tess_encoder_latents: returns where to write height*width*dim floats, or NULL. */
float *tess_decoder_begin_latents(tess_decoder *decoder, int height, int width, int dim, int height_px, int width_px);
tess_status tess_decoder_step(tess_decoder *decoder);
double tess_decoder_progress(const tess_decoder *decoder);
/* The whole picture (or region), channels 4 if the file has alpha, else 3; before TESS_DONE only finished tiles hold pixels. */
const uint8_t *tess_decoder_pixels(const tess_decoder *decoder, int *width, int *height, int *channels);
/* The rectangle that the last step painted: rect = x, y, width, height. */
void tess_decoder_painted(const tess_decoder *decoder, int rect[4]);
const uint16_t *tess_decoder_tokens(const tess_decoder *decoder, int *levels, int *height, int *width);
/* With option "bits": what each of these tokens took of the file, in 1/256 bit, by the same counting as the coder's; 0 for
 * tokens that were not read (other tiles than the region's, damage) or came from no file. NULL without the option, and for
 * jobs from tokens. */
const uint16_t *tess_decoder_bits(const tess_decoder *decoder, int *levels, int *height, int *width);
int tess_decoder_damaged(const tess_decoder *decoder); /* tiles concealed */
/* What a .tess header says, as JSON written into `json` (capacity bytes, always terminated). No model needed. coder:
 * "context", or "predictor" for tokens coded with the model's predictors. */
tess_status tess_file_info(const void *bytes, size_t size, char *json, size_t capacity);

/* ---- sampler: a prior -> tokens ------------------------------------------------------------------------------ */
typedef struct tess_sampler tess_sampler;

/* The model must be loaded and outlive the sampler; one without a prior (info: "prior") samples nothing. */
tess_sampler *tess_sampler_new(const tess_model *model);
void tess_sampler_free(tess_sampler *sampler);
const char *tess_sampler_message(const tess_sampler *sampler);
/* Options: "seed" 0..2^53 (1), "steps" 1..256 (12), "temperature" 0..100 (1; 0: always the likeliest code), "top_k" (of so
 * many likeliest codes; 0, the default: of all), "top_p" 0..1 (of the likeliest codes that make up this probability; 1),
 * "guidance" 0..100 (0; logits = (1 + w) conditional - w unconditional), "order" 0 a fixed spread order (Halton) / 1 the most
 * confident first, "class" -1 (none) .. classes - 1, "threads" >= 1. A convolutional prior takes Halton order alone, halves
 * the steps with each residual level, and knows "levels" 0..16: so many are made up and the others code 0 (0: all). */
tess_status tess_sampler_set(tess_sampler *sampler, const char *option, double value);
/* What the picture is to show, in words; size 0: nothing in particular. Only for a prior with text. The words are read now:
 * `utf8` may be freed. */
tess_status tess_sampler_prompt(tess_sampler *sampler, const char *utf8, size_t size);
/* Starts a job: returns where to write known tokens, [levels][height][width], or NULL. *keep: height * width bytes, to be
 * the number of levels given at each place (more than there are count as all); 0 at first: everything is made up. A
 * transformer makes grids of its own size alone. */
uint16_t *tess_sampler_begin(tess_sampler *sampler, int height, int width, uint8_t **keep);
/* A sampling step or a part of one: MORE or DONE. The same model, job, options and seed give the same tokens in one build, with any number
 * of threads. */
tess_status tess_sampler_step(tess_sampler *sampler);
double tess_sampler_progress(const tess_sampler *sampler); /* 0..1: the share of settled tokens */
/* After each step: settled tokens, and everywhere else a transformer's best guess, or code 0. NULL before the first. */
const uint16_t *tess_sampler_tokens(const tess_sampler *sampler, int *levels, int *height, int *width);
/* [height][width]: how many levels are settled. NULL before the first step. */
const uint8_t *tess_sampler_known(const tess_sampler *sampler);
/* What the prior thinks of one place when all others are known: the probability of each code of level `level` at (y, x),
 * [codes], under the prompt, class and guidance that are set; tokens [levels][height][width], a grid of the prior's size.
 * NULL: see message. May be asked between the steps of a job. */
const float *tess_sampler_alternatives(tess_sampler *sampler, const uint16_t *tokens, int levels, int height, int width,
                                       int level, int y, int x);
/* Tokens between those of two pictures, [levels][height][width]: (1 - t) times the latents of a plus t times those of b,
 * t 0..1, coded to the nearest codes level by level; for t = 0 and 1 the caller's own a and b. Needs no prior. NULL: see
 * message. */
const uint16_t *tess_sampler_interpolate(tess_sampler *sampler, const uint16_t *a, const uint16_t *b, int levels,
                                         int height, int width, double t);

/* ---- upscaler: a small picture -> a large one ---------------------------------------------------------------- */
typedef struct tess_upscaler tess_upscaler;

/* The model must be loaded and outlive the upscaler; jobs need one with an upscaler (info: "upscaler"), from its own file or
 * added as a part. */
tess_upscaler *tess_upscaler_new(const tess_model *model);
void tess_upscaler_free(tess_upscaler *upscaler);
const char *tess_upscaler_message(const tess_upscaler *upscaler);
/* Options: "factor" 2 or 4 (4), "sharpness" 0..1 (1): 0 the smooth answer of least error, 1 the sharp one that the decoder
 * draws, between them their mixture; "threads" >= 1; "tile" as for decoders. */
tess_status tess_upscaler_set(tess_upscaler *upscaler, const char *option, double value);
/* Starts a job: returns where to write width*height*channels bytes of pixels, or NULL (see message). */
uint8_t *tess_upscaler_begin(tess_upscaler *upscaler, int width, int height, int channels);
/* MORE, DONE or an error, which ends the job: MODEL (no upscaler, or none for the factor), TOO_LARGE, MEMORY. */
tess_status tess_upscaler_step(tess_upscaler *upscaler);
double tess_upscaler_progress(const tess_upscaler *upscaler); /* 0..1 */
/* After DONE: the large picture, channels 4 if the small one had alpha (which is enlarged bicubically), else 3. */
const uint8_t *tess_upscaler_pixels(const tess_upscaler *upscaler, int *width, int *height, int *channels);
/* ---- inpainter: part of a picture made up --------------------------------------------------------------------- */
typedef struct tess_inpainter tess_inpainter;

/* The model must be loaded and outlive the inpainter. */
tess_inpainter *tess_inpainter_new(const tess_model *model);
void tess_inpainter_free(tess_inpainter *inpainter);
const char *tess_inpainter_message(const tess_inpainter *inpainter);
/* Options: "method" 0 copies latents from elsewhere in the picture, the best matches first / 1 lets the model's prior make them
 * up / -1, the default: a transformer makes them up, else copies as long as there is enough to copy from. "feather" >= 0: over
 * so many pixels into the mask colours are drawn to those around it (0, the default: everywhere). The sampler's "seed",
 * "temperature" (0.5), "threads"; and for priors "steps", "top_k", "top_p" and "levels" (3). */
tess_status tess_inpainter_set(tess_inpainter *inpainter, const char *option, double value);
/* Starts a job: returns where to write the picture, 8 bits, [height][width][channels], channels 1, 3 or 4, or NULL. *mask:
 * width * height bytes, to be other than 0 where the picture is to be filled; all 0 at first. A transformer fills pictures of
 * one size alone. */
uint8_t *tess_inpainter_begin(tess_inpainter *inpainter, int width, int height, int channels, uint8_t **mask);
/* Some tens of milliseconds of work: MORE or DONE. The same model, job, options and seed give the same picture in one build,
 * with any number of threads. */
tess_status tess_inpainter_step(tess_inpainter *inpainter);
double tess_inpainter_progress(const tess_inpainter *inpainter); /* 0..1 */
/* The picture when it is done, in the form it was given; NULL before. Pixels that are not masked are as they were, and so is
 * all alpha. */
const uint8_t *tess_inpainter_pixels(const tess_inpainter *inpainter, int *width, int *height);
/* Does a job that is done once more with the options as they are by now (another seed), in less time: step it again. Copies
 * are drawn among good ones then, while the first picture of a job is of the best, whatever the seed. */
tess_status tess_inpainter_again(tess_inpainter *inpainter);

/* ---- trainer ----------------------------------------------------------------------------------------------- */
typedef struct tess_trainer tess_trainer;

tess_trainer *tess_trainer_new(void);
void tess_trainer_free(tess_trainer *trainer);
const char *tess_trainer_message(const tess_trainer *trainer);
/* Builds nets and optimizer from a JSON config (docs/FORMAT.md, "Config"); weights are random from its seed. With
 * "train.prior" the prior alone is trained, on the tokens of a model of the same nets, which init gives: the middle of
 * every picture, as large as the prior's grid, is encoded first, a few in each step; the model that comes out is the given
 * one with the prior added. */
tess_status tess_trainer_config(tess_trainer *trainer, const char *json, size_t size);
/* Instead of config: continue from a checkpoint (bit-exact), or start from a model file's weights after config. */
tess_status tess_trainer_resume(tess_trainer *trainer, const void *checkpoint, size_t size);
tess_status tess_trainer_init(tess_trainer *trainer, const void *model, size_t size);
/* A feature net for LPIPS (SqueezeNet 1.1) and its heads, both safetensors. */
tess_status tess_trainer_features(tess_trainer *trainer, const void *net, size_t net_size, const void *heads,
                                  size_t heads_size);
/* Adds a picture to the training (validation = 0) or validation set: returns where to write its pixels, or NULL. */
uint8_t *tess_trainer_add_image(tess_trainer *trainer, int validation, int width, int height, int channels);
/* What training picture `index` (in the order of adding, from 0) shows, for a prior with text: words as a prompt will have
 * them (size 0: none), copied; or, for a prior with classes, a class (-1: none). Pictures may go without. */
tess_status tess_trainer_caption(tess_trainer *trainer, int index, const char *utf8, size_t size);
tess_status tess_trainer_class(tess_trainer *trainer, int index, int label);
/* Live changes: "lr" (multiplies nothing: replaces the schedule's base), "batch", "threads", "steps" (in all); weights of
 * losses: "l1", "l2", "lpips", "ms_ssim", "commitment", "entropy"; with an adversary in the config also "adversarial" (its
 * weight), "d_lr", "features", "r1", "lecam", "gate".
 * "restart_codes", any value: codes not in use (stat "dead") restart at latents of the next good step.
 * "fault" n, for tests: the first attempt at the n-th step from now sees a picture that is not finite. */
tess_status tess_trainer_set(tess_trainer *trainer, const char *option, double value);
/* MORE, DONE (all steps done) or an error. A step whose loss or gradient is not finite is rewound and tried once more, then
 * skipped; ten in a row bring back the last good state, a copy in memory of what a checkpoint holds (about 16 bytes for each
 * weight, taken every 100 good steps); 100 in a row are NUMERIC. */
tess_status tess_trainer_step(tess_trainer *trainer);
/* Figures of the last step by name: step, steps, total, reconstruction (of the image, weighted), l1, l2, lpips, ms_ssim,
 * commitment, codebook, entropy, psnr, bpp, perplexity, used, dead, lr, grad_norm, skipped, retried (steps tried again in
 * this session), images (crops trained on so far), levels, lambda, phase (1, or 2 with the adversary at work); of the
 * adversary: adversarial (its weight), generator, discriminator, features, r1, lecam (losses), real, fake (mean logits),
 * d_accuracy (share of logits of the right sign), d_weight, d_grad_norm. Of a prior's training: step, steps, total,
 * accuracy (share of masked tokens whose likeliest code is right), lr, grad_norm, skipped, images, encoded (share of the
 * pictures that are tokens by now). NaN for an unknown name, and for what was not
 * measured. */
double tess_trainer_stat(const tess_trainer *trainer, const char *name);
/* One sentence about collapse and its cure (few codes in use, a discriminator that is always right or always wrong, many
 * skipped steps), or "". It stays as it is while its cause does. */
const char *tess_trainer_warning(const tess_trainer *trainer);
/* Reconstructs validation picture i (with EMA weights): RGB pixels of input and output, same size, and its tokens. */
tess_status tess_trainer_preview(tess_trainer *trainer, int i, const uint8_t **input, const uint8_t **output,
                                 int *width, int *height, const uint16_t **tokens, int *levels, int *token_height,
                                 int *token_width);
const uint32_t *tess_trainer_usage(const tess_trainer *trainer, int level,
                                   int *size); /* code counts over the rolling window */
tess_status tess_trainer_checkpoint(tess_trainer *trainer, const uint8_t **bytes, size_t *size);
/* The model file as it stands (EMA weights, codebook, entropy tables fitted on the training set). */
tess_status tess_trainer_model(tess_trainer *trainer, int half, const uint8_t **bytes, size_t *size);

/* ---- measures ---------------------------------------------------------------------------------------------- */
/* out = mse (0..255 scale), psnr (dB), ssim, ms_ssim, over RGB (RGBA as it shows on black); ms_ssim uses fewer scales on
 * pictures under 161 px. */
tess_status tess_compare(const uint8_t *a, const uint8_t *b, int width, int height, int channels, double out[4]);

/* LPIPS v0.1 on SqueezeNet 1.1 (Zhang, Isola, Efros, Shechtman, Wang 2018, arXiv:1801.03924): how different two pictures look;
 * 0 if they are equal, lower is nearer. The sum over seven layers of the net of mean_xy sum_c w_c (a_xyc/|a_xy| - b_xyc/|b_xy|)^2,
 * a and b being what the layer makes of the two pictures and w the layer's head. */
typedef struct tess_lpips tess_lpips;

tess_lpips *tess_lpips_new(void);
void tess_lpips_free(tess_lpips *lpips);
const char *tess_lpips_message(const tess_lpips *lpips);
/* The net and its heads, as for a trainer; they serve all jobs that follow. Both may be the same file. The bytes are copied. */
tess_status tess_lpips_features(tess_lpips *lpips, const void *net, size_t net_size, const void *heads,
                                size_t heads_size);
tess_status tess_lpips_set(tess_lpips *lpips, const char *option, double value); /* "threads" >= 1 */
/* Starts a job: returns where to write two RGB pictures of width x height, at least 17 pixels a side, one behind the other
 * (2 * width * height * 3 bytes), or NULL. */
uint8_t *tess_lpips_begin(tess_lpips *lpips, int width, int height);
tess_status tess_lpips_step(tess_lpips *lpips);   /* MORE, DONE or an error, which ends the job */
double tess_lpips_value(const tess_lpips *lpips); /* of the job that is done; NaN before that */

#ifdef __cplusplus
}
#endif
#endif
