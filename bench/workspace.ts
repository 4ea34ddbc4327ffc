/** What all contestants share: the built helpers, and a root whose `/true` does nothing. */
import { execFile, spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { chmod, copyFile, mkdtemp, writeFile } from 'node:fs/promises';
import { constants } from 'node:os';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** The repository. The bench runs from `dist/bench`. */
export const repository = fileURLToPath(new URL('../../', import.meta.url));

export interface Workspace {
  readonly directory: string;
  readonly root: string;
  readonly helper: (name: 'floor' | 'launch' | 'traffic' | 'true') => string;
  /** A shell command for the end, however it comes: for what outlives the bench. */
  readonly atExit: (script: string) => void;
  /** The end has come. What lives on may hold a pipe of the bench's, and so the bench. */
  readonly clear: () => void;
}

export async function openWorkspace(): Promise<Workspace> {
  await run(`${repository}bench/floor/build`);
  const helper = (name: string): string => `${repository}build/bench/${name}`;
  // On the disk, and where users other than root may go, as crun's and runc's container root has to.
  const directory = await mkdtemp('/var/tmp/caisson-bench-');
  await chmod(directory, 0o755);
  const scripts: string[] = [];
  const clear = (): void => {
    for (const script of scripts.splice(0))
      spawnSync('sh', ['-c', script], { stdio: 'ignore', timeout: 60_000 });
  };
  // However it ends.
  process.once('exit', () => {
    clear();
    rmSync(directory, { recursive: true, force: true });
  });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => process.exit(128 + constants.signals[signal]));
  }
  const root = `${directory}/root`;
  await run(`${repository}scripts/make-rootfs`, ['busybox', root]);
  for (const name of ['true', 'traffic']) await copyFile(helper(name), `${root}/${name}`);
  // Engines bind their own over these; as images do, this one has them already.
  for (const name of ['hosts', 'hostname', 'resolv.conf'])
    await writeFile(`${root}/etc/${name}`, '');
  return { directory, root, helper, atExit: (script) => scripts.push(script), clear };
}
