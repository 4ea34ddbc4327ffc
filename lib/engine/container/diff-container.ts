/** What a container has changed of its image. */
import { type FileChange, readChanges } from '../../archive/changes.js';
import type { View } from '../../archive/view.js';
import { CaissonError } from '../../base/errors.js';
import { shortId } from '../../base/ids.js';
import { normalizeStorageOpt } from '../options/storage-opt.js';
import type { ContainerContext } from './container-context.js';
import { imageAndUsers } from './container-view.js';
import { inspectContainer } from './inspect-container.js';

export async function diffContainer(context: ContainerContext, id: string): Promise<FileChange[]> {
  const { view, root } = await viewOfChanges(context, id);
  const changes = await readChanges(view);
  return root.views.length === 1 ? changes : changes.flatMap((change) => inViews(change, root));
}

/** @throws ERR_UNSUPPORTED_OPTION when it has no layer of its own */
export async function changesView(context: ContainerContext, id: string): Promise<ChangesView> {
  return (await viewOfChanges(context, id)).view;
}

type ChangesView = View & { readonly kind: 'changes' };

async function viewOfChanges(context: ContainerContext, id: string) {
  const { config } = await inspectContainer(context, id);
  const { image, users } = await imageAndUsers(context, config);
  const { root } = image;
  if (root.kind === 'direct')
    throw unsupported(id, 'has no layer of its own: its root directory is used in place');
  if (normalizeStorageOpt(config.options.storageOpt) !== undefined)
    throw unsupported(id, 'has a layer with a size (storageOpt), which cannot be read beside it');
  const directory = context.store.directory(id);
  const view: ChangesView = { kind: 'changes', users, directory, lowers: root.lowers };
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
