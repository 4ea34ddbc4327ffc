/** What `COPY --from` takes from another stage or an image. */
import { posix } from 'node:path';
import type { Readable } from 'node:stream';
import { startView } from '../../archive/view-process.js';
import { dockerfileError, unsupportedInDockerfile } from '../../build/dockerfile-error.js';
import { IgnoreFile, matchesPath } from '../../build/ignore-file.js';
import type { CopyStep } from '../../build/stage-state.js';
import { streamOfView } from '../container/container-view.js';
import type { BuildSession, StageFiles } from './build-session.js';
import { statIfThere } from './directory-step.js';
import { type BuildContainer, withContainer } from './stage-files.js';

export interface PackedPart {
  readonly kind: 'file' | 'directory';
  /** A tar stream. @param name of a file, in place of its own */
  pack(name: string | undefined): Readable;
  readonly keep: (path: string) => boolean;
}

/** @throws ERR_INVALID_DOCKERFILE for a source that is not there */
export async function packSources<T>(
  session: BuildSession,
  source: StageFiles,
  step: CopyStep,
  work: (parts: readonly PackedPart[]) => Promise<T>,
): Promise<T> {
  const { line, parents, exclude } = step;
  if (parents) throw unsupportedInDockerfile(line, 'COPY --parents');
  const excluded = IgnoreFile.parse(exclude.join('\n'), '--exclude');
  return withContainer(session, source, async (container) => {
    const parts: PackedPart[] = [];
    for (const given of step.sources) {
      const path = posix.join('/', given).replace(/(?<=.)\/$/, '');
      const isPattern = /[*?[]/.test(path);
      const found = isPattern ? await matching(container, path.slice(1).split('/'), '/') : [path];
      const before = parts.length;
      for (const one of found) {
        const part = await partAt(session, container, one, excluded);
        if (part !== undefined) parts.push(part);
      }
      if (parts.length === before) throw dockerfileError(line, `"${path}" is not in the source`);
    }
    return work(parts);
  });
}

/** Undefined: nothing is there. Links are followed. */
export async function partAt(
  { context }: BuildSession,
  { id, files }: BuildContainer,
  path: string,
  excluded: IgnoreFile,
): Promise<PackedPart | undefined> {
  const found = await statIfThere(files, path);
  if (found === undefined) return undefined;
  const { isDirectory, target } = found;
  const pack = (name: string) =>
    streamOfView(context, id, (view, signal) =>
      Promise.resolve(startView(view, { kind: 'pack', path: target ?? path, name, follow: true }, signal)), // prettier-ignore
    );
  return {
    kind: isDirectory ? 'directory' : 'file',
    pack: (name) => pack(isDirectory ? '.' : (name ?? posix.basename(path))),
    // The directory itself has the attributes of the destination.
    keep: (name) => !(isDirectory && name === '') && !excluded.ignores(name),
  };
}

async function matching(
  container: BuildContainer,
  pattern: readonly string[],
  below: string,
): Promise<string[]> {
  const [first, ...rest] = pattern;
  if (first === undefined) return [below];
  if ((await statIfThere(container.files, below))?.isDirectory !== true) return [];
  const names = (await container.files.list(below)).map(({ name }) => name);
  const found: string[] = [];
  for (const name of names.filter((one) => matchesPath(first, one)))
    found.push(...(await matching(container, rest, posix.join(below, name))));
  return found;
}
