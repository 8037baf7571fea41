// The tensors of nets.mjs's VQGAN f16 under the names that a checkpoint of taming-transformers gives them.

import { vqgan } from './nets.mjs';

const parts = { shortcut: 'nin_shortcut', proj: 'proj_out' };
const middle = (side) => [`${side}.mid.block_1`, `${side}.mid.attn_1`, `${side}.mid.block_2`];
const ending = (side) => [`${side}.norm_out`, 'silu', `${side}.conv_out`];

/** What each layer of the list is called there. */
const layers = { encoder: ['encoder.conv_in'], decoder: ['post_quant_conv', 'decoder.conv_in', ...middle('decoder')] };
for (let level = 0; level < 5; level++) {
    const at = `encoder.down.${level}`;
    for (let block = 0; block < 2; block++) layers.encoder.push(`${at}.block.${block}`, ...(level === 4 ? [`${at}.attn.${block}`] : []));
    if (level < 4) layers.encoder.push(`${at}.downsample.conv`);
}
layers.encoder.push(...middle('encoder'), ...ending('encoder'), 'quant_conv');
for (let level = 4; level >= 0; level--) {
    const at = `decoder.up.${level}`;
    for (let block = 0; block < 3; block++) layers.decoder.push(`${at}.block.${block}`, ...(level === 4 ? [`${at}.attn.${block}`] : []));
    if (level) layers.decoder.push('up', `${at}.upsample.conv`);
}
layers.decoder.push(...ending('decoder'));
for (const side in layers) if (layers[side].length !== vqgan[side].length) throw new Error(`${side}: ${layers[side].length} names for ${vqgan[side].length} layers`);

/** decoder.2.conv1.weight -> decoder.mid.block_1.conv1.weight */
export function tamingName(name) {
    if (name === 'quantizer.codebook') return 'quantize.embedding.weight';
    const [side, index, ...rest] = name.split('.');
    return [layers[side][index], ...rest.map((part) => parts[part] ?? part)].join('.');
}
