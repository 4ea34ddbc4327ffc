/** `caisson diff` and `caisson export`. */
import { createWriteStream } from 'node:fs';
import { rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { isatty } from 'node:tty';
import type { ChangeKind } from '../../archive/changes.js';
import { parseCommandLine } from '../args/command-line.js';
import { at, type EngineLocation } from '../command-context.js';
import { DIFF, EXPORT } from '../flags/files-flags.js';
import { print } from '../report.js';
import { complain } from './each.js';
import { writeStream } from '../terminal/write-stream.js';

const LETTERS: Readonly<Record<ChangeKind, string>> = { added: 'A', changed: 'C', deleted: 'D' };

export async function diff(args: readonly string[], location: EngineLocation): Promise<number> {
  const [name = ''] = parseCommandLine(DIFF, args).args;
  return at(location, async (context) => {
    try {
      const changes = await (await context.get(name)).diff();
      print(1, changes.map(({ kind, path }) => `${LETTERS[kind]} ${path}\n`).join(''));
      return 0;
    } catch (error) {
      await complain(error);
      return 1;
    }
  });
}

export async function exportFiles(
  args: readonly string[],
  location: EngineLocation,
): Promise<number> {
  const line = parseCommandLine(EXPORT, args);
  const [name = ''] = line.args;
  const output = line.value('output') ?? '';
  if (output === '' && isatty(1)) {
    print(2, 'caisson: cowardly refusing to save to a terminal. Use the -o flag or redirect\n');
    return 1;
  }
  return at(location, async (context) => {
    try {
      const container = await context.get(name);
      if (output === '') await writeStream(await container.export());
      else await exportTo(output, () => container.export());
      return 0;
    } catch (error) {
      if (isSystemError(error)) {
        print(2, `caisson: failed to export container: ${error.message}\n`);
        return 1;
      }
      await complain(error);
      return 1;
    }
  });
}

/** A file that exists is replaced when the archive is whole. What is no file, such as a pipe, is written to. */
async function exportTo(path: string, open: () => Promise<NodeJS.ReadableStream>): Promise<void> {
  const found = await stat(path).catch(() => undefined);
  if (found !== undefined && !found.isFile()) {
    await pipeline(await open(), createWriteStream(path));
    return;
  }
  const partial = join(dirname(path), `.${basename(path)}.${process.pid}`);
  try {
    await pipeline(await open(), createWriteStream(partial, { flags: 'wx', mode: 0o600 }));
    await rename(partial, path);
  } catch (error) {
    await rm(partial, { force: true });
    throw error;
  }
}

function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return (
    error instanceof Error &&
    typeof (error as NodeJS.ErrnoException).syscall === 'string' &&
    !('stage' in error)
  );
}
