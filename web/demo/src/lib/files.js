/* Files in and out: what a drop, a paste or a picker brings, and saving bytes under a name. */

/** How the names of model files end: ours, and checkpoints of the field (loadModel looks at the bytes, not at the name). */
export const MODEL_ENDINGS = ['.safetensors', '.ckpt', '.pt', '.pth', '.bin'];
/** What there is to open, for a file picker. */
export const OPENABLE = ['image/*', '.tess', ...MODEL_ENDINGS].join();

const endsWith = ({ name = '' }, endings) => endings.some((ending) => name.toLowerCase().endsWith(ending));
export const isTess = (file) => endsWith(file, ['.tess']);
export const isModel = (file) => endsWith(file, MODEL_ENDINGS);

/** The files of a drop or paste event, in order; [] if it carries none. */
export function filesOf(transfer) {
  if (!transfer) return [];
  const files = [...(transfer.files ?? [])];
  if (files.length) return files;
  return [...(transfer.items ?? [])].filter((item) => item.kind === 'file').map((item) => item.getAsFile()).filter(Boolean);
}

/** True while a drag carries files, so that dragging text or a link does not light up the drop target. */
export const carriesFiles = (transfer) => Boolean(transfer && [...transfer.types].includes('Files'));

/** Opens the platform's file picker; resolves with the chosen files, [] if it was dismissed. */
export function pickFiles({ accept, multiple = false }) {
  return new Promise((resolve) => {
    const input = Object.assign(document.createElement('input'), { type: 'file', accept, multiple });
    input.addEventListener('change', () => resolve([...input.files]));
    input.addEventListener('cancel', () => resolve([]));
    input.click();
  });
}

/** Saves a Blob under a name through the browser's own download. */
export function saveBlob(blob, name) {
  const url = URL.createObjectURL(blob);
  const link = Object.assign(document.createElement('a'), { href: url, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
