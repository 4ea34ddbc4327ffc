/** COPY and ADD: files from the context, another stage, an image or an archive, into the files so far. */
import { posix } from 'node:path';
import { Readable } from 'node:stream';
import { changeArchive } from '../../build/archive-filter.js';
import { type ArchiveEntry, contextArchive } from '../../build/context-archive.js';
import { dockerfileError } from '../../build/dockerfile-error.js';
import type { CopyStep } from '../../build/stage-state.js';
import { resolveImage } from '../../image/snapshots/resolve.js';
import { archiveBytes } from '../images/archive-input.js';
import { resolveUser } from '../options/user.js';
import { lookAtAccounts } from '../start/accounts.js';
import { cacheKey } from '../../build/build-cache.js';
import type { BuildSession, StageFiles } from './build-session.js';
import { type ContextPart, gatherFromContext } from './context-sources.js';
import { makeDirectories, type Owner, statIfThere } from './directory-step.js';
import { packSources, type PackedPart } from './packed-sources.js';
import { type BuildContainer, withChanges, withContainer } from './stage-files.js';

/** What a step copies, known before anything is copied. */
export interface CopyPlan {
  readonly key: string;
  run(): Promise<StageFiles>;
}

/** @param source the files of `--from` */
export async function planCopy(
  session: BuildSession,
  files: StageFiles,
  step: CopyStep,
  source: StageFiles | undefined,
): Promise<CopyPlan> {
  const { target, chown, chmod, add, exclude, line } = step;
  const key = (what: unknown) =>
    cacheKey('copy', files.manifest, { target, chown, chmod, add, exclude }, what);
  if (source !== undefined) {
    return {
      key: key([source.manifest, step.sources]),
      run: () =>
        packSources(session, source, step, (parts) => copyInto(session, files, step, parts)),
    };
  }
  const gathered = await gatherFromContext(session, step);
  if (gathered.parts.length === 0) throw dockerfileError(line, 'there is nothing to copy');
  return {
    key: key(gathered.digest),
    run: () => copyInto(session, files, step, gathered.parts),
  };
}

type Part = ContextPart | PackedPart;

async function copyInto(
  session: BuildSession,
  files: StageFiles,
  step: CopyStep,
  parts: readonly Part[],
): Promise<StageFiles> {
  const owner = await ownerOf(session, files, step);
  const mode = step.chmod === undefined ? undefined : Number.parseInt(step.chmod, 8);
  const { signal } = session.options;
  return withContainer(session, files, async (container) => {
    const { directory, name } = await destination(container, step, parts);
    await makeDirectories(container.files, directory, owner);
    for (const archive of archivesOf(parts, name, owner, mode))
      await container.files.extract(archive, directory, { archive: true, signal });
    return withChanges(session, files, container);
  });
}

/** @returns `name` if the source is one file that gets another name */
async function destination(
  { files }: BuildContainer,
  { target, line, add }: CopyStep,
  parts: readonly Part[],
): Promise<{ readonly directory: string; readonly name: string | undefined }> {
  const single = parts.filter(({ kind }) => kind === 'file');
  const isDirectory =
    target.endsWith('/') ||
    single.length === 0 ||
    (await statIfThere(files, target))?.isDirectory === true;
  if (isDirectory) return { directory: posix.join('/', target), name: undefined };
  if (parts.length > 1)
    throw dockerfileError(
      line,
      `When using ${add ? 'ADD' : 'COPY'} with more than one source file, the destination must be a directory and end with a /`,
    );
  return { directory: posix.dirname(target), name: posix.basename(target) };
}

/** Those of the context that come one after the other are one archive. */
function* archivesOf(
  parts: readonly Part[],
  name: string | undefined,
  owner: Owner | undefined,
  mode: number | undefined,
): Generator<Readable> {
  let entries: ArchiveEntry[] = [];
  const collected = () => {
    const all = entries;
    entries = [];
    return Readable.from(contextArchive(all), { objectMode: false });
  };
  for (const part of parts) {
    if ('entries' in part) {
      for (const entry of part.entries)
        entries.push({
          ...entry,
          name: part.kind === 'file' ? (name ?? entry.name) : entry.name,
          mode: entry.type === 'link' ? 0o777 : (mode ?? entry.mode),
          uid: owner?.uid ?? 0,
          gid: owner?.gid ?? 0,
        });
      continue;
    }
    if (entries.length > 0) yield collected();
    const bytes = part.kind === 'archive' ? archiveBytes(part.path) : part.pack(name);
    const keep = part.kind === 'archive' ? undefined : part.keep;
    const isAsItIs = owner === undefined && mode === undefined && keep === undefined;
    const changed = isAsItIs ? bytes : changeArchive(bytes, { owner, mode, keep });
    yield Readable.from(changed, { objectMode: false });
  }
  if (entries.length > 0) yield collected();
}

/** Names are looked up in the files so far. A number alone is the group's, too, as with Docker. */
async function ownerOf(
  { context }: BuildSession,
  { manifest }: StageFiles,
  { chown, line }: CopyStep,
): Promise<Owner | undefined> {
  if (chown === undefined) return undefined;
  if (chown === '') throw dockerfileError(line, '--chown has no user');
  if (/^\d+$/.test(chown)) return { uid: Number(chown), gid: Number(chown) };
  const image = { kind: 'image', name: manifest, manifest } as const;
  const { root } = await resolveImage(image, context.dataRoot);
  const { uid, gid } = resolveUser(chown, undefined, await lookAtAccounts(context.binding, root));
  return { uid, gid };
}
