/**
 * The `host` image's top layer. The overlay's layers are this skeleton and the host's `/usr`, so that the
 * overlay's own top level is `/usr`; the skeleton adds one directory there, `.root`, which the container gets
 * as its `/`. One overlay, two views of it, and writes to `/etc` and to `/usr/local` land in the same upper
 * layer.
 */
import { chmod, lstat, mkdir, readdir, readlink, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { copyEtc } from './host-etc.js';

/** A directory of the host that the container needs besides the overlay, bound read-only. */
export interface HostBind {
  readonly source: string;
  /** Absolute path inside the container. */
  readonly to: string;
  /** With all that is mounted below. */
  readonly whole?: boolean | undefined;
}

/** Changes when `buildSkeleton` makes something else of the same host. */
export const skeletonVersion = 1;

/** The directory in the skeleton that becomes the container's root. */
export const rootName = '.root';

/** Directories of the root, and their modes. */
const directories: readonly (readonly [path: string, mode: number])[] = [
  ['usr', 0o755],
  ['etc', 0o755],
  ['dev', 0o755],
  ['proc', 0o555],
  ['sys', 0o555],
  ['run', 0o755],
  ['run/lock', 0o1777],
  ['tmp', 0o1777],
  ['root', 0o700],
  ['home', 0o755],
  ['boot', 0o755],
  ['media', 0o755],
  ['mnt', 0o755],
  ['opt', 0o755],
  ['srv', 0o755],
  ['var', 0o755],
  ['var/cache', 0o755],
  ['var/lib', 0o755],
  ['var/lib/misc', 0o755],
  ['var/local', 0o755],
  ['var/log', 0o755],
  ['var/mail', 0o1777],
  ['var/opt', 0o755],
  ['var/spool', 0o755],
  ['var/tmp', 0o1777],
];

const links: readonly (readonly [path: string, target: string])[] = [
  ['var/run', '/run'],
  ['var/lock', '/run/lock'],
  ['var/spool/mail', '../mail'],
  ['etc/mtab', '/proc/self/mounts'],
];

/** Empty, so that the engine's own can be put over them, and programs find a file. */
const emptyFiles: readonly (readonly [path: string, mode: number])[] = [
  ['etc/hostname', 0o644],
  ['etc/hosts', 0o644],
  ['etc/resolv.conf', 0o644],
  ['etc/environment', 0o644],
  ['etc/machine-id', 0o444],
];

/** The links and directories that make a root out of `/usr`: `/bin`, `/lib64`, … */
const usrNames = /^(?:bin|sbin|lib|lib32|lib64|libx32|libo32|libn32)$/;

/**
 * Fills the empty directory `target`.
 *
 * @param host the host's root: `/` (another one in tests).
 */
export async function buildSkeleton(target: string, host: string): Promise<void> {
  await chmod(target, 0o755);
  const root = join(target, rootName);
  await makeDirectory(root, 0o755);
  for (const [path, mode] of directories) await makeDirectory(join(root, path), mode);
  await copyEtc(host, join(root, 'etc'));
  for (const [path, text] of links) await symlink(text, join(root, path));
  for (const [path, mode] of emptyFiles) {
    const file = join(root, path);
    await writeFile(file, '', { mode });
    await chmod(file, mode);
  }
  for (const { name, link } of await usrEntries(host)) {
    if (link === undefined) await makeDirectory(join(root, name), 0o755);
    else await symlink(link, join(root, name));
  }
}

/**
 * What the overlay does not show: `/bin` and the like as directories of their own (a host without merged
 * `/usr`), and file systems that are mounted directly below `/usr` (an overlay's layer ends at a mount).
 */
export async function bindsOf(host: string): Promise<HostBind[]> {
  const unmerged = (await usrEntries(host))
    .filter(({ link }) => link === undefined)
    .map(({ name }) => ({ source: join(host, name), to: `/${name}` }));
  const usr = join(host, 'usr');
  const { dev } = await lstat(usr);
  const mounted = await Promise.all(
    (await readdir(usr)).map(async (name) => {
      const stats = await lstat(join(usr, name)).catch(() => undefined);
      if (stats === undefined || stats.dev === dev || !stats.isDirectory()) return [];
      return [{ source: join(usr, name), to: `/usr/${name}` }];
    }),
  );
  return [...unmerged, ...mounted.flat()];
}

async function usrEntries(host: string): Promise<{ name: string; link: string | undefined }[]> {
  const entries = await readdir(host, { withFileTypes: true });
  const known = entries.filter((entry) => usrNames.test(entry.name));
  return Promise.all(
    known.map(async (entry) => ({
      name: entry.name,
      link: entry.isSymbolicLink() ? await readlink(join(host, entry.name)) : undefined,
    })),
  );
}

/** `mkdir` whose mode the process's umask does not touch. */
async function makeDirectory(path: string, mode: number): Promise<void> {
  await mkdir(path, { mode });
  await chmod(path, mode);
}
