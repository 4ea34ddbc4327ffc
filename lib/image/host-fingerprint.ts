/** Whether the host is still the one that a skeleton was made from. */
import { createHash } from 'node:crypto';
import { lstat, readdir, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { presentEtc } from './host-etc.js';
import { skeletonVersion } from './host-skeleton.js';

/** Everything that decides what the skeleton holds, as a name for it. */
export async function fingerprintOf(host: string): Promise<string> {
  const etc = join(host, 'etc');
  const [allowed, topLevel] = await Promise.all([presentEtc(etc), readdir(host)]);
  const paths = [
    ...topLevel.filter((name) => /^s?bin$|^lib/.test(name)).map((name) => join(host, name)),
    ...allowed.map((path) => join(etc, path)),
    // Written in place, in a directory whose own time then does not change.
    join(etc, 'ssl/certs/ca-certificates.crt'),
  ];
  const hash = createHash('sha256').update(`skeleton ${skeletonVersion}\n`);
  for (const line of await Promise.all(paths.map(signature))) hash.update(`${line}\n`);
  return hash.digest('hex').slice(0, 32);
}

/**
 * A few files that change with nearly every change of the host; `/etc` itself does whenever a file in it is
 * replaced. As long as they stand still, the fingerprint need not be taken again.
 */
export async function quickLook(host: string): Promise<string> {
  const etc = ['', 'ld.so.cache', 'passwd', 'group', 'alternatives', 'ssl/certs', 'localtime'];
  // A file system mounted over one of these shows by its device number.
  const usr = ['usr', 'usr/local', 'usr/share', 'usr/lib', 'usr/bin'];
  const paths = [
    ...usr.map((name) => join(host, name)),
    ...etc.map((name) => join(host, 'etc', name)),
  ];
  const lines = await Promise.all(
    paths.map(async (path) => {
      const stats = await lstat(path, { bigint: true }).catch(() => undefined);
      return `${stats?.dev}:${stats?.ino} ${stats?.ctimeNs}`;
    }),
  );
  return lines.join();
}

async function signature(path: string): Promise<string> {
  const stats = await lstat(path, { bigint: true }).catch(() => undefined);
  if (stats === undefined) return `${path} -`;
  const target = stats.isSymbolicLink() ? await readlink(path).catch(() => '') : '';
  return `${path} ${stats.mode} ${stats.size} ${stats.ctimeNs} ${target}`;
}
