/* Files that survive a reload, on this machine only: the origin private file system where it can be written, else
 * IndexedDB. Each write is atomic: a page closed in the middle of one leaves the former file. */

const FOLDER = 'tesserae', STORE = 'files';

/** The origin private file system as { read, write, remove }, or a rejection where it is missing or cannot be written. */
async function openFolder() {
  const root = await navigator.storage.getDirectory();
  const folder = await root.getDirectoryHandle(FOLDER, { create: true });
  if (!('createWritable' in FileSystemFileHandle.prototype)) throw new Error('no createWritable');
  return {
    kind: 'OPFS',
    async read(name) {
      try {
        return await (await folder.getFileHandle(name)).getFile();
      } catch (error) {
        if (error.name === 'NotFoundError') return null;
        throw error;
      }
    },
    async write(name, blob) {
      const stream = await (await folder.getFileHandle(name, { create: true })).createWritable();
      try {
        await stream.write(blob);
        await stream.close(); // swaps the new file in
      } catch (error) {
        await stream.abort().catch(() => {});
        throw error;
      }
    },
    async remove(name) {
      try {
        await folder.removeEntry(name);
      } catch (error) {
        if (error.name !== 'NotFoundError') throw error;
      }
    },
  };
}

const settled = (request) =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });

/** IndexedDB with the same three calls. */
async function openDatabase() {
  const opening = indexedDB.open(FOLDER, 1);
  opening.onupgradeneeded = () => opening.result.createObjectStore(STORE);
  const database = await settled(opening);
  const store = (mode) => database.transaction(STORE, mode).objectStore(STORE);
  return {
    kind: 'IndexedDB',
    read: async (name) => (await settled(store('readonly').get(name))) ?? null,
    write: (name, blob) => settled(store('readwrite').put(blob, name)),
    remove: (name) => settled(store('readwrite').delete(name)),
  };
}

/** The same calls, where a write or removal waits for those asked for before: what was removed stays so, whatever was being
 * written just then, and of two writes the later one is kept. */
function inOrder({ write, remove, ...rest }) {
  let last = Promise.resolve();
  const after = (change) => {
    const done = last.then(change);
    last = done.catch(() => {});
    return done;
  };
  return { ...rest, write: (name, blob) => after(() => write(name, blob)), remove: (name) => after(() => remove(name)) };
}

let opened = null;
/** Opens the vault once; rejects if this browser stores nothing (private windows of some). */
export function vault() {
  opened ??= openFolder().catch(openDatabase).then(inOrder);
  opened.catch(() => (opened = null));
  return opened;
}

/** A JSON value and a list of byte parts as one Blob: [u32 JSON bytes][JSON][parts]. The parts' lengths go into the JSON. */
export function pack(value, parts) {
  const sizes = parts.map((part) => part.size ?? part.byteLength);
  const json = new TextEncoder().encode(JSON.stringify({ value, sizes }));
  return new Blob([new Uint32Array([json.length]), json, ...parts]);
}

/** The inverse of pack: { value, parts: Blob[] }; throws on a cut or foreign blob. */
export async function unpack(blob) {
  const [length] = new Uint32Array(await blob.slice(0, 4).arrayBuffer());
  const { value, sizes } = JSON.parse(await blob.slice(4, 4 + length).text());
  const total = sizes.reduce((sum, size) => sum + size, 4 + length);
  if (total !== blob.size) throw new Error('the stored file is cut short');
  let at = 4 + length;
  const parts = sizes.map((size) => blob.slice(at, (at += size)));
  return { value, parts };
}
