/* The sample photos that ship with the models. */
const urls = import.meta.glob('../../../../models/samples/*.{jpg,jpeg}', { query: '?url', import: 'default', eager: true });

/** [{ name, url }], by name. */
export const samples = Object.entries(urls)
  .map(([path, url]) => ({ name: path.split('/').pop(), url }))
  .sort((a, b) => a.name.localeCompare(b.name));

/** A sample as the File that a user would have dropped. */
export async function fetchSample({ name, url }) {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`The sample ${name} could not be read (${response.status}).`);
  return new File([await response.blob()], name, { type: 'image/jpeg' });
}
