/** Loads the addon, and knows the programs beside it. */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Binding } from './binding.js';
import { findNative } from './find-native.js';
import { loadFailure, missingProgram } from './load-failure.js';

let binding: Binding | undefined;
let init: string | undefined;
let archive: string | undefined;

/**
 * @throws ERR_NATIVE_LOAD with what was looked for, and the remedy. `CAISSON_NATIVE` names a directory with
 *   `caisson.node`, `caisson-init` and `caisson-archive` to use instead, such as `build/Debug`.
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
  return (archive ??= programPath('caisson-archive'));
}

/** Where the addon is, and the programs beside it. @throws ERR_NATIVE_LOAD where caisson has no binaries */
export function addonPath(): string {
  return findNative().path;
}

function programPath(name: string): string {
  const file = findNative();
  const path = join(dirname(file.path), name);
  if (!existsSync(path)) throw missingProgram(file, path);
  return path;
}

function load(): Binding {
  const file = findNative();
  const module = { exports: {} as Binding };
  try {
    process.dlopen(module, file.path);
  } catch (cause) {
    throw loadFailure(file, cause);
  }
  init = programPath('caisson-init');
  module.exports.setup(init);
  return module.exports;
}
