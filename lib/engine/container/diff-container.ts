/** What a container has changed of its image. */
import { type FileChange, readChanges } from '../../archive/changes.js';
import type { View } from '../../archive/view.js';
import { CaissonError } from '../../base/errors.js';
import { shortId } from '../../base/ids.js';
import type { RootPlan } from '../../program/launch-input.js';
import { normalizeStorageOpt } from '../options/storage-opt.js';
import type { StoredConfig } from '../store/stored.js';
import type { ContainerContext } from './container-context.js';
import { imageAndUsers, whileSettled } from './container-view.js';
import { inspectContainer } from './inspect-container.js';

export async function diffContainer(context: ContainerContext, id: string): Promise<FileChange[]> {
  return withChanges(context, id, async (view, root) => {
    const changes = await readChanges(view);
    return root.views.length === 1 ? changes : changes.flatMap((change) => inViews(change, root));
  });
}

type ChangesView = View & { readonly kind: 'changes' };
type OverlayPlan = RootPlan & { readonly kind: 'overlay' };

/** @throws ERR_UNSUPPORTED_OPTION when it has no layer of its own */
export function withChanges<T>(
  context: ContainerContext,
  id: string,
  work: (view: ChangesView, root: OverlayPlan) => Promise<T>,
): Promise<T> {
  return whileSettled(context, id, async ({ config }) => {
    const { view, root } = await viewOfChanges(context, config);
    return work(view, root);
  });
}

/** Of a container that nothing else starts or forks. @throws ERR_UNSUPPORTED_OPTION when it has no layer of its own */
export async function changesView(context: ContainerContext, id: string): Promise<ChangesView> {
  const { config } = await inspectContainer(context, id);
  return (await viewOfChanges(context, config)).view;
}

async function viewOfChanges(context: ContainerContext, config: StoredConfig) {
  const { id } = config;
  const { image, users } = await imageAndUsers(context, config);
  const { root } = image;
  if (root.kind === 'direct')
    throw unsupported(id, 'has no layer of its own: its root directory is used in place');
  if (normalizeStorageOpt(config.options.storageOpt) !== undefined)
    throw unsupported(id, 'has a layer with a size (storageOpt), which cannot be read beside it');
  const directory = context.store.directory(id);
  const { lowers, frozen } = root;
  const view: ChangesView = { kind: 'changes', users, directory, frozen: frozen?.layers ?? [], lowers }; // prettier-ignore
  return { view, root };
}

/** The parts of an overlay are elsewhere in the container: `/.root/etc` of the host image is `/etc`. */
function inViews(
  change: FileChange,
  { views }: { readonly views: readonly { readonly from: string; readonly to: string }[] },
): FileChange[] {
  const parts = views.filter(({ from }) => from !== '.');
  for (const { from, to } of parts) {
    const place = `/${from}`;
    if (change.path === place) return [];
    if (change.path.startsWith(`${place}/`))
      return [{ ...change, path: (to === '/' ? '' : to) + change.path.slice(place.length) }];
  }
  const whole = views.find(({ from }) => from === '.');
  return whole === undefined ? [] : [{ ...change, path: whole.to + change.path }];
}

function unsupported(id: string, why: string): CaissonError {
  return new CaissonError('ERR_UNSUPPORTED_OPTION', `container ${shortId(id)} ${why}`, {
    stage: 'files',
    path: id,
  });
}
