// The command lines under test, and small pictures for them.

import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { deflateSync } from 'node:zlib';

export const root = fileURLToPath(new URL('../../', import.meta.url));
export const golden = path.join(root, 'tests/fixtures/golden');
export const tinyModel = path.join(golden, 'tiny.safetensors');

const native = process.env.TESSERAE_NATIVE ?? path.join(root, 'build/native');

/** name -> words that start it. All must have been built: npm test does so first. */
export const programs = {
    native: [path.join(native, 'tesserae')],
    scalar: [path.join(native, 'tesserae-scalar')],
    wasm: [process.execPath, path.join(root, 'bin/tesserae.js')],
};

/** Runs a program to its end; input: bytes for its standard input. */
export function tesserae(program, words, { input, env, cwd } = {}) {
    const [command, ...first] = programs[program];
    if (!existsSync(command)) throw new Error(`${command} is not built: run npm run build`);
    const result = spawnSync(command, [...first, ...words], {
        input, cwd, maxBuffer: 1 << 28, timeout: 120_000, env: { ...process.env, ...env },
    });
    if (result.error) throw result.error;
    return { code: result.status, out: result.stdout, text: result.stdout.toString(), fault: result.stderr.toString() };
}

/** Starts a program that the test will signal; resolves with its exit code and standard error when it ends. */
export function startTesserae(program, words) {
    const [command, ...first] = programs[program];
    const child = spawn(command, [...first, ...words], { stdio: ['ignore', 'pipe', 'pipe'] });
    let fault = '';
    child.stderr.on('data', (piece) => { fault += piece; });
    child.stdout.resume();
    const ended = new Promise((resolve) => { child.on('close', (code, signal) => resolve({ code, signal, fault })); });
    return { child, ended };
}

/** A fresh folder that goes away after the test. */
export function workFolder(t) {
    const folder = mkdtempSync(path.join(os.tmpdir(), 'tesserae-cli-'));
    t.after(() => rmSync(folder, { recursive: true, force: true }));
    return folder;
}

/** Smooth colours and an edge: [height][width][channels]. */
export function pixelsOf(width, height, channels = 3) {
    const pixels = new Uint8Array(width * height * channels);
    for (let y = 0, i = 0; y < height; y++) {
        for (let x = 0; x < width; x++) {
            const edge = x * 3 > y + width ? 50 : -10;
            const wave = 50 * Math.sin(x * 0.07) * Math.cos(y * 0.05);
            for (let c = 0; c < channels; c++) pixels[i++] = c === 3 ? (x * 255) / width : 110 + wave + edge * (1 - 0.3 * c);
        }
    }
    return pixels;
}

/** Binary PPM (3 channels). */
export function writePpm(file, width, height) {
    writeFileSync(file, Buffer.concat([Buffer.from(`P6\n${width} ${height}\n255\n`), pixelsOf(width, height)]));
    return file;
}

export function readPpm(bytes) {
    const [, width, height] = bytes.subarray(0, 40).toString('latin1').match(/^P6\s+(\d+)\s+(\d+)\s+255\s/).map(Number);
    return { width, height, pixels: bytes.subarray(bytes.length - width * height * 3) };
}

function chunk(type, data) {
    const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
    const frame = Buffer.alloc(body.length + 8);
    frame.writeUInt32BE(data.length, 0);
    body.copy(frame, 4);
    frame.writeUInt32BE(crc32(body), body.length + 4);
    return frame;
}

export function crc32(bytes) {
    let crc = ~0;
    for (const byte of bytes) {
        crc ^= byte;
        for (let k = 0; k < 8; k++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
    }
    return ~crc >>> 0;
}

/** PNG of RGBA pixels; `claimed`: the size that its header states instead. */
export function writePng(file, width, height, claimed = [width, height]) {
    const pixels = pixelsOf(width, height, 4);
    const rows = Buffer.alloc(height * (width * 4 + 1));
    for (let y = 0; y < height; y++) rows.set(pixels.subarray(y * width * 4, (y + 1) * width * 4), y * (width * 4 + 1) + 1);
    const header = Buffer.alloc(13);
    header.writeUInt32BE(claimed[0], 0);
    header.writeUInt32BE(claimed[1], 4);
    header.set([8, 6, 0, 0, 0], 8);
    const magic = Buffer.from([0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10]);
    const end = chunk('IEND', Buffer.alloc(0));
    writeFileSync(file, Buffer.concat([magic, chunk('IHDR', header), chunk('IDAT', deflateSync(rows)), end]));
    return file;
}
