// A tiny model with a prior: the twin's fixture (4 x 4 tokens of 32 codes, 16x16 pixels, prompts of up to four words).
import { fixture, readFixture, writeFixture } from './safetensors.mjs';

/** A model file of the fixtures, its config changed by `edit`. @param {string} name @param {(config: any) => void} [edit] */
export function priorModel(name, edit) {
  const bytes = fixture(name);
  if (!edit) return bytes;
  const { tensors, config } = readFixture(bytes);
  edit(config);
  return writeFixture(tensors, config);
}
