/* A prompt as a list of words and phrases, separated by commas. */

export const partsOf = (prompt) => prompt.split(',').map((part) => part.trim()).filter(Boolean);

/** The prompt with a word put at its end, or without it where it is there. */
export function toggleWord(prompt, word) {
  const parts = partsOf(prompt);
  const others = parts.filter((part) => part !== word);
  return (others.length < parts.length ? others : [...parts, word]).join(', ');
}
