/* A prompt as a list of words and phrases, separated by commas. */

export const partsOf = (prompt) => prompt.split(',').map((part) => part.trim()).filter(Boolean);

/** The words of a prompt as the model reads them: lower case, of letters and digits. */
const wordsOf = (text) => text.toLowerCase().match(/[a-z0-9\u0080-\uffff]+/g) ?? [];

/** The words of a prompt that none of the known phrases has, each once. */
export function strangeWords(prompt, phrases) {
  const known = new Set(phrases.flatMap(wordsOf));
  return [...new Set(wordsOf(prompt))].filter((word) => !known.has(word));
}

/** The prompt with a word put at its end, or without it where it is there. */
export function toggleWord(prompt, word) {
  const parts = partsOf(prompt);
  const others = parts.filter((part) => part !== word);
  return (others.length < parts.length ? others : [...parts, word]).join(', ');
}
