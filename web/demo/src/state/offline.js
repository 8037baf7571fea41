/* The service worker: installs in the background, says when the page works offline, asks before it updates. */
import { signal } from '@preact/signals';
import { registerSW } from 'virtual:pwa-register';
import { notify } from './notice.js';

/** True once everything the page needs is stored on this machine. */
export const offlineReady = signal(Boolean(navigator.serviceWorker?.controller));

export function startOffline() {
  if (!('serviceWorker' in navigator)) return;
  const update = registerSW({
    immediate: true,
    onOfflineReady() {
      offlineReady.value = true;
      notify('Ready to work offline.');
    },
    onNeedRefresh() {
      notify('A new version is here.', { actions: [{ label: 'Reload', run: () => update(true) }] });
    },
  });
}
