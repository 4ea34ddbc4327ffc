/** What `RUN --mount` shows to a program, as mounts of its container. */
import { createHash } from 'node:crypto';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join, posix } from 'node:path';
import { Readable } from 'node:stream';
import { feed } from '../../archive/copy.js';
import { startView } from '../../archive/view-process.js';
import { changeArchive } from '../../build/archive-filter.js';
import { digestOf } from '../../build/build-context.js';
import { contextArchive } from '../../build/context-archive.js';
import { dockerfileError } from '../../build/dockerfile-error.js';
import { IgnoreFile } from '../../build/ignore-file.js';
import type { RunMount } from '../../build/run-mounts.js';
import { newId } from '../../base/ids.js';
import { openLocked } from '../../image/content/file-locks.js';
import type { MountOption } from '../options/mount-types.js';
import type { BuildSession, StageFiles } from './build-session.js';
import { contextEntries } from './context-sources.js';
import { partAt } from './packed-sources.js';
import { withContainer } from './stage-files.js';

/** Of one RUN, before it is known whether its program has to run. */
export interface PlannedMounts {
  /** What they show, as far as the result of the program depends on it. */
  readonly key: unknown;
  /** Where they are, and the result must not have what was made for them. */
  readonly targets: readonly string[];
  /** `NAME=value` of secrets. */
  readonly env: readonly string[];
  /** Makes what is mounted, while `work` runs. */
  use<T>(work: (mounts: readonly MountOption[]) => Promise<T>): Promise<T>;
}

interface PlannedMount {
  readonly key: unknown;
  readonly make: () => Promise<MountOption | undefined>;
  /** Of a cache that one program has at a time. */
  readonly lock?: string | undefined;
}

/** @param sources the files of each `from` @throws ERR_INVALID_DOCKERFILE */
export async function planMounts(
  session: BuildSession,
  mounts: readonly RunMount[],
  sources: ReadonlyMap<string, StageFiles>,
  line: number,
): Promise<PlannedMounts> {
  const planned: PlannedMount[] = [];
  const env: string[] = [];
  for (const mount of mounts) {
    switch (mount.kind) {
      case 'bind':
        planned.push(await planBind(session, mount, sources, line));
        break;
      case 'cache':
        planned.push(planCache(mount));
        break;
      case 'tmpfs': {
        const { target, size } = mount;
        const option = { type: 'tmpfs', target, ...(size === undefined ? {} : { tmpfsSize: size }) } as const; // prettier-ignore
        planned.push({ key: option, make: () => Promise.resolve(option) });
        break;
      }
      case 'secret': {
        const content = session.options.secrets.get(mount.id);
        if (content === undefined) {
          if (mount.required) throw dockerfileError(line, `secret ${mount.id}: not found`);
          break;
        }
        if (mount.env !== undefined) env.push(`${mount.env}=${content.toString('utf8')}`);
        planned.push(planSecret(session, mount, content));
      }
    }
  }
  return {
    key: planned.map(({ key }) => key),
    targets: mounts.flatMap(({ target }) => target ?? []),
    env,
    use: (work) => withMounts(session, planned, work),
  };
}

async function withMounts<T>(
  { images, options: { signal } }: BuildSession,
  planned: readonly PlannedMount[],
  work: (mounts: readonly MountOption[]) => Promise<T>,
): Promise<T> {
  // In the same order in all builds: none waits for another one that waits for it.
  const names = [...new Set(planned.flatMap(({ lock }) => lock ?? []))].sort();
  const locks: Awaited<ReturnType<typeof openLocked>>[] = [];
  try {
    for (const name of names)
      locks.push(await openLocked(join(images.content.paths.ingest, `lock-${name}`), { signal }));
    const mounts: MountOption[] = [];
    for (const one of planned) {
      const mount = await one.make();
      if (mount !== undefined) mounts.push(mount);
    }
    return await work(mounts);
  } finally {
    // The file stays for the next one, and is removed by a collection that finds it without a lock.
    for (const lock of locks) await lock.close();
  }
}

/** A volume: it is listed and removed with the others. */
function planCache({ target, id, locked, readOnly }: RunMount & { readonly kind: 'cache' }): PlannedMount {
  const name = `build-cache-${createHash('sha256').update(id).digest('hex').slice(0, 16)}`;
  const option = { type: 'volume', source: name, target, readOnly, volumeNoCopy: true } as const;
  return {
    key: ['cache', target, id, readOnly],
    make: () => Promise.resolve(option),
    lock: locked ? name : undefined,
  };
}

/** Neither the value nor whether there is one is part of the key. */
function planSecret(
  { secretDirectory }: BuildSession,
  { target, mode }: RunMount & { readonly kind: 'secret' },
  content: Buffer,
): PlannedMount {
  return {
    key: ['secret', target],
    make: async () => {
      if (target === undefined) return undefined;
      const source = join(secretDirectory, newId().slice(0, 12));
      await writeFile(source, content, { mode: 0o600 });
      await chmod(source, mode);
      return { type: 'bind', source, target, readOnly: true, idmap: 'host' };
    },
  };
}

async function planBind(
  session: BuildSession,
  mount: RunMount & { readonly kind: 'bind' },
  sources: ReadonlyMap<string, StageFiles>,
  line: number,
): Promise<PlannedMount> {
  const { source, from, target, readOnly } = mount;
  const bind = (path: string): MountOption => ({
    type: 'bind',
    source: path,
    target,
    readOnly,
    idmap: 'host',
  });
  if (from !== undefined) {
    const files = sources.get(from)!;
    return {
      key: ['bind', target, files.manifest, source, readOnly],
      make: async () => bind(await copyOfStage(session, files, source, line)),
    };
  }
  if (session.files === undefined)
    throw dockerfileError(line, `"${source}": the build has no context`);
  const [found, more] = await session.files.find(source, line);
  if (found === undefined || more !== undefined)
    throw dockerfileError(line, `the source "${source}" of a mount is not one file or directory`);
  return {
    key: ['bind', target, await digestOf([found]), readOnly],
    make: async () => {
      const entries = contextEntries(found);
      const archive = Readable.from(contextArchive(entries), { objectMode: false });
      const into = await extracted(session, archive);
      return bind(found.isDirectory ? into : join(into, entries[0]?.name ?? ''));
    },
  };
}

async function copyOfStage(
  session: BuildSession,
  files: StageFiles,
  source: string,
  line: number,
): Promise<string> {
  return withContainer(session, files, async (container) => {
    const path = posix.join('/', source).replace(/(?<=.)\/$/, '');
    const part = await partAt(session, container, path, IgnoreFile.empty);
    if (part === undefined) throw dockerfileError(line, `"${path}" is not in the source`);
    const { keep } = part;
    const bytes = changeArchive(part.pack('file'), { keep });
    const into = await extracted(session, Readable.from(bytes, { objectMode: false }));
    return part.kind === 'directory' ? into : join(into, 'file');
  });
}

/** A copy of the files for one program, without those that the context leaves out, and with the owners that a container sees. */
async function extracted(
  { directory, context, options: { signal } }: BuildSession,
  archive: Readable,
): Promise<string> {
  const path = join(directory, `mount-${newId().slice(0, 12)}`);
  await mkdir(path, { mode: 0o755 });
  const owners = context.users === undefined ? 'archive' : 'process';
  const to = startView({ kind: 'host', path }, { kind: 'extract', path: '.', owners }, signal);
  await feed(archive, to);
  return path;
}
