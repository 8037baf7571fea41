// The VQ-VAE that both sides of bench/web/train.mjs train: 64x64x3, batch 8, 64 channels, two 4x4 stride-2 convs, a 3x3,
// two residual blocks (3x3 + 1x1), 512 codes of 64 numbers trained by gradient, mirrored decoder, Adam, L2 loss.

export const shape = { size: 64, batch: 8, channels: 64, codes: 512, lr: 3e-4, beta: 0.25 };

/** Multiply-adds of one step: three times the forward pass, as is usual. */
export function macs({ size, batch, channels: ch, codes }) {
    const half = (size / 2) ** 2, quarter = (size / 4) ** 2;
    const residual = quarter * (9 + 1) * ch * ch;
    const encoder = half * 16 * 3 * ch + quarter * 16 * ch * ch + quarter * 9 * ch * ch + 2 * residual;
    const decoder = quarter * 9 * ch * ch + 2 * residual + quarter * 16 * ch * ch + half * 16 * ch * 3;
    return 3 * batch * (encoder + decoder + 2 * quarter * ch * codes);
}

/** The same net as a Tesserae config. */
export function config({ size, batch, channels, codes, lr, beta }) {
    const residual = { op: 'res', kernels: [3, 1], act: 'relu' };
    return {
        format: 1, name: 'bench', licence: 'MIT', trained_on: 'noise', range: [-1, 1],
        encoder: [
            { op: 'conv', out: channels, kernel: 4, stride: 2, pad: 1 }, { op: 'relu' },
            { op: 'conv', out: channels, kernel: 4, stride: 2, pad: 1 }, { op: 'relu' },
            { op: 'conv', out: channels, kernel: 3 }, residual, residual, { op: 'relu' },
        ],
        decoder: [
            { op: 'conv', out: channels, kernel: 3 }, residual, residual, { op: 'relu' },
            { op: 'tconv', out: channels, kernel: 4, stride: 2, pad: 1 }, { op: 'relu' },
            { op: 'tconv', out: 3, kernel: 4, stride: 2, pad: 1 },
        ],
        quantizer: { type: 'vq', update: 'gradient', levels: 1, size: codes, dim: channels, commitment: beta },
        train: {
            size, batch, steps: 100000, lr, warmup: 0, lr_final: 1, betas: [0.9, 0.999], eps: 1e-8, weight_decay: 0, clip: 1e6, ema: 0.999,
            seed: 7, quantize_from: 0, flip: false, loss: { l1: 0, l2: 1, ms_ssim: 0, lpips: 0 }, level_weights: [1], lambda: [0, 0],
        },
    };
}
