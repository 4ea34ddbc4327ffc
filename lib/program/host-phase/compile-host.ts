/** The host phase: what only the host's root can do, before the new process exists and in parallel with it. */
import { constants } from 'node:fs';
import { NAMESPACE_FLAGS } from '../../oci/namespaces.js';
import type { Spec } from '../../oci/runtime-spec.js';
import { idMap } from '../id-maps.js';
import type { Step } from '../instructions.js';
import { O_PATH_DIRECTORY, O_RDWR_NOCTTY } from '../kernel-constants.js';
import { hasEarlyNetwork, hasLateNetwork, type LaunchInput } from '../launch-input.js';
import { makePipes } from '../pipes.js';
import { release } from '../release.js';
import type { KernelFacts, Shared } from '../shared.js';
import type { LaunchSlots, Slots } from '../slots.js';
import { bindPorts, makeInterfaces, publishPorts, restrictConnections } from './bridges.js';
import { filterDevices, makeCgroup, openCgroups } from './host-cgroups.js';
import { fillScratch, makeScratch, makeTmpfs, openBinds } from './host-mounts.js';
import { makeRoot } from './host-root.js';
import { startHelper } from './network-helper.js';
import { awaitRegistration, registerNames } from './register-names.js';
import { adjustOomScore, keptByExec, raiseLimits } from './process-attributes.js';

/**
 * In a container's directory, next to `owner`: with it, a cleanup after the owner's death finds the cgroups by the id.
 */
export const PARENT_LINK = 'cgroup-parent';

export function compileHost(
  spec: Spec,
  input: LaunchInput,
  kernel: KernelFacts,
  shared: Shared,
  slots: Slots,
): { steps: Step[]; slots: LaunchSlots } {
  const steps: Step[] = [];
  const { ownUserNamespace } = shared;

  // v2: the process is created in its cgroup. v1: it enters by itself, later, so the process is created first and
  // makes its namespaces while this phase continues.
  const v2 = input.cgroup.placements.filter(({ version }) => version === 2);
  let born: number | undefined;
  // The directory names the owner of the cgroups, so it is made before any of them.
  if (v2.length > 0) makeDirectory(steps, input);
  for (const placement of v2) {
    makeCgroup(steps, placement);
    born = slots.take();
    steps.push({
      op: 'file.open',
      slots: [born],
      texts: [placement.dir],
      numbers: [O_PATH_DIRECTORY],
    });
  }
  cloneProcess(steps, spec, input, shared, slots, born);
  if (born === undefined) makeDirectory(steps, input);

  let userns: number | undefined;
  if (ownUserNamespace) {
    if (input.joined?.users !== true) {
      steps.push({
        op: 'ids.map',
        texts: [idMap(spec.linux?.uidMappings), idMap(spec.linux?.gidMappings)],
      });
    }
    userns = slots.take();
    steps.push({ op: 'ns.open', slots: [userns], texts: ['user'] });
  }
  // Held by this process, so that its teardown thread takes the mounts down. A supervisor does that anyway.
  const mounts = input.owner === undefined ? undefined : slots.take();
  if (mounts !== undefined) steps.push({ op: 'ns.open', slots: [mounts], texts: ['mnt'] });
  bindPorts(steps, input);
  const label = spec.linux?.mountLabel;
  makeScratch(steps, shared, label);
  makeRoot(steps, input, kernel, shared, slots, userns, label);
  // The container attaches its root while the rest of what its mounts need is made.
  release(steps, [shared.root, ...joinedLater(shared.joined)]);
  fillScratch(steps, spec, input, shared);
  if (ownUserNamespace) steps.push({ op: 'fsids.set', numbers: [0, 0] });
  makeTmpfs(steps, spec, shared);
  openBinds(steps, spec, input, kernel, shared, slots, userns);
  // The container attaches these while the rest is made here.
  const early = [shared.scratch, ...shared.binds.values(), ...shared.tmpfs.values()];
  early.push(...shared.devices.values());
  if (shared.none !== undefined) {
    early.push(shared.none);
    steps.push({
      op: 'file.open',
      slots: [shared.none],
      texts: ['/dev/null'],
      numbers: [O_RDWR_NOCTTY],
    });
  }
  release(steps, early);
  makeInterfaces(steps, input, slots);
  const notices = registerNames(steps, input, slots);

  for (const placement of input.cgroup.placements) {
    if (placement.version !== 1) continue;
    makeCgroup(steps, placement);
    const tasks = slots.take();
    shared.tasks.push(tasks);
    steps.push({
      op: 'file.open',
      slots: [tasks],
      texts: [`${placement.dir}/tasks`],
      numbers: [constants.O_WRONLY],
    });
  }
  if (born !== undefined) filterDevices(steps, input, born);
  openCgroups(steps, spec, input, shared);
  let oom: number | undefined;
  if (input.cgroup.oomFile !== undefined) {
    oom = slots.take();
    steps.push({
      op: 'file.open',
      slots: [oom],
      texts: [input.cgroup.oomFile],
      numbers: [constants.O_RDONLY],
    });
  }
  const near = makePipes(steps, spec, input, shared, slots);
  startHelper(steps, input, slots, userns);
  adjustOomScore(steps, spec);
  if (ownUserNamespace) raiseLimits(steps, spec);
  const streams = [shared.stdin, shared.stdout, shared.stderr].filter((slot) => slot !== undefined);
  release(steps, [...shared.tasks, ...shared.cgroups.values(), ...streams]);
  if (hasLateNetwork(input)) {
    // While the container enters its cgroups and its root.
    restrictConnections(steps, input);
    publishPorts(steps, input);
    awaitRegistration(steps, input, notices);
    release(steps, []);
  }
  return { steps, slots: { ...near, oom, notices, hold: mounts === undefined ? [] : [mounts] } };
}

/** The process of the container phase. What it joins before it exists, a process outside joins for it (decision 0008). */
function cloneProcess(
  steps: Step[],
  spec: Spec,
  input: LaunchInput,
  { ownUserNamespace, rootUid, joined }: Shared,
  slots: Slots,
  born: number | undefined,
): void {
  const namespaces = new Set(spec.linux?.namespaces?.map(({ type }) => type));
  const joinsUsers = input.joined?.users === true;
  for (const { slot, container, network, ipc, mounts } of joined) {
    steps.push({
      op: 'process.open',
      slots: [slot],
      numbers: [container.pid, container.startTime],
    });
    const open = (to: number | undefined, kind: string) => {
      if (to !== undefined) steps.push({ op: 'ns.open', slots: [to, slot], texts: [kind] });
    };
    open(network, 'net');
    open(ipc, 'ipc');
    open(mounts, 'mnt');
  }
  const ofPids = joined.find(({ container }) => container.namespaces.has('pid'));
  const target = ofPids ?? (joinsUsers ? joined[0] : undefined);
  let network: number | undefined;
  if (input.networkFile !== undefined) {
    network = slots.take();
    steps.push({
      op: 'ns.file',
      slots: [network],
      texts: [input.networkFile],
      numbers: [NAMESPACE_FLAGS.network],
    });
  }
  let created = NAMESPACE_FLAGS.mount;
  if (namespaces.has('pid') && ofPids === undefined) created |= NAMESPACE_FLAGS.pid;
  if (hasEarlyNetwork(input)) created |= NAMESPACE_FLAGS.network;
  if (target !== undefined) {
    let flags = 0;
    if (joinsUsers) flags |= NAMESPACE_FLAGS.user;
    if (ofPids !== undefined) flags |= NAMESPACE_FLAGS.pid;
    steps.push({
      op: 'clone',
      slots: [born, target.slot, network],
      numbers: [flags, 0, created],
    });
    return;
  }
  if (ownUserNamespace) created |= NAMESPACE_FLAGS.user;
  // The user namespace belongs to container root's user: its limits are not those of the starting user.
  const owner = ownUserNamespace ? rootUid : 0;
  steps.push({
    op: 'clone',
    slots: [born, undefined, network],
    numbers: [created, 0, owner, keptByExec(spec)],
  });
}

/** By their own descriptors: the process whose namespaces these are may be one that no other in its user namespace may open. */
function joinedLater(joined: Shared['joined']): number[] {
  return joined
    .flatMap(({ network, ipc, mounts }) => [network, ipc, mounts])
    .filter((slot) => slot !== undefined);
}

function makeDirectory(
  steps: Step[],
  { directory, owner, cgroupParent, directories }: LaunchInput,
): void {
  if (owner === undefined) return;
  steps.push(
    { op: 'dir.make', texts: [directory], numbers: [0o700] },
    { op: 'symlink.make', texts: [owner, `${directory}/owner`] },
  );
  for (const name of directories ?? [])
    steps.push({ op: 'dir.make', texts: [`${directory}/${name}`], numbers: [0o755] });
  // The parent of the cgroups, if it is not the default one.
  if (cgroupParent !== undefined)
    steps.push({ op: 'symlink.make', texts: [cgroupParent, `${directory}/${PARENT_LINK}`] });
}
