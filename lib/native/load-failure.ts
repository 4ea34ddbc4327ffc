/** Why the addon could not be loaded: what was looked for, what is there, and the remedy. */
import { accessSync, constants, existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { BUNDLER_HINT } from '../base/bundler-hint.js';
import { CaissonError } from '../base/errors.js';
import { readElf } from './elf.js';
import { type Libc, libcOfProcess, type NativeFile, packageRoot } from './find-native.js';

/** Of which files a directory of `CAISSON_NATIVE` consists. */
const FILES = 'caisson.node, caisson-init and caisson-archive';

/** @param cause what the loader has thrown */
export function loadFailure(file: NativeFile, cause: unknown): CaissonError {
  const [reason, hint] = explain(file, cause);
  return failure(
    `the native addon ${file.path} cannot be loaded: ${reason}`,
    file.path,
    hint,
    cause,
  );
}

/** The error about a program beside the addon that is not there. */
export function missingProgram(file: NativeFile, path: string): CaissonError {
  const [reason, hint] = explainMissing(file);
  return failure(`${path} is missing: ${reason}`, path, hint);
}

function failure(message: string, path: string, hint: string, cause?: unknown): CaissonError {
  return new CaissonError('ERR_NATIVE_LOAD', message, { stage: 'config', path, hint, cause });
}

type Explanation = readonly [reason: string, hint: string];

function explain(file: NativeFile, cause: unknown): Explanation {
  const text = cause instanceof Error ? cause.message : String(cause);
  if ((cause as NodeJS.ErrnoException | undefined)?.code === 'ERR_DLOPEN_DISABLED')
    return explainDisabled();
  // Yarn lets Node read what is in an archive; the kernel finds a file where the path has a directory.
  if (file.path.includes('.zip/') && text.includes('Not a directory'))
    return [
      'it is in an archive of Yarn, from which no program can be loaded',
      'remove `unplugged: false` of caisson from `dependenciesMeta` in package.json, or set `nodeLinker: node-modules` in .yarnrc.yml',
    ];
  if (!existsSync(file.path)) return explainMissing(file);
  const foreign = explainForeign(file);
  if (foreign !== undefined) return foreign;
  if (isNoexec(join(dirname(file.path), 'caisson-init'))) {
    return [
      'its filesystem is mounted with noexec',
      `mount it without noexec, or let \`CAISSON_NATIVE\` name a directory elsewhere with ${FILES}`,
    ];
  }
  const version = /version [`'](GLIBC_[\d.]+)' not found/.exec(text)?.[1];
  if (version !== undefined)
    return [
      `this machine's glibc is older than ${version}`,
      'caisson needs glibc 2.28 or newer, or musl',
    ];
  return [text, 'caisson runs on Linux, on x64 and arm64, with glibc 2.28 or newer, or musl'];
}

function explainDisabled(): Explanation {
  // Node 20 has another type for it, and other releases none at all.
  const restricted = (process as { permission?: unknown }).permission !== undefined;
  if (!restricted)
    return ['Node runs with --no-addons', 'start it without that option: caisson needs its addon'];
  return [
    'Node runs with --permission and without --allow-addons',
    'add --allow-addons, --allow-child-process and --allow-worker, and --allow-fs-read and --allow-fs-write for what caisson uses',
  ];
}

function explainMissing(file: NativeFile): Explanation {
  const directory = dirname(file.path);
  if (file.origin === 'chosen')
    return [`\`CAISSON_NATIVE\` is ${directory}`, `name a directory with ${FILES} there`];
  if (file.origin === 'built') return ['the build is incomplete', 'run scripts/build-native'];
  const root = packageRoot();
  if (!isPackage(root))
    return ['a bundler has included the code of caisson, and not its binaries', BUNDLER_HINT];
  if (existsSync(join(root, 'binding.gyp')))
    return ['nothing has been built in this checkout', 'run scripts/setup'];
  const others = packagedAddons(root);
  return others.length === 0
    ? ['the package is there without its binaries', 'install it again, or copy its directory whole']
    : [
        `this package has ${others.join(', ')}`,
        'node_modules was copied from another platform, or pruned: install the package again on this one',
      ];
}

function isPackage(root: string): boolean {
  try {
    const text = readFileSync(join(root, 'package.json'), 'utf8');
    return (JSON.parse(text) as { name?: unknown } | null)?.name === 'caisson';
  } catch {
    return false;
  }
}

function packagedAddons(root: string): string[] {
  try {
    return readdirSync(join(root, 'prebuilds'), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.node'))
      .sort();
  } catch {
    return [];
  }
}

/** A file of another architecture or another C library, or one that is damaged. */
function explainForeign({ path, origin }: NativeFile): Explanation | undefined {
  const again =
    origin === 'packaged'
      ? 'node_modules was copied or changed: install the package again on this machine'
      : 'build it on this machine: scripts/build-native --clean';
  const elf = readElf(path);
  if (elf === undefined) return ['it is not a program for 64-bit Linux', again];
  const libc = libcOfLibrary(elf.needed) ?? libcOfProcess();
  if (elf.architecture === process.arch && libc === libcOfProcess()) return undefined;
  const ours = `${process.arch} with ${libcOfProcess()}`;
  return [`it is for ${elf.architecture} with ${libc}, and this process is for ${ours}`, again];
}

function libcOfLibrary(needed: readonly string[]): Libc | undefined {
  if (needed.includes('libc.so.6')) return 'glibc';
  return needed.some((name) => /^libc\.(musl|so$)/.test(name)) ? 'musl' : undefined;
}

/** access(2): not even root may execute a file of such a filesystem. */
function isNoexec(program: string): boolean {
  try {
    if ((statSync(program).mode & 0o100) === 0) return false;
    accessSync(program, constants.X_OK);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EACCES';
  }
}
