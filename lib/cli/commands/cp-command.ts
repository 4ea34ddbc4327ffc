/** `caisson cp`. */
import { isatty } from 'node:tty';
import { splitContainerPath } from '../../archive/copy-paths.js';
import type { CopyOptions, CopyResult } from '../../archive/copy.js';
import { CaissonError } from '../../base/errors.js';
import type { Container } from '../../engine/container/container.js';
import { parseCommandLine } from '../args/command-line.js';
import { at, type EngineLocation } from '../command-context.js';
import { CP } from '../flags/files-flags.js';
import { print } from '../report.js';
import { complain } from './each.js';

export async function cp(args: readonly string[], location: EngineLocation): Promise<number> {
  const line = parseCommandLine(CP, args);
  const [source = '', destination = ''] = line.args;
  const options = { archive: line.has('archive'), followLink: line.has('follow-link') };
  // As Docker: not where no terminal is attached.
  const quiet = line.has('quiet') || !isatty(1);
  const from = splitContainerPath(source);
  const to = splitContainerPath(destination);
  const names = [from?.container, to?.container];
  if (from !== undefined && to !== undefined)
    return fail('copying between containers is not supported');
  if (from === undefined && to === undefined)
    return fail('must specify at least one container source');
  if (names.includes('')) return fail('the name of the container is missing');
  if (from?.path === '' || source === '') return fail('source can not be empty');
  if (to?.path === '' || destination === '') return fail('destination can not be empty');
  return at(location, async (context) => {
    let name = '';
    try {
      name = from?.container ?? to?.container ?? '';
      const container = await context.get(name);
      const result =
        from !== undefined
          ? await copyFrom(container, from.path, destination, options)
          : await copyTo(container, source, to?.path ?? '', options);
      if (result !== undefined && !quiet) await tell(result, destination);
      return 0;
    } catch (error) {
      await complain(inContainer(error, name));
      return 1;
    }
  });
}

async function copyFrom(
  container: Container,
  path: string,
  destination: string,
  options: CopyOptions,
): Promise<CopyResult | undefined> {
  if (destination !== '-') return container.files.copyOut(path, destination, options);
  if (isatty(1)) throw refusal('cowardly refusing to write an archive to a terminal');
  const { writeStream } = await import('../terminal/write-stream.js');
  await writeStream(await container.files.pack(path, options));
  return undefined;
}

async function copyTo(
  container: Container,
  source: string,
  path: string,
  options: CopyOptions,
): Promise<CopyResult | undefined> {
  if (source !== '-') return container.files.copyIn(source, path, options);
  await container.files.extract(process.stdin, path, options);
  return undefined;
}

function refusal(message: string): CaissonError {
  return new CaissonError('ERR_INVALID_OPTION', message, { stage: 'config' });
}

/** As Docker says it of a path of the container. */
function inContainer(error: unknown, name: string): unknown {
  if (!(error instanceof CaissonError) || error.code !== 'ERR_NO_SUCH_FILE') return error;
  const { path = '', syscall } = error;
  if (syscall === undefined) return error;
  return new CaissonError(error.code, `Could not find the file ${path} in container ${name}`, {
    stage: error.stage,
    path,
    errno: error.errno,
    cause: error,
  });
}

async function tell({ bytes }: CopyResult, destination: string): Promise<void> {
  const { humanSize } = await import('../../docker/go-units.js');
  print(2, `Successfully copied ${humanSize(bytes)} to ${destination}\n`);
}

function fail(message: string): number {
  print(2, `caisson: ${message}\n`);
  return 1;
}
