/* Which tokens of a picture stay when it is varied. */

/** One value per token, half of them 1, at random. */
export function halfOf(count) {
  const places = Array.from({ length: count }, (_, i) => i);
  const keep = new Uint8Array(count);
  for (let kept = 0; kept < count >> 1; kept++) {
    const at = Math.floor(Math.random() * places.length);
    keep[places[at]] = 1;
    places[at] = places.at(-1);
    places.pop();
  }
  return keep;
}
