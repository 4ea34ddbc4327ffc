/**
 * From a seccomp profile to the program that the kernel runs, compiled once: kept in memory, and on disk for
 * the next process.
 */
import { createHash, randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { mkdir, open, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { CaissonError } from '../base/errors.js';
import { packageVersion } from '../base/package-version.js';
import type { LinuxSeccomp } from './runtime-spec.js';
import { encodeProfile, type EncodedProfile } from './seccomp-encode.js';

/** The part of the native addon that this needs: `cpp/addon/compile_seccomp.h`. */
export interface SeccompCompiler {
  compileSeccomp(
    architectures: readonly string[],
    names: readonly string[],
    words: BigUint64Array,
  ): Promise<{ readonly filter: Uint8Array; readonly unknown: readonly string[] }>;
}

/** To be raised with each change of what the native compiler writes, within one version of caisson. */
const LAYOUT = 2;

/** `sizeof(struct sock_filter)`, and the kernel's BPF_MAXINSNS. */
const INSTRUCTION_SIZE = 8;
const MAX_INSTRUCTIONS = 4096;
const CHECKSUM_SIZE = 32;

/** How many different profiles one process keeps; a profile that is an object in use is kept regardless. */
const MAX_KEPT = 64;

const byObject = new WeakMap<LinuxSeccomp, Promise<Uint8Array>>();
const byDigest = new Map<string, Promise<Uint8Array>>();

/**
 * The profile as an array of `struct sock_filter`, not to be written to: all callers get the same one.
 *
 * A profile is recognised by its identity first, so it must not be changed after; then by its content. The
 * files are `<cacheDir>/seccomp/<digest>.bpf`. A cache that cannot be read or written is no error.
 *
 * @throws CaissonError ERR_INVALID_OPTION, ERR_UNSUPPORTED_OPTION: as `encodeProfile`, or a profile too large.
 */
export function compileProfile(
  profile: LinuxSeccomp,
  native: SeccompCompiler,
  cacheDir: string,
): Promise<Uint8Array> {
  let filter = byObject.get(profile);
  if (filter === undefined) {
    filter = compileContent(profile, native, join(cacheDir, 'seccomp'));
    byObject.set(profile, filter);
    filter.catch(() => byObject.delete(profile));
  }
  return filter;
}

async function compileContent(
  profile: LinuxSeccomp,
  native: SeccompCompiler,
  directory: string,
): Promise<Uint8Array> {
  const encoded = encodeProfile(profile);
  const digest = digestOf(encoded);
  let filter = byDigest.get(digest);
  if (filter === undefined) {
    filter = readOrCompile(encoded, native, directory, digest);
    byDigest.set(digest, filter);
    filter.catch(() => byDigest.delete(digest));
    for (const oldest of byDigest.keys()) {
      if (byDigest.size <= MAX_KEPT) break;
      byDigest.delete(oldest);
    }
  }
  return filter;
}

async function readOrCompile(
  encoded: EncodedProfile,
  native: SeccompCompiler,
  directory: string,
  digest: string,
): Promise<Uint8Array> {
  const file = join(directory, `${digest}.bpf`);
  const stored = await read(file);
  if (stored !== undefined) return stored;
  const filter = await compile(encoded, native);
  await write(directory, file, filter);
  return filter;
}

async function compile(encoded: EncodedProfile, native: SeccompCompiler): Promise<Uint8Array> {
  try {
    const { architectures, names, words } = encoded;
    return (await native.compileSeccomp(architectures, names, words)).filter;
  } catch (cause) {
    const tooLarge = cause instanceof Error && 'code' in cause && cause.code === 'E2BIG';
    throw new CaissonError(
      'ERR_INVALID_OPTION',
      tooLarge
        ? `seccomp profile: needs more than the ${MAX_INSTRUCTIONS} instructions that the kernel takes`
        : 'seccomp profile: cannot be compiled',
      { stage: 'config', cause },
    );
  }
}

/** What the filter depends on: the profile's meaning (machine included) and who compiled it. */
function digestOf({ architectures, names, words }: EncodedProfile): string {
  return createHash('sha256')
    .update(JSON.stringify([packageVersion(), LAYOUT, process.arch, architectures, names]))
    .update(words)
    .digest('hex');
}

/**
 * A stored filter, or nothing: missing, cut short by a crash, damaged, or within others' reach. The checksum
 * follows the program.
 */
async function read(file: string): Promise<Uint8Array | undefined> {
  const handle = await attempt(open(file, constants.O_RDONLY | constants.O_NOFOLLOW));
  if (handle === undefined) return undefined;
  try {
    const { size, uid, mode } = await handle.stat();
    const length = size - CHECKSUM_SIZE;
    const instructions = length / INSTRUCTION_SIZE;
    if (!Number.isInteger(instructions) || instructions < 1 || instructions > MAX_INSTRUCTIONS) {
      return undefined;
    }
    // A user that can write here decides what the container may do.
    if (uid !== process.geteuid?.() || (mode & 0o022) !== 0) return undefined;
    const content = await handle.readFile();
    const program = content.subarray(0, length);
    return checksum(program).equals(content.subarray(length)) ? program : undefined;
  } catch {
    // Treated as missing: it is compiled again.
    return undefined;
  } finally {
    await handle.close();
  }
}

/** Atomic, also if other processes write the same file. */
async function write(directory: string, file: string, filter: Uint8Array): Promise<void> {
  const temporary = join(directory, `.${randomBytes(8).toString('hex')}.tmp`);
  const content = Buffer.concat([filter, checksum(filter)]);
  const written = mkdir(directory, { recursive: true, mode: 0o700 })
    .then(() => writeFile(temporary, content, { flag: 'wx', mode: 0o600 }))
    .then(() => rename(temporary, file))
    .then(() => true);
  if (!(await attempt(written))) await attempt(rm(temporary, { force: true }));
}

function checksum(program: Uint8Array): Buffer {
  return createHash('sha256').update(program).digest();
}

/** The disk is an aid only: where it fails, the filter is compiled once a process. */
async function attempt<T>(operation: Promise<T>): Promise<T | undefined> {
  try {
    return await operation;
  } catch {
    return undefined;
  }
}
