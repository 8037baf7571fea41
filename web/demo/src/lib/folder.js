/* All pictures of a folder, its own folders included: from a picker or a drop. */

const MOST = 5000; // files looked at
const isPicture = (file) => file.type.startsWith('image/');

async function* filesIn(handle) {
  for await (const entry of handle.values()) {
    if (entry.kind === 'directory') yield* filesIn(entry);
    else yield await entry.getFile();
  }
}

const inOrder = (files) => files.filter(isPicture).sort((a, b) => (a.webkitRelativePath + a.name < b.webkitRelativePath + b.name ? -1 : 1));

async function collect(files) {
  const found = [];
  for await (const file of files) {
    if (isPicture(file)) found.push(file);
    if (found.length >= MOST) break;
  }
  return inOrder(found);
}

/** Lets the user choose a folder; resolves with its pictures, null if the picker was dismissed. */
export async function pickFolder() {
  if (window.showDirectoryPicker) {
    try {
      return await collect(filesIn(await window.showDirectoryPicker({ id: 'training', mode: 'read' })));
    } catch (error) {
      if (error.name === 'AbortError') return null;
      throw error;
    }
  }
  return new Promise((resolve) => {
    const input = Object.assign(document.createElement('input'), { type: 'file', webkitdirectory: true });
    input.addEventListener('change', () => resolve(inOrder([...input.files])));
    input.addEventListener('cancel', () => resolve(null));
    input.click();
  });
}

const asFile = (entry) => new Promise((resolve, reject) => entry.file(resolve, reject));

/** Readers hand out at most a hundred entries a call; an empty answer is the end. */
async function* entriesIn(folder) {
  const reader = folder.createReader();
  for (;;) {
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length) return;
    for (const entry of some) {
      if (entry.isDirectory) yield* entriesIn(entry);
      else yield await asFile(entry);
    }
  }
}

/** The folders among what was dropped; to be asked in the drop event itself, as the items are gone after it. */
export const foldersOf = (transfer) => [...(transfer?.items ?? [])].map((item) => item.webkitGetAsEntry?.()).filter((entry) => entry?.isDirectory);

/** All pictures of dropped folders. */
export async function picturesIn(folders) {
  const all = [];
  for (const folder of folders) all.push(...(await collect(entriesIn(folder))));
  return all;
}
