/** Loads the addon: a prebuilt one, or the one that was built here. */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CaissonError } from '../base/errors.js';
import type { Binding } from './binding.js';

const require = createRequire(import.meta.url);

/** The package's directory, above dist/lib/native/ and dist/lib/bundle/. */
const packageRoot = join(dirname(fileURLToPath(import.meta.url)), '../../..');

let binding: Binding | undefined;
let init: string | undefined;
let archive: string | undefined;

/**
 * @throws ERR_NATIVE_LOAD with what was tried. `CAISSON_NATIVE` names a directory with `caisson.node` and
 *   `caisson-init` to use instead, such as `build/Debug`.
 */
export function loadNative(): Binding {
  binding ??= load();
  return binding;
}

/** The program that enters containers; the addon is loaded. */
export function initPath(): string {
  loadNative();
  return init ?? '';
}

/** The program that reads and writes archives. @throws ERR_NATIVE_LOAD */
export function archivePath(): string {
  if (archive !== undefined) return archive;
  let path = '';
  try {
    path = join(dirname(addonPath()), 'caisson-archive');
  } catch (cause) {
    throw notLoaded(cause);
  }
  if (!existsSync(path)) throw missing(path);
  archive = path;
  return path;
}

/** Where the addon is, and caisson-init beside it. Throws what node-gyp-build says when there is none. */
export function addonPath(): string {
  const chosen = process.env['CAISSON_NATIVE'];
  if (chosen !== undefined) return join(resolve(chosen), 'caisson.node');
  // Where it nearly always is: node-gyp-build takes milliseconds to find it.
  const libc = existsSync('/etc/alpine-release') ? 'musl' : 'glibc';
  for (const path of [
    'build/Release/caisson.node',
    `prebuilds/linux-${process.arch}/caisson.${libc}.node`,
  ]) {
    const known = join(packageRoot, path);
    if (existsSync(known)) return known;
  }
  const find = require('node-gyp-build') as { resolve(directory: string): string };
  return find.resolve(packageRoot);
}

function load(): Binding {
  let path: string;
  let loaded: Binding;
  try {
    path = addonPath();
    loaded = require(path) as Binding;
  } catch (cause) {
    throw notLoaded(cause);
  }
  init = join(dirname(path), 'caisson-init');
  if (!existsSync(init)) throw missing(init);
  loaded.setup(init);
  return loaded;
}

function notLoaded(cause: unknown): CaissonError {
  return new CaissonError(
    'ERR_NATIVE_LOAD',
    `the native addon cannot be loaded: ${cause instanceof Error ? cause.message : String(cause)}`,
    {
      stage: 'config',
      cause,
      hint: 'caisson runs on Linux, x64 and arm64; in a checkout, run scripts/setup first',
    },
  );
}

function missing(path: string): CaissonError {
  return new CaissonError('ERR_NATIVE_LOAD', `${path} is missing`, {
    stage: 'config',
    path,
    hint: 'the package is incomplete: install it again',
  });
}
