/** The container's cgroups: their directories and files, what is shown of them inside, and the device filter of v2. */
import { compileDeviceRules } from '../../cgroup/limits/device-filter.js';
import type { CgroupPlacement, CgroupWrite } from '../../cgroup/writes.js';
import type { Spec } from '../../oci/runtime-spec.js';
import type { Step } from '../instructions.js';
import type { LaunchInput } from '../launch-input.js';
import { parseMountOptions, PROPAGATION } from '../mount-options.js';
import { isCgroup, type Shared } from '../shared.js';

export function makeCgroup(steps: Step[], placement: CgroupPlacement): void {
  const { base, baseWrites = [], parent, parentWrites } = placement;
  // v2: enabling controllers again would wait for dying cgroups, so it is done only if one is missing.
  const once = placement.version === 2;
  writeFiles(steps, base, baseWrites, once);
  // If there is nothing to set up, making the container's directory also makes the parent.
  if (parent !== undefined && parentWrites.length > 0) {
    steps.push({ op: 'cgroup.make', texts: [parent], numbers: [1] });
    // Even if it exists: another process may be about to set it up.
    writeFiles(steps, parent, parentWrites, once);
  }
  steps.push({ op: 'cgroup.make', texts: [placement.dir] });
  writeFiles(steps, placement.dir, placement.writes);
}

/** Writes to the same file in a row become one step with a line each. */
function writeFiles(
  steps: Step[],
  directory: string,
  writes: readonly CgroupWrite[],
  once = false,
): void {
  for (let i = 0; i < writes.length;) {
    const first = writes[i++];
    if (first === undefined) break;
    let { value } = first;
    for (; writes[i]?.file === first.file; i++) value += `\n${writes[i]?.value ?? ''}`;
    const texts = [`${directory}/${first.file}`, value];
    steps.push({ op: 'cgroup.write', texts, numbers: [once ? 1 : 0] });
  }
}

/**
 * The container sees its cgroups as bind mounts of their directories, which takes a tenth of the time of mounting each
 * hierarchy inside. With the host's cgroup namespace it sees all of v2, as with Docker.
 */
export function openCgroups(steps: Step[], spec: Spec, input: LaunchInput, shared: Shared): void {
  const mount = spec.mounts?.find(isCgroup);
  if (mount === undefined) return;
  const { attributes } = parseMountOptions(mount.options);
  const ownRoot = spec.linux?.namespaces?.some(({ type }) => type === 'cgroup') === true;
  input.cgroup.placements.forEach(({ dir, mountPoint }, index) => {
    steps.push({
      op: 'tree.open',
      slots: [shared.cgroups.get(index)],
      texts: [ownRoot ? dir : (mountPoint ?? dir)],
      numbers: [0, attributes, PROPAGATION.private],
    });
  });
}

/** v2: until then only the container phase runs, which opens no devices but its own. */
export function filterDevices(steps: Step[], { cgroup }: LaunchInput, directory: number): void {
  const filter = compileDeviceRules(cgroup.deviceRules ?? []);
  if (filter === undefined) return;
  steps.push({ op: 'cgroup.devices', slots: [directory], texts: [filter] });
}
