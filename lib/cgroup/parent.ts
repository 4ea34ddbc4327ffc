/** `cgroupParent`: a parent for a container's cgroups that the caller has chosen. */
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { show } from '../base/check.js';
import { CaissonError } from '../base/errors.js';
import { isErrno } from '../base/errno.js';
import { type CgroupLocation, readIn } from './cgroup-paths.js';
import { enableControllers } from './enable-controllers.js';
import type { CgroupPlacement } from './writes.js';

/** systemd.slice(5): each dash is a level. The root of all slices, `-.slice`, takes no scopes of others. */
const SLICE = /^[A-Za-z0-9:_.\\]+(?:-[A-Za-z0-9:_.\\]+)*\.slice$/;
const COMPONENT = /^[A-Za-z0-9_.:@\\-]{1,255}$/;

/**
 * @param slice undefined: systemd is not asked.
 * @param wanted with systemd the name of a slice, `batch.slice`; else a path, from the mount point of each hierarchy.
 * @throws ERR_INVALID_OPTION
 */
export function cgroupLocation(slice: string | undefined, wanted: unknown): CgroupLocation {
  if (wanted === undefined || wanted === '') return { cgroupSlice: slice };
  if (slice === undefined) return { cgroupParent: parsePath(wanted) };
  if (typeof wanted !== 'string' || !SLICE.test(wanted))
    throw refused(wanted, 'is not the name of a slice: with systemd, NAME.slice');
  return { cgroupSlice: `${dirname(slice)}/${levelsOf(wanted).join('/')}`.replace(/^\/+/, '/') };
}

/** `a-b.slice` is in `a.slice`. */
function levelsOf(slice: string): string[] {
  const parts = slice.slice(0, -'.slice'.length).split('-');
  return parts.map((_, level) => `${parts.slice(0, level + 1).join('-')}.slice`);
}

function parsePath(wanted: unknown): string {
  const names = typeof wanted === 'string' ? wanted.split('/').filter((name) => name !== '') : [];
  const plain = (name: string) => COMPONENT.test(name) && name !== '.' && name !== '..';
  if (names.length === 0 || !names.every(plain))
    throw refused(wanted, 'is not the path of a cgroup', '/NAME or /NAME/NAME, and no . or ..');
  return `/${names.join('/')}`;
}

function refused(wanted: unknown, why: string, hint?: string): CaissonError {
  return new CaissonError(
    'ERR_INVALID_OPTION',
    `cgroupParent (--cgroup-parent): ${show(wanted)} ${why}`,
    { stage: 'config', path: 'cgroupParent', hint },
  );
}

/**
 * Makes what is missing of it, in each hierarchy in which a container is to have a cgroup there. It is not
 * removed: the caller may have set limits in it.
 *
 * @param parent a `CgroupLocation`'s.
 * @throws ERR_START_FAILED
 */
export async function makeParent(
  placements: readonly CgroupPlacement[],
  parent: string,
): Promise<void> {
  for (const { version, controllers, base, baseWrites = [] } of placements) {
    let above = base.slice(0, -parent.length);
    for (const name of parent.split('/').slice(1)) {
      const dir = `${above}/${name}`;
      try {
        for (const { value } of baseWrites) await enableControllers(above, value);
        await mkdir(dir).catch((error: unknown) => {
          if (!isErrno(error, 'EEXIST')) throw error;
        });
        if (version === 1 && controllers.includes('cpuset')) await fillCpuset(above, dir);
      } catch (error) {
        throw cannotMake(dir, error);
      }
      above = dir;
    }
  }
}

/** v1: a cpuset without processors or memory accepts no process, nor do its children. */
async function fillCpuset(above: string, dir: string): Promise<void> {
  for (const file of ['cpuset.cpus', 'cpuset.mems']) {
    if ((await readIn(dir, file))?.trim() !== '') continue;
    await writeFile(`${dir}/${file}`, (await readIn(above, file)) ?? '0');
  }
  await writeFile(`${dir}/cgroup.clone_children`, '1');
}

function cannotMake(dir: string, cause: unknown): CaissonError {
  const { code, syscall, path } = cause as NodeJS.ErrnoException;
  return new CaissonError('ERR_START_FAILED', `cgroupParent: ${dir} cannot be used: ${code}`, {
    stage: 'host',
    syscall,
    errno: code,
    path: path ?? dir,
    hint:
      code === 'EBUSY'
        ? 'a cgroup of v2 that has processes of its own cannot enable controllers for its children: move them into a child'
        : undefined,
    cause,
  });
}
