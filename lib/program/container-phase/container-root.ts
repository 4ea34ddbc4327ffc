/** Attaches the container's root, so that it can be pivoted to. */
import { stringList } from '../encode.js';
import type { Step } from '../instructions.js';
import type { LaunchInput } from '../launch-input.js';
import type { Shared } from '../shared.js';
import type { Slots } from '../slots.js';
import { BASE, TARGET } from './mount-targets.js';

/** Paths in the launcher's small mount namespace, of which the container has a copy until it pivots. */
const STAGE = '/stage';
const ROOT = '/root';
const SCRATCH = '/scratch';

/** Attaches the root; returns the slots of the mounts that it consists of, the root's own first. */
export function attachRoot(
  steps: Step[],
  input: LaunchInput,
  shared: Shared,
  slots: Slots,
): number[] {
  const views = attachViews(steps, input, shared, slots);
  steps.push({ op: 'await' });
  steps.push({
    op: 'mount.attach',
    slots: [shared.scratch],
    texts: [SCRATCH],
    numbers: [0, TARGET.directory],
  });
  for (const [path, tree] of shared.devices) {
    if (shared.nodes.has(path)) continue;
    steps.push({
      op: 'mount.attach',
      slots: [tree, shared.scratch],
      texts: [path.slice(1)],
      numbers: [0, TARGET.file],
    });
  }
  if (input.root.kind === 'overlay') hideParts(steps, input.root.views, views, shared);
  return views;
}

function attachViews(steps: Step[], { root }: LaunchInput, shared: Shared, slots: Slots): number[] {
  if (root.kind === 'direct' || (root.views.length === 1 && root.views[0]?.from === '.')) {
    steps.push({
      op: 'mount.attach',
      slots: [shared.root],
      texts: [ROOT],
      numbers: [0, TARGET.directory],
    });
    return [shared.root];
  }
  // The overlay is shown in parts: each part is a separate mount of the same filesystem.
  steps.push({
    op: 'mount.attach',
    slots: [shared.root],
    texts: [STAGE],
    numbers: [0, TARGET.directory],
  });
  const views: number[] = [];
  for (const { from, to } of root.views) {
    let tree = shared.root;
    if (from !== '.') {
      tree = slots.take();
      steps.push({ op: 'tree.view', slots: [tree, shared.root], texts: [from] });
    }
    steps.push({
      op: 'mount.attach',
      slots: [tree, views[0]],
      texts: [to === '/' ? ROOT : to],
      numbers: [0, TARGET.directory],
    });
    views.push(tree);
  }
  return views;
}

/** Hides the other parts in the part that shows the whole overlay. */
function hideParts(
  steps: Step[],
  parts: readonly { readonly from: string }[],
  trees: readonly number[],
  shared: Shared,
): void {
  parts.forEach(({ from }, index) => {
    if (from !== '.') return;
    for (const part of parts) {
      if (part.from === '.') continue;
      steps.push({
        op: 'mount.mask',
        slots: [trees[index], shared.scratch],
        texts: [stringList([part.from])],
        numbers: [BASE.tree],
      });
    }
  });
}
