/* Light, dark or as the system has it. */
import { effect, signal } from '@preact/signals';

const KEY = 'tesserae-theme';
const system = matchMedia('(prefers-color-scheme: dark)');
const remembered = () => {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null; // storage is blocked
  }
};

/** 'light' | 'dark' | null: as the system has it. */
export const chosen = signal(['light', 'dark'].includes(remembered()) ? remembered() : null);
const systemDark = signal(system.matches);
system.addEventListener('change', () => (systemDark.value = system.matches));

/** What is on screen: 'light' | 'dark'. */
export const theme = signal('light');

effect(() => {
  theme.value = chosen.value ?? (systemDark.value ? 'dark' : 'light');
  document.documentElement.style.colorScheme = theme.value;
  try {
    if (chosen.value) localStorage.setItem(KEY, chosen.value);
    else localStorage.removeItem(KEY);
  } catch {
    /* not remembered, then */
  }
});

export const toggleTheme = () => (chosen.value = theme.value === 'dark' ? 'light' : 'dark');
