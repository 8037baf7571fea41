/* config.h - the JSON config of a net, its quantizer and its training (ARCHITECTURE.md, "Config").
 *
 * Parsing is strict: an unknown key, a wrong type or a value out of range is TESS_ERR_INPUT and a sentence that names
 * the key by its path ("encoder[3].kernel"). Layer lists are checked to fit together: channels, factors, latent
 * width. */
#ifndef TS_NETS_CONFIG_H
#define TS_NETS_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "kernels/gan.h"

#define TS_LAYERS_MAX 64
#define TS_LEVELS_MAX 16
#define TS_BINS_MAX 8
#define TS_CODES_MAX 65536
#define TS_CHANNELS_MAX 4096
#define TS_READS_MAX 32
#define TS_CLAMP_CHANNELS 256 /* of a soft_clamp, which works on latents and pixels */
#define TS_PLACES_MAX 1024    /* of a prior's grid */

typedef enum ts_layer_kind {
    TS_LAYER_CONV,
    TS_LAYER_TCONV,
    TS_LAYER_RES,
    TS_LAYER_SILU,
    TS_LAYER_RELU,
    TS_LAYER_LEAKY_RELU,
    TS_LAYER_GELU,
    TS_LAYER_TANH,
    TS_LAYER_NORM,
    TS_LAYER_UP,
    TS_LAYER_SHUFFLE,
    TS_LAYER_UNSHUFFLE,
    /* Blocks of the field's autoencoders. New kinds go to the end: the model's fingerprint counts them. */
    TS_LAYER_RESNET,    /* shortcut(x) + conv2(silu(norm2(conv1(silu(norm1(x)))))): VQGAN, LDM, diffusers */
    TS_LAYER_ATTENTION, /* x + proj(softmax(q k^T / sqrt(C)) v), q, k, v 1x1 convs of norm(x), one head */
    TS_LAYER_TINY,      /* relu(conv3(relu(conv2(relu(conv1(u))))) + skip(u)), u = x + pool(x) or x: TAESD */
    TS_LAYER_SOFT_CLAMP /* tanh(x / limit) * limit */
} ts_layer_kind;

typedef struct ts_layer {
    ts_layer_kind kind;
    int in, out;        /* channels before and after (filled in by the parser) */
    int kernel, stride; /* conv, tconv */
    int pad[4];         /* zeros: top, left, bottom, right; tconv: four times the same */
    bool bias;
    int kernels[2];    /* res */
    int hidden;        /* res */
    ts_layer_kind act; /* res: one of the activations */
    int groups;        /* norm, resnet, attention */
    float eps;         /* the same */
    int factor;        /* up, shuffle, unshuffle */
    int pool;          /* tiny: groups of the pool's norm, 0: no pool */
    float limit;       /* soft_clamp */
} ts_layer;

typedef enum ts_quantizer_type {
    TS_QUANTIZER_VQ,
    TS_QUANTIZER_FSQ,
    TS_QUANTIZER_NONE, /* latents stay continuous: no tokens, no .tess files */
    TS_QUANTIZER_LFQ   /* signs of the latents; new types go to the end: the model's fingerprint counts them */
} ts_quantizer_type;

typedef struct ts_quantizer_config {
    ts_quantizer_type type;
    bool gradient;  /* vq: codes trained by gradient, else by EMA */
    bool normalize; /* vq of one level: latents (the encoder's last step) and codes have length one */
    int levels;     /* fsq, lfq: 1; none: 0 */
    int size;       /* codes per level; fsq: product of the bins; lfq: 2^bits; none: 0 */
    int dim;        /* channels of a latent; fsq: number of bins; lfq: bits */
    float decay, commitment, restart;
    int bins[TS_BINS_MAX]; /* fsq */
} ts_quantizer_config;

typedef struct ts_loss_config {
    float l1, l2, ms_ssim, lpips;
    int lpips_from;                            /* step from which LPIPS counts */
    float entropy, entropy_gamma, temperature; /* kernels/entropy.h */
} ts_loss_config;

/* Layers of nets/discriminator.h. */
typedef struct ts_discriminator_config {
    int layers, width; /* convs of stride 2 and channels of the first */
    int groups;        /* of the norms, 0: none */
    int scales;
} ts_discriminator_config;

/* What makes adversarial and reconstruction gradients alike in size before "weight" counts. */
typedef enum ts_gan_balance {
    TS_BALANCE_NONE,
    TS_BALANCE_LAYER, /* ratio of gradient norms at the weight of the decoder's last layer (VQGAN) */
    TS_BALANCE_IMAGE  /* ratio at the pixels */
} ts_gan_balance;

typedef struct ts_adversarial_config {
    bool on; /* "adversarial" is there */
    ts_discriminator_config discriminator;
    ts_gan_loss loss;
    ts_gan_balance balance;
    float weight, limit; /* of the loss in the generator's total; of the balance */
    int from, ramp;      /* first step; steps over which the weight grows to its full size */
    bool freeze;         /* encoder and codebook stand still from then on */
    float lr, betas[2];  /* of the discriminator's Adam */
    float r1;            /* gradient penalty at real pictures, every r1_every steps */
    int r1_every;
    float lecam, lecam_decay;
    float features; /* feature matching */
    float gate;     /* the discriminator rests while its accuracy is above this */
} ts_adversarial_config;

typedef enum ts_prior_type {
    TS_PRIOR_NONE, /* "prior" is not there */
    TS_PRIOR_TRANSFORMER,
    TS_PRIOR_CONV
} ts_prior_type;

typedef struct ts_prior_config {
    ts_prior_type type;
    int width;
    /* of nets/prior.h; words and classes exclude each other */
    int rows, columns; /* of the grid of tokens */
    int layers, heads, hidden;
    float dropout;
    int words, buckets; /* places for words and rows of their table; 0: no text */
    int classes;        /* 0: none */
    /* of nets/conv_prior.h */
    int mid;                       /* channels at half and quarter size */
    int full[2], half[2], quarter; /* residual blocks on the way down and up, and at the bottom */
    int levels;                    /* it knows, of the quantizer's */
} ts_prior_config;

/* Of nets/upscaler.h: the net for one factor. */
typedef struct ts_upscaler_net {
    int width,
        blocks;    /* channels and residual blocks at a quarter of the large picture; width 0: there is no such net */
    int mid, tail; /* the same at an eighth */
} ts_upscaler_net;

typedef struct ts_upscaler_config {
    ts_upscaler_net by2, by4;
} ts_upscaler_config;

static inline bool ts_upscaler_any(const ts_upscaler_config *u) { return u->by2.width > 0 || u->by4.width > 0; }

typedef struct ts_prior_train_config {
    bool on; /* "train.prior" is there: training is the prior's */
    int batch, steps, warmup;
    float lr, lr_final, betas[2], weight_decay, clip, ema;
    float smoothing, drop; /* of labels; chance that a condition is left out */
    uint64_t seed;
} ts_prior_train_config;

typedef struct ts_train_config {
    int size, batch, steps, warmup, quantize_from;
    float lr, lr_final; /* lr_final: fraction of lr at the end of the cosine */
    float betas[2], eps, weight_decay;
    float clip; /* global gradient norm, 0: off */
    float ema;
    uint64_t seed;
    bool flip;
    ts_loss_config loss;
    ts_adversarial_config adversarial;
    ts_prior_train_config prior;
    float level_weights[TS_LEVELS_MAX]; /* of drawing 1..levels levels; always all when not given */
    float lambda[2];
} ts_train_config;

typedef struct ts_config {
    char name[64], licence[128], trained_on[256];
    float range[2];               /* what pixels 0 and 255 become */
    uint64_t reads[TS_READS_MAX]; /* fingerprints of the models whose files this one decodes besides its own */
    int reads_count;
    ts_layer encoder[TS_LAYERS_MAX], decoder[TS_LAYERS_MAX];
    int encoder_count, decoder_count;
    ts_quantizer_config quantizer;
    ts_prior_config prior;
    ts_upscaler_config upscaler;
    ts_train_config train;
} ts_config;

/* Parses `size` bytes of JSON (no terminator needed) into *config. Keys left out take the defaults of
 * ARCHITECTURE.md. */
tess_status ts_config_parse(const char *json, size_t size, ts_config *config, ts_error *err);

/* Pixels per latent along one side: product of strides and unshuffles of the encoder (the decoder must undo it). */
int ts_config_factor(const ts_config *config);
/* How far an output reaches into its input, in latents (rounded up): a decoder tile with this many latents of context
 * on every side gives the pixels of the whole picture, an encoder tile its latents. TS_RADIUS_WHOLE for nets with
 * a norm or attention. */
#define TS_RADIUS_WHOLE 1000000
int ts_config_encoder_radius(const ts_config *config);
int ts_config_decoder_radius(const ts_config *config);
/* Multiply-adds per picture pixel; attention's products of all tokens with all, which grow with the picture, left out. */
double ts_config_encoder_macs(const ts_config *config);
double ts_config_decoder_macs(const ts_config *config);

#endif
