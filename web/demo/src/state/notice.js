/* What the page says: a polite live region for progress, and notices (errors, offers) that stay until read. */
import { signal } from '@preact/signals';

/** Spoken by screen readers, and never shown: the last finished thing. */
export const spoken = signal('');
/** [{ id, kind: 'info' | 'error', text, actions: [{ label, run }], passing }] */
export const notices = signal([]);

let next = 1;

/** Says a sentence to a screen reader; the same sentence twice is said twice. */
export function say(text) {
  spoken.value = '';
  queueMicrotask(() => (spoken.value = text));
}

/** Shows a notice; an info notice without actions goes away by itself, a passing one when another picture is opened. */
export function notify(text, { kind = 'info', actions = [], passing = kind === 'error' } = {}) {
  const id = next++;
  notices.value = [...notices.value.filter((n) => n.text !== text), { id, kind, text, actions, passing }];
  if (kind === 'info' && actions.length === 0) setTimeout(() => dismiss(id), 6000);
}

export function dismissPassing() {
  notices.value = notices.value.filter((notice) => !notice.passing);
}

export function dismiss(id) {
  notices.value = notices.value.filter((notice) => notice.id !== id);
}

export const isAbort = (error) => error?.name === 'AbortError';

/** Shows an error as a sentence; an abort is the user's own wish and is not shown. */
export function report(error, before = '') {
  if (isAbort(error)) return;
  console.error(error);
  const text = error?.message || String(error);
  notify(before ? `${before}: ${text}` : text, { kind: 'error' });
}
