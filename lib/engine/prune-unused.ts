/** `Engine.pruneUnused`: all that nothing uses, in Docker's order. */
import { boolean, conflicting, stringList } from '../base/check.js';
import type { ContainerContext } from './container/container-context.js';
import { pruneContainers, type Pruned } from './container/prune-containers.js';
import { imagesIn } from './images-in.js';
import { pruneBuildCache, type PrunedBuilds } from './images/build-cache-usage.js';
import { parseImagePruneFilters } from './images/image-filters.js';
import { imagesContext } from './images/images-context.js';
import type { RemovedImages } from './images/image-info.js';
import { networksIn } from './networks-in.js';
import type { NetworkInfo } from './networks/network-info.js';
import { labelsOf } from './options/labels.js';
import { matchesPrune, parsePruneFilters } from './views/prune-filters.js';
import { volumesIn } from './volumes-in.js';
import type { PrunedVolumes } from './volumes/delete-volumes.js';
import type { VolumesContext } from './volumes/volumes-context.js';

/** What `Engine.pruneUnused` removes beside what it always does. */
export interface PruneOptions {
  /** Images with names that no container was made from, too. Default: those without a name. */
  readonly allImages?: boolean | undefined;
  /** Anonymous volumes that no container has. Default: false. */
  readonly volumes?: boolean | undefined;
  /** Docker's `key=value`: until, label, label!. Default: none. */
  readonly filters?: readonly string[] | undefined;
}

/** What `Engine.pruneUnused` has removed. */
export interface PrunedSystem {
  /** Detached containers. */
  readonly containers: Pruned;
  /** As they were. */
  readonly networks: readonly NetworkInfo[];
  /** Only with `volumes`. */
  readonly volumes: PrunedVolumes;
  /** And layers that no other image has. */
  readonly images: RemovedImages;
  /** What later builds need not have done again. */
  readonly builds: PrunedBuilds;
  /** Bytes of all of it. */
  readonly freed: number;
}

/** What one kind of things has lost. */
export type PruneStep =
  | { readonly kind: 'containers'; readonly pruned: Pruned }
  | { readonly kind: 'networks'; readonly pruned: readonly NetworkInfo[] }
  | { readonly kind: 'volumes'; readonly pruned: PrunedVolumes }
  | { readonly kind: 'images'; readonly pruned: RemovedImages }
  | { readonly kind: 'builds'; readonly pruned: PrunedBuilds };

/** Before anything is removed. @throws ERR_INVALID_OPTION, ERR_CONFLICTING_OPTIONS */
export function checkPrune({
  allImages = false,
  volumes = false,
  filters = [],
}: PruneOptions): void {
  boolean('allImages', allImages);
  boolean('volumes', volumes);
  const { until } = parsePruneFilters(stringList('filters', filters), new Date());
  parseImagePruneFilters(filters);
  if (volumes && until !== undefined)
    throw conflicting('filters', 'the "until" filter is not supported with "volumes"');
}

/**
 * One kind after the other, so that what the containers have used is free when its turn comes.
 *
 * @param locks of the engine's runs; default: none of this process
 */
export async function* pruneSteps(
  context: ContainerContext,
  options: PruneOptions,
  locks?: VolumesContext['locks'],
): AsyncGenerator<PruneStep, void, undefined> {
  checkPrune(options);
  const { allImages = false, volumes = false, filters = [] } = options;
  const wanted = parsePruneFilters(filters, new Date());
  const containers = await pruneContainers(context, ({ config }) =>
    matchesPrune(wanted, { created: config.created, labels: labelsOf(config.options.labels) }),
  );
  yield { kind: 'containers', pruned: containers };
  yield { kind: 'networks', pruned: await networksIn(context).prune(filters) };
  if (volumes)
    yield { kind: 'volumes', pruned: await volumesIn(context.store, locks).prune(filters) };
  const which = allImages ? [...filters, 'dangling=false'] : filters;
  yield { kind: 'images', pruned: await imagesIn(context.store).prune(which) };
  // Steps of builds have no labels.
  if (wanted.labels.length > 0 || wanted.withoutLabels.length > 0) return;
  const before = wanted.until === undefined ? undefined : Number(wanted.until / 1_000_000n);
  yield { kind: 'builds', pruned: await pruneBuildCache(imagesContext(context.store), before) };
}

/** @throws as the verbs `prune` of each kind */
export async function pruneUnused(
  context: ContainerContext,
  options: PruneOptions,
  locks?: VolumesContext['locks'],
): Promise<PrunedSystem> {
  let containers: Pruned = { removed: [], freed: 0 };
  let networks: readonly NetworkInfo[] = [];
  let volumes: PrunedVolumes = { removed: [], freed: 0 };
  let builds: PrunedBuilds = { removed: [], freed: 0 };
  let images: RemovedImages = { untagged: [], deleted: [], freed: 0 };
  for await (const { kind, pruned } of pruneSteps(context, options, locks))
    if (kind === 'containers') containers = pruned;
    else if (kind === 'networks') networks = pruned;
    else if (kind === 'volumes') volumes = pruned;
    else if (kind === 'images') images = pruned;
    else builds = pruned;
  const freed = containers.freed + volumes.freed + images.freed + builds.freed;
  return { containers, networks, volumes, images, builds, freed };
}
