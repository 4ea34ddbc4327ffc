/** What all contestants share: the built helpers, and a root whose `/true` does nothing. */
import { execFile } from 'node:child_process';
import { copyFile, mkdir, rm, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** The repository. The bench runs from `dist/bench`. */
export const repository = fileURLToPath(new URL('../../', import.meta.url));

export interface Workspace extends AsyncDisposable {
  /** On the disk, not a tmpfs: that is where containers' upper layers are. */
  readonly directory: string;
  readonly root: string;
  readonly helper: (name: 'floor' | 'launch' | 'true') => string;
}

export async function openWorkspace(): Promise<Workspace> {
  await run(`${repository}bench/floor/build`);
  const helper = (name: string): string => `${repository}build/bench/${name}`;
  const directory = `${repository}.cache/bench`;
  const root = `${directory}/root`;
  await mkdir(directory, { recursive: true });
  await run(`${repository}scripts/make-rootfs`, ['busybox', root]);
  await copyFile(helper('true'), `${root}/true`);
  // Engines bind their own over these; as images do, this one has them already.
  for (const name of ['hosts', 'hostname', 'resolv.conf'])
    await writeFile(`${root}/etc/${name}`, '');
  return {
    directory,
    root,
    helper,
    [Symbol.asyncDispose]: async () => await rm(directory, { recursive: true, force: true }),
  };
}
