/** @param {ArrayBuffer | ArrayBufferView} file @returns {import('./types').FileInfo} */
export function readInfo(file) {
  throw new Error('format');
}
