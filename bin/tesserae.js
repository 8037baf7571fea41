#!/usr/bin/env node
// tesserae: the command line as WebAssembly, with real files (src/cli, built by `npm run build`).

import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

const program = fileURLToPath(new URL('../dist/cli/tesserae-cli.cjs', import.meta.url));
if (!existsSync(program)) {
    console.error('tesserae: dist/cli/tesserae-cli.cjs is missing; run `npm run build` in the checkout');
    process.exit(1);
}
createRequire(import.meta.url)(program); // reads process.argv itself
