/** `caisson load`, `save` and `import`. */
import { randomUUID } from 'node:crypto';
import { lstatSync } from 'node:fs';
import { open, rename, unlink } from 'node:fs/promises';
import { isatty } from 'node:tty';
import { CaissonError } from '../../base/errors.js';
import { storageError } from '../../base/storage.js';
import { IMPORT, LOAD, SAVE } from '../flags/archive-flags.js';
import { print } from '../report.js';
import { OutputStream } from '../terminal/output-stream.js';
import { imageCommand } from './image-command.js';

export const load = imageCommand(LOAD, async (line, all) => {
  const file = line.value('input');
  if (file === undefined && isatty(0))
    throw refused('requested load from stdin, but stdin is empty', 'give a file: -i FILE');
  const input = file ?? (process.stdin as AsyncIterable<Uint8Array>);
  const loaded = await all.load(input, { platform: line.value('platform') });
  // With --quiet, too, as Docker: it suppresses the progress only.
  const lines = loaded.flatMap(({ id, names }) =>
    names.length === 0
      ? [`Loaded image ID: ${id}\n`]
      : names.map((name) => `Loaded image: ${name}\n`),
  );
  print(1, lines.join(''));
  return 0;
});

export const save = imageCommand(SAVE, async (line, all) => {
  const file = line.value('output');
  if (file === undefined || file === '') {
    if (isatty(1))
      throw refused(
        'cowardly refusing to save to a terminal',
        'use the -o flag or redirect standard output',
      );
    const output = new OutputStream(1);
    for await (const part of all.save(line.args))
      await Promise.race([output.write(part), output.lost]);
    return 0;
  }
  await writeFileWhole(file, all.save(line.args));
  return 0;
});

export const importCommand = imageCommand(IMPORT, async (line, all) => {
  const [source = '', target] = line.args;
  if (/^https?:\/\//.test(source))
    throw refused('importing from a URL is not supported', `curl -L ${source} | caisson import -`);
  const message = line.value('message');
  const platform = line.value('platform');
  const image = await all.import(
    source === '-' ? (process.stdin as AsyncIterable<Uint8Array>) : source,
    target,
    {
      changes: line.values('change'),
      ...(message === undefined ? {} : { message }),
      ...(platform === undefined ? {} : { platform }),
    },
  );
  print(1, `${image.id}\n`);
  return 0;
});

/** A regular file is replaced when all of it is written: an error leaves the one before. */
async function writeFileWhole(path: string, parts: AsyncIterable<Uint8Array>): Promise<void> {
  const there = lstatSync(path, { throwIfNoEntry: false });
  const direct = there !== undefined && !there.isFile();
  const written = direct ? path : `${path}.${randomUUID().slice(0, 8)}`;
  let iterator: AsyncIterator<Uint8Array> | undefined = parts[Symbol.asyncIterator]();
  // The first bytes come when all images were found.
  const first = await iterator.next();
  try {
    const file = await open(written, direct ? 'w' : 'wx', 0o600);
    try {
      for (let next = first; next.done !== true; next = await iterator.next())
        await file.writeFile(next.value);
      iterator = undefined;
    } finally {
      await file.close();
    }
    if (!direct) await rename(written, path);
  } catch (error) {
    await iterator?.return?.();
    if (!direct) await unlink(written).catch(() => undefined);
    const cause = storageError(path, error);
    if (cause instanceof CaissonError) throw cause;
    const { code } = error as NodeJS.ErrnoException;
    throw refused(`cannot write ${path}: ${code ?? String(error)}`, 'choose another file', error);
  }
}

function refused(message: string, hint: string, cause?: unknown): CaissonError {
  return new CaissonError('ERR_INVALID_OPTION', message, { stage: 'config', hint, cause });
}
