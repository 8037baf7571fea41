/* The training run: what is trained, by which trainer, and where it stands. */
import { computed, signal } from '@preact/signals';

/** 'empty' | 'loading' | 'running' | 'paused' | 'done' | 'failed' */
export const phase = signal('empty');
export const active = computed(() => phase.value !== 'empty' && phase.value !== 'loading');
/** What is being loaded, as a sentence. */
export const stage = signal('');
/** What is trained: { preset, config, steps } or null. */
export const run = signal(null);
/** Who trains it, or null. Another one comes in its place after a crash, none after a reset: who waited for one asks whether it is still this. */
export const trainer = signal(null);
