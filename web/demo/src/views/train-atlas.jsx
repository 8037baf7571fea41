/* The codebook as it is being learnt: what each code of the first level looks like in the held-out pictures, most used first. */
import { useMemo } from 'preact/hooks';
import { formatCount } from '../lib/format.js';
import { codeCounts, patches } from '../state/looks.js';
import { Pixels } from '../ui/pixels.jsx';
import { atlasImage } from './atlas.jsx';

const MOST = 1024;

export function TrainAtlas() {
  const list = patches.value, counts = codeCounts.value;
  const image = useMemo(() => {
    const seen = list.flatMap((patch, code) => (patch ? [code] : []));
    if (counts) seen.sort((a, b) => counts[b] - counts[a] || a - b);
    return atlasImage(list, seen.slice(0, MOST));
  }, [list, counts]);
  if (!image) return null;
  const seen = list.reduce((n, patch) => n + (patch ? 1 : 0), 0);
  const text = `${formatCount(seen)} of ${formatCount(list.length)} codes occur in the held-out pictures.`;
  return (
    <section class="card book" aria-labelledby="book-title">
      <h2 id="book-title">Codebook atlas</h2>
      <Pixels image={image} label={`Codebook atlas. ${text}`} />
      <p class="hint">{text} Each is shown as it looks there on average, the most used first.</p>
    </section>
  );
}
