/** From what a caller names as the context to the text of the Dockerfile and the files beside it. */
import { mkdir, readFile, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { Readable } from 'node:stream';
import { invalid } from '../../base/check.js';
import { isErrno } from '../../base/errno.js';
import { CaissonError } from '../../base/errors.js';
import { feed } from '../../archive/copy.js';
import { startView } from '../../archive/view-process.js';
import { BuildContext } from '../../build/build-context.js';
import { dockerfileError } from '../../build/dockerfile-error.js';
import { MAX_DOCKERFILE } from '../../build/logical-lines.js';
import { archiveBytes } from '../images/archive-input.js';
import type { CheckedBuild } from './build-options.js';

export interface BuildInput {
  /** The text of the Dockerfile. */
  readonly source: string;
  /** Undefined: there is no context. */
  readonly files: BuildContext | undefined;
}

const REMOTE = /^(?:https?|git|ssh|ftp):\/\/|^git@/i;

/**
 * @param input a directory, the stream of a tar archive, or nothing
 * @param work a directory into which an archive is extracted
 * @throws ERR_INVALID_OPTION, ERR_UNSUPPORTED_OPTION, ERR_INVALID_ARCHIVE; ERR_NO_SUCH_FILE without a Dockerfile
 */
export async function openInput(
  input: string | Readable | undefined,
  options: Pick<CheckedBuild, 'file' | 'dockerfile' | 'signal'>,
  work: string,
): Promise<BuildInput> {
  const { file = 'Dockerfile', dockerfile } = options;
  if (input === undefined) {
    if (dockerfile === undefined && options.file === undefined)
      throw invalid('context', input, 'is missing', 'give a directory, or the text of a Dockerfile');
    return { source: dockerfile ?? (await readDockerfile(resolve(file))), files: undefined };
  }
  if (typeof input !== 'string' && !(input instanceof Readable))
    throw invalid('context', input, 'is neither a directory nor a stream');
  if (typeof input === 'string' && REMOTE.test(input))
    throw new CaissonError('ERR_UNSUPPORTED_OPTION', `a build context at ${input} is not supported`, { // prettier-ignore
      stage: 'build',
      path: 'context',
      hint: 'fetch it first, and build from the directory',
    });
  const root = typeof input === 'string' ? resolve(input) : await extracted(input, options, work);
  const path = resolve(root, file);
  const files = await BuildContext.open(root, dockerfile === undefined ? path : undefined);
  return { source: dockerfile ?? (await readDockerfile(path)), files };
}

async function readDockerfile(path: string): Promise<string> {
  try {
    if ((await stat(path)).size > MAX_DOCKERFILE)
      throw dockerfileError(1, `the file is larger than ${MAX_DOCKERFILE} bytes`);
    return await readFile(path, 'utf8');
  } catch (cause) {
    if (!isErrno(cause, 'ENOENT', 'ENOTDIR', 'EACCES', 'EISDIR')) throw cause;
    const { code } = cause as NodeJS.ErrnoException;
    throw new CaissonError('ERR_NO_SUCH_FILE', `failed to read the Dockerfile ${path}: ${code}`, {
      stage: 'build',
      path,
      errno: code,
      hint: code === 'ENOENT' ? '-f names another file' : undefined,
      cause,
    });
  }
}

/** By a process that has confined itself to the directory: no name of the archive leads out of it. */
async function extracted(
  archive: Readable,
  { signal }: Pick<CheckedBuild, 'signal'>,
  work: string,
): Promise<string> {
  const path = join(work, 'context');
  await mkdir(path);
  const to = startView(
    { kind: 'host', path },
    { kind: 'extract', path: '.', owners: 'process' },
    signal,
  );
  await feed(archiveBytes(archive), to);
  return path;
}
