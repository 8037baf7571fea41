/* Builds the page into dist/page: static files that any server can give out, from any folder. */
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';
import { VitePWA } from 'vite-plugin-pwa';

// Cross-origin isolation: memory may be shared, so the core runs threads. Without these headers the page works too.
const headers = { 'Cross-Origin-Opener-Policy': 'same-origin', 'Cross-Origin-Embedder-Policy': 'require-corp' };
const at = (path) => fileURLToPath(new URL(path, import.meta.url));

export default defineConfig({
  root: at('.'),
  base: './',
  resolve: { alias: { tesserae: at('../../dist/index.js') } },
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  worker: { format: 'es' },
  build: {
    outDir: at('../../dist/page'),
    emptyOutDir: true,
    target: 'es2022',
    chunkSizeWarningLimit: 800, // inline.js: a whole core as text, which no page loads that has the .wasm files
    assetsInlineLimit: 0, // a model or a worker as a data: URL would be fetched twice
    rollupOptions: { output: { assetFileNames: 'assets/[name]-[hash][extname]' } },
  },
  server: { headers, fs: { allow: [at('../..')] } },
  preview: { headers },
  plugins: [
    VitePWA({
      registerType: 'prompt',
      workbox: {
        globPatterns: ['**/*.{html,js,css,wasm,svg,png,jpg,jpeg,webp}', 'assets/photo-*.safetensors'],
        globIgnores: ['**/inline-*.js'], // the core as text, for sandboxes: this page has the .wasm files
        runtimeCaching: [{ urlPattern: /\/assets\/[^/]+\.safetensors$/, handler: 'CacheFirst', options: { cacheName: 'on-demand' } }], // other models and parts: kept once they were asked for
        maximumFileSizeToCacheInBytes: 16 * 2 ** 20,
        cleanupOutdatedCaches: true,
      },
      manifest: {
        name: 'Tesserae',
        short_name: 'Tesserae',
        description: 'Photos as tokens: compress, explore and train a neural codec, offline.',
        display: 'standalone',
        background_color: '#131316',
        theme_color: '#131316',
        icons: [
          { src: 'icon-192.png', sizes: '192x192', type: 'image/png' },
          { src: 'icon-512.png', sizes: '512x512', type: 'image/png', purpose: 'any maskable' },
          { src: 'icon.svg', sizes: 'any', type: 'image/svg+xml' },
        ],
        file_handlers: [{ action: './', accept: { 'application/octet-stream': ['.tess'] } }],
      },
    }),
  ],
});
