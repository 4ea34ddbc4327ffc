/** Which addon belongs to this process. It is known from the process and never tried out. */
import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CaissonError } from '../base/errors.js';
import { readElf } from './elf.js';

export interface NativeFile {
  readonly path: string;
  /** `CAISSON_NATIVE` names it; it was built in this checkout; it came with the package. */
  readonly origin: 'chosen' | 'built' | 'packaged';
}

export type Libc = 'glibc' | 'musl';

const ARCHITECTURES = ['x64', 'arm64'];

let found: NativeFile | undefined;

/** It need not exist. @throws ERR_NATIVE_LOAD where caisson has no binaries */
export function findNative(): NativeFile {
  return (found ??= find());
}

function find(): NativeFile {
  const chosen = process.env['CAISSON_NATIVE'];
  if (chosen !== undefined && chosen !== '')
    return { path: join(resolve(chosen), 'caisson.node'), origin: 'chosen' };
  const root = packageRoot();
  const built = join(root, 'build/Release/caisson.node');
  if (existsSync(built)) return { path: built, origin: 'built' };
  const { platform, arch } = process;
  if (platform !== 'linux' || !ARCHITECTURES.includes(arch)) {
    throw new CaissonError('ERR_NATIVE_LOAD', `caisson has no binaries for ${platform}-${arch}`, {
      stage: 'config',
      hint: 'it runs on Linux, on x64 and arm64; `CAISSON_NATIVE` can name a directory with others',
    });
  }
  const path = join(root, `prebuilds/linux-${arch}/caisson.${libcOfProcess()}.node`);
  return { path, origin: 'packaged' };
}

/** The package's directory, above dist/lib/native/ and dist/lib/bundle/. */
export function packageRoot(): string {
  return join(dirname(fileURLToPath(import.meta.url)), '../../..');
}

/** Of the running program, not of the machine, which may have both. */
export function libcOfProcess(): Libc {
  const interpreter = interpreterOf(process.execPath);
  if (interpreter !== undefined) return libcOfInterpreter(interpreter);
  // The program names none, as it was started by the loader itself, or this process may not read it.
  const report = process.report.getReport() as { header?: { glibcVersionRuntime?: string } };
  return report.header?.glibcVersionRuntime === undefined ? 'musl' : 'glibc';
}

/** `/lib/ld-musl-x86_64.so.1` is musl's, `/lib64/ld-linux-x86-64.so.2` glibc's. */
export function libcOfInterpreter(path: string): Libc {
  return /(^|\/)ld-musl-[^/]*$/.test(path) ? 'musl' : 'glibc';
}

function interpreterOf(program: string): string | undefined {
  try {
    return readElf(program)?.interpreter;
  } catch {
    return undefined;
  }
}
