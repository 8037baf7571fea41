// npm start: builds what is missing, codes a sample photo on the terminal, then serves the page.
//   npm start -- --no-serve      stops before serving
//   npm start -- --port 8080     another port

import { cpSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { buildAll } from './build.mjs';
import { ask, Failure, main, root, say, shown } from './lib/run.mjs';

const sample = 'models/samples/parakeet.jpg';

const programs = [
    { name: 'native', words: [path.join(root, 'build/native/tesserae')] },
    { name: 'WebAssembly', words: ['node', path.join(root, 'bin/tesserae.js')] },
];

/** Runs a command line with --json; returns the objects that it prints, one a line. */
function tesserae({ words: [command, ...first] }, ...args) {
    const words = [...first, ...args, '--json'];
    const answer = ask(command, words);
    if (answer === null) throw new Failure(`this failed: ${shown(command, words)}`);
    return answer.split('\n').map((line) => JSON.parse(line));
}

/** Encodes and decodes the sample with every program, and prints a table; the files are gone afterwards. */
function demonstrate() {
    const folder = mkdtempSync(path.join(tmpdir(), 'tesserae-'));
    const photos = path.join(folder, 'photos'); // eval scores a folder: this one holds the sample alone
    const photo = path.join(photos, path.basename(sample));
    cpSync(path.join(root, sample), photo);
    console.log(`\n${sample}, ${statSync(photo).size} bytes as JPEG\n`);
    console.log('program      quality    bytes     bpp   PSNR dB   MS-SSIM   encode ms   decode ms');
    try {
        for (const program of programs) {
            for (const quality of [25, 75]) {
                const file = path.join(folder, `${program.name}-${quality}.tess`);
                const [encoded] = tesserae(program, 'encode', photo, '-q', String(quality), '-o', file);
                const [decoded] = tesserae(program, 'decode', file, '-o', `${file}.png`);
                const [score] = tesserae(program, 'eval', photos, '-q', String(quality));
                const cells = [
                    program.name.padEnd(11), String(quality).padStart(8), String(encoded.bytes).padStart(8), encoded.bpp.toFixed(3).padStart(7),
                    score.psnr.toFixed(2).padStart(9), score.msSsim.toFixed(4).padStart(9), encoded.ms.toFixed(0).padStart(11), decoded.ms.toFixed(0).padStart(11),
                ];
                console.log(cells.join(' '));
            }
        }
    } finally {
        rmSync(folder, { recursive: true, force: true });
    }
    console.log();
}

/** Serves dist/page until interrupted. */
async function serve(port) {
    const { preview } = await import('vite');
    const server = await preview({ root: path.join(root, 'web/demo'), preview: { port, host: '127.0.0.1' } });
    say('the page is served here (Ctrl-C ends it):');
    server.printUrls();
}

await main(async () => {
    const { values } = parseArgs({ options: { 'no-serve': { type: 'boolean' }, port: { type: 'string', default: '4173' } } });
    buildAll();
    demonstrate();
    if (values['no-serve']) say('done; without --no-serve the page would be served now');
    else await serve(Number(values.port));
});
