// Debian's smallest system, as debootstrap makes it.
import { execFileSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { EPOCH } from './layout.mjs';

export const DEBIAN_CONFIG = {
  Env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'],
  Cmd: ['bash'],
};

/** What differs each time: logs, caches, keys of this machine. */
const VARYING = ['var/log/*', 'var/cache/ldconfig/*', 'var/cache/apt/*.bin', 'etc/machine-id'];
/** Of this machine: debootstrap copies it. */
const OF_MACHINE = ['etc/hostname', 'etc/resolv.conf', 'dev/*'];

/** The directory of a root filesystem of scripts/make-rootfs. */
export function makeRootfs(kind) {
  return execFileSync('scripts/make-rootfs', [kind], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  }).trim();
}

/** An archive of a tree, or of some names in it (relative, each ended by a zero byte). */
export function archiveOf(tree, output, names) {
  const all = ['--sort=name', '.'];
  const some = ['--null', '--no-recursion', '--verbatim-files-from', '--files-from=-'];
  execFileSync(
    'tar',
    [
      '--create',
      `--file=${output}`,
      `--directory=${tree}`,
      '--format=pax',
      // Without the times of access and of change, and without the number of the process in names.
      '--pax-option=delete=atime,delete=ctime,exthdr.name=%d/PaxHeaders/%f',
      '--numeric-owner',
      '--xattrs',
      '--xattrs-include=security.capability',
      `--mtime=@${EPOCH}`,
      '--clamp-mtime',
      ...[...VARYING, ...OF_MACHINE].map((pattern) => `--exclude=./${pattern}`),
      ...(names === undefined ? all : some),
    ],
    { input: names, stdio: [names === undefined ? 'ignore' : 'pipe', 'inherit', 'inherit'] },
  );
}

/** The layer of Debian. */
export async function addDebian(layout) {
  const archived = join(layout.directory, 'debian.tar');
  archiveOf(makeRootfs('debian'), archived);
  await layout.addLayer(archived, 'ADD debian');
  rmSync(archived);
}

export async function make(layout) {
  await addDebian(layout);
  await layout.finish(DEBIAN_CONFIG);
}
