/** `Images.remove` and `Images.prune`: Docker's rules of what is untagged and what is deleted (moby, daemon/images/image_delete.go). */
import { CaissonError } from '../../base/errors.js';
import { shortId } from '../../base/ids.js';
import type { IndexEntry } from '../../image/content/image-index.js';
import { hexOf } from '../../oci/image-spec.js';
import { fullName, parseReference, withDefaultTag } from '../../image/reference.js';
import { appendPruneEvent, recordImageEvent } from '../store/image-events.js';
import { isDanglingWanted, matchImage, parseImagePruneFilters } from './image-filters.js';
import { noSuchImage } from '../../image/snapshots/no-such-image.js';
import type { RemovedImages } from './image-info.js';
import { imageInfo, type ImageRecord, readImages, shortName } from './image-records.js';
import { collectUnused, type ImagesContext, imageUsers } from './images-context.js';
import { findImage } from '../../image/snapshots/find-image.js';

/** How an image is removed. */
export interface RemoveImageOptions {
  /** Also if a stopped container was made from it, or if it has names of several repositories. Default: false. */
  readonly force?: boolean | undefined;
}

/** What a change of the index removes. */
interface Change {
  readonly entries: readonly IndexEntry[];
  readonly untagged: readonly string[];
  /** The image has left the index. */
  readonly isDeleted: boolean;
}

export async function removeImage(
  context: ImagesContext,
  reference: string,
  { force = false }: RemoveImageOptions,
): Promise<RemovedImages> {
  const { content } = context;
  let id = '';
  let change: Change | undefined;
  await content.change(async (entries) => {
    const records = await readImages(content.paths, entries);
    const found = await findIn(context, reference, entries, records);
    ({ id } = found);
    change = found.name === undefined ? byId(context, found, force) : byName(context, found, found.name, reference, force); // prettier-ignore
    return change.entries;
  });
  if (change === undefined) throw noSuchImage(reference);
  return finish(context, id, change);
}

interface Found {
  readonly id: string;
  /** All of the index. */
  readonly all: readonly IndexEntry[];
  /** Of the image. */
  readonly own: readonly IndexEntry[];
  /** The name in full, if it was named; undefined: it was given as an id. */
  readonly name: string | undefined;
  /** Digests of its manifests. */
  readonly manifests: ReadonlySet<string>;
}

async function findIn(
  { content }: ImagesContext,
  reference: string,
  all: readonly IndexEntry[],
  records: readonly ImageRecord[],
): Promise<Found> {
  const name = nameOf(reference, all);
  const named = all.find((entry) => entry.name === name);
  const broken = named !== undefined && !records.some(({ entries }) => entries.includes(named));
  // An image of which blobs are missing has no id.
  if (broken)
    return {
      id: named.digest,
      all,
      own: all.filter(({ digest }) => digest === named.digest),
      name,
      manifests: new Set([named.digest]),
    };
  const found = await findImage(content.paths, reference);
  const record = records.find(({ id }) => id === found?.id);
  if (record === undefined) throw noSuchImage(reference);
  const manifests = new Set([record.digest, ...record.entries.map(({ digest }) => digest)]);
  return { id: record.id, all, own: record.entries, name, manifests };
}

/** Undefined: no image has this name. */
function nameOf(reference: string, entries: readonly IndexEntry[]): string | undefined {
  let name: string;
  try {
    const parsed = withDefaultTag(parseReference(reference));
    name = fullName(parsed.digest === undefined ? parsed : { ...parsed, tag: undefined });
  } catch {
    return undefined;
  }
  return entries.some((entry) => entry.name === name) ? name : undefined;
}

function byName(
  context: ImagesContext,
  found: Found,
  name: string,
  reference: string,
  force: boolean,
): Change {
  const { all, own, id } = found;
  const [user] = usersOf(context, found);
  if (!force && user !== undefined && isSingle(own))
    throw conflict(
      reference,
      `conflict: unable to remove repository reference ${JSON.stringify(reference)} (must force) - container ${shortId(user.container)} is using its referenced image ${shortImage(id)}`,
    );
  const untagged = [name];
  const repository = repositoryOf(name);
  const isOther = (entry: IndexEntry) => entry.name !== undefined && entry.name !== name;
  const siblings = own.filter((entry) => isOther(entry) && repositoryOf(entry.name) === repository);
  // What is left of the repository are digests only: they go with the last tag.
  if (!name.includes('@') && siblings.every((entry) => entry.name?.includes('@') === true))
    untagged.push(...siblings.flatMap((entry) => entry.name ?? []));
  const removed = new Set(untagged);
  const left = own.filter((entry) => entry.name !== undefined && !removed.has(entry.name));
  if (left.length > 0) return without(all, own, removed, false);
  // The name is removed, and the image stays while a container uses it.
  const inUse = usersOf(context, found).some((each) => !force || each.isActive);
  return without(all, own, removed, !inUse);
}

function byId(context: ImagesContext, found: Found, force: boolean): Change {
  const { all, own, id } = found;
  const users = usersOf(context, found);
  const names = own.flatMap(({ name }) => name ?? []);
  const running = users.find(({ isActive }) => isActive);
  if (running !== undefined)
    throw conflict(id, `conflict: unable to delete ${shortImage(id)} (cannot be forced) - image is being used by running container ${shortId(running.container)}`); // prettier-ignore
  if (!force && !isSingle(own))
    throw conflict(id, `conflict: unable to delete ${shortImage(id)} (must be forced) - image is referenced in multiple repositories`); // prettier-ignore
  const [stopped] = users;
  if (!force && stopped !== undefined)
    throw conflict(id, `conflict: unable to delete ${shortImage(id)} (must be forced) - image is being used by stopped container ${shortId(stopped.container)}`); // prettier-ignore
  return without(all, own, new Set(names), true);
}

/** @param isDeleted also entries of the image that have no name */
function without(
  all: readonly IndexEntry[],
  own: readonly IndexEntry[],
  names: ReadonlySet<string>,
  isDeleted: boolean,
): Change {
  const digests = new Set(own.map(({ digest }) => digest));
  const kept = all.filter(({ name, digest }) =>
    name === undefined ? !isDeleted || !digests.has(digest) : !names.has(name),
  );
  const last = own.at(-1);
  const isGone = !kept.some(({ digest }) => digests.has(digest));
  if (isGone && !isDeleted && last !== undefined) {
    const { mediaType, digest, size } = last;
    kept.push({ mediaType, digest, size, name: undefined });
  }
  return { entries: kept, untagged: [...names], isDeleted: isGone && isDeleted };
}

/** As moby's isSingleReference: at most one tag, and all names are of one repository. */
function isSingle(entries: readonly IndexEntry[]): boolean {
  const names = entries.flatMap(({ name }) => name ?? []);
  const tags = names.filter((name) => !name.includes('@'));
  return tags.length <= 1 && new Set(names.map(repositoryOf)).size <= 1;
}

function repositoryOf(name = ''): string {
  const [named = ''] = name.split('@');
  const colon = named.lastIndexOf(':');
  return colon > named.lastIndexOf('/') ? named.slice(0, colon) : named;
}

function usersOf({ store }: ImagesContext, { manifests }: Found) {
  return imageUsers(store).filter(({ manifest }) => manifests.has(manifest));
}

function shortImage(id: string): string {
  return shortId(hexOf(id));
}

function conflict(path: string, message: string): CaissonError {
  return new CaissonError('ERR_IMAGE_IN_USE', message, {
    stage: 'image',
    path,
    hint: 'remove the container first',
  });
}

async function finish(
  context: ImagesContext,
  id: string,
  { untagged, isDeleted }: Change,
): Promise<RemovedImages> {
  const { runRoot } = context.store.paths;
  for (const name of untagged) recordImageEvent(runRoot, id, 'untag', shortName(name));
  if (!isDeleted) return { untagged: untagged.map(shortName), deleted: [], freed: 0 };
  recordImageEvent(runRoot, id, 'delete', id);
  const { layers, bytes } = await collectUnused(context);
  return { untagged: untagged.map(shortName), deleted: [id, ...layers], freed: bytes };
}

/** Those that have no name; with `dangling=false`, all that no container was made from. */
export async function pruneImages(
  context: ImagesContext,
  filters: readonly string[],
): Promise<RemovedImages> {
  const wanted = parseImagePruneFilters(filters);
  const { content, store } = context;
  const untagged: [id: string, name: string][] = [];
  const ids: string[] = [];
  const withNames = isDanglingWanted(wanted) === false;
  const rest = new Map([...wanted].filter(([key]) => key !== 'dangling'));
  await content.change(async (entries) => {
    const users = new Set(imageUsers(store).map(({ manifest }) => manifest));
    const removed = new Set<IndexEntry>();
    for (const record of await readImages(content.paths, entries)) {
      const names = record.entries.flatMap(({ name }) => name ?? []);
      if (names.length > 0 && !withNames) continue;
      if ([record.digest, ...record.entries.map(({ digest }) => digest)].some((digest) => users.has(digest))) continue; // prettier-ignore
      if (matchImage(rest, imageInfo(content.paths, record), () => '') === undefined) continue;
      for (const entry of record.entries) removed.add(entry);
      ids.push(record.id);
      untagged.push(...names.map((name) => [record.id, name] as [string, string]));
    }
    return removed.size === 0 ? undefined : entries.filter((entry) => !removed.has(entry));
  });
  const { runRoot } = store.paths;
  for (const [id, name] of untagged) recordImageEvent(runRoot, id, 'untag', shortName(name));
  for (const id of ids) recordImageEvent(runRoot, id, 'delete', id);
  // Also what killed processes have left.
  const { layers, bytes } = await collectUnused(context);
  appendPruneEvent(runRoot, bytes);
  const names = untagged.map(([, name]) => shortName(name));
  return { untagged: names, deleted: [...ids, ...layers], freed: bytes };
}
