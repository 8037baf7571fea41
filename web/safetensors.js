/** What a model file says of itself, read without the core. */

/** The header of a safetensors file, as text. @param {Uint8Array} bytes */
export function headerOf(bytes) {
  const size = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
  return new TextDecoder().decode(bytes.subarray(8, 8 + size));
}

/**
 * The words that a model's file knows for prompts, those to suggest first ("prior.vocabulary" in its config, which the core leaves alone).
 * @param {Uint8Array} bytes a model file that the core has taken
 * @returns {string[] | undefined}
 */
export function vocabularyOf(bytes) {
  const words = JSON.parse(JSON.parse(headerOf(bytes)).__metadata__.tesserae).prior?.vocabulary;
  return Array.isArray(words) ? words.filter((word) => typeof word === 'string') : undefined;
}
