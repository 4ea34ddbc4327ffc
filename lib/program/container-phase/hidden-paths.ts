/** Paths that the container cannot read, or cannot write. */
import type { Spec } from '../../oci/runtime-spec.js';
import { stringList } from '../encode.js';
import type { Step } from '../instructions.js';
import type { Shared } from '../shared.js';
import { BASE, below, type KernelMounts } from './mount-targets.js';

export function hidePaths(
  steps: Step[],
  { linux }: Spec,
  shared: Shared,
  kernel: KernelMounts,
  root: number,
): void {
  const { maskedPaths = [], readonlyPaths = [] } = linux ?? {};
  for (const { base, list, numbers } of byMount(maskedPaths, kernel, root)) {
    steps.push({ op: 'mount.mask', slots: [base, shared.scratch], texts: [list], numbers });
  }
  for (const { base, list, numbers } of byMount(readonlyPaths, kernel, root)) {
    steps.push({ op: 'mount.readonly', slots: [base], texts: [list], numbers });
  }
}

/** Groups paths by the mounts that they are in. */
function byMount(
  paths: readonly string[],
  kernel: KernelMounts,
  root: number,
): { base: number; list: string; numbers: number[] }[] {
  const place = below(kernel, root);
  const groups = new Map<number, string[]>();
  for (const path of paths) {
    const [slot, name] = place(path);
    const group = groups.get(slot);
    if (group === undefined) groups.set(slot, [name]);
    else group.push(name);
  }
  const bases = new Map([...kernel.values()].map(({ slot, base }) => [slot, base]));
  return [...groups].map(([slot, names]) => ({
    base: slot,
    list: stringList(names),
    numbers: [bases.get(slot) ?? BASE.tree],
  }));
}
