/* Every opened picture with the same settings, as one ZIP. */
import { useSignal } from '@preact/signals';
import { zipSync } from 'fflate';
import { useRef } from 'preact/hooks';
import { isTess, saveBlob } from '../lib/files.js';
import { withExtension } from '../lib/format.js';
import { readPixels } from '../lib/pictures.js';
import { getCodec } from '../state/codec.js';
import { isAbort, notify, report } from '../state/notice.js';
import { ruleOptions, shelf } from '../state/session.js';
import { Button } from '../ui/controls.jsx';

/** A name that is not in `taken` yet: "a.tess", "a-2.tess", ... */
function freeName(name, taken) {
  let free = name;
  for (let n = 2; free in taken; n++) free = name.replace(/\.tess$/, `-${n}.tess`);
  return free;
}

export function Batch() {
  const done = useSignal(null);
  const stop = useRef(null);
  const run = async () => {
    const { signal } = (stop.current = new AbortController());
    const files = {}, pictures = shelf.value.filter(({ blob }) => !isTess(blob));
    const failed = [];
    try {
      const codec = await getCodec();
      for (const [i, { name, blob }] of pictures.entries()) {
        done.value = `${i} of ${pictures.length}`;
        signal.throwIfAborted();
        try {
          const { bytes } = await codec.encode(await readPixels(blob), { ...ruleOptions(codec.model), signal });
          files[freeName(withExtension(name, '.tess'), files)] = bytes;
        } catch (error) {
          if (isAbort(error)) throw error;
          failed.push(name);
        }
      }
      // level 0: .tess files do not get smaller, so this only lays bytes side by side
      if (Object.keys(files).length) saveBlob(new Blob([zipSync(files, { level: 0 })], { type: 'application/zip' }), 'tesserae.zip');
      if (failed.length) notify(`Not encoded: ${failed.join(', ')}.`, { kind: 'error' });
    } catch (error) {
      report(error);
    } finally {
      done.value = null;
    }
  };
  if (done.value !== null) return <Button onClick={() => stop.current.abort()}>Cancel ({done.value} encoded)</Button>;
  return <Button icon="save" onClick={run}>All {shelf.value.length} as a ZIP</Button>;
}
