/**
 * `compile`: OCI spec + launch input → launch program. Pure: all policy and all ordering of a start is
 * in this file and in its two phases, which do not access the machine.
 */
import { dirname } from 'node:path';
import type { CgroupPlan } from '../cgroup/writes.js';
import type { Spec } from '../oci/runtime-spec.js';
import { compileContainer } from './container-phase/compile-container.js';
import { compileHost } from './host-phase/compile-host.js';
import { stringList } from './encode.js';
import type { Program, Step } from './instructions.js';
import type { LaunchInput } from './launch-input.js';
import { parseMountOptions } from './mount-options.js';
import { release } from './release.js';
import { requestStep, saveStep } from './netlink-step.js';
import type { BridgePlan } from './network-plan.js';
import type { WithOwnTexts } from './own-texts.js';
import {
  type DeviceNode,
  devicesInDev,
  isCgroup,
  isDev,
  isImage,
  isInDev,
  type KernelFacts,
  type Shared,
} from './shared.js';
import { type LaunchSlots, Slots } from './slots.js';

export interface Launchable {
  readonly program: Program;
  /** The teardown phase as a separate program. */
  readonly teardown: Program;
  readonly slots: LaunchSlots;
}

export function compile(spec: Spec, input: LaunchInput, kernel: KernelFacts): Launchable {
  const slots = new Slots();
  const uids = spec.linux?.uidMappings ?? [];
  const gids = spec.linux?.gidMappings ?? [];
  const terminal = spec.process?.terminal === true;
  const binds = new Map<number, number>();
  const tmpfs = new Map<number, number>();
  spec.mounts?.forEach((mount, index) => {
    if (mount.type === 'bind' || isImage(mount) || parseMountOptions(mount.options).recursive) {
      binds.set(index, slots.take());
    } else if (mount.type === 'tmpfs' && !isDev(mount)) {
      tmpfs.set(index, slots.take());
    }
  });
  const nodes = new Map<string, DeviceNode>();
  for (const device of spec.linux?.devices ?? [])
    if (!isInDev(spec, device)) nodes.set(device.path, { device, name: `node${nodes.size}` });
  const stream = (plan: LaunchInput['stdin']) =>
    terminal || plan === 'null' ? undefined : slots.take();
  const shared: Shared = {
    ownUserNamespace: uids.length > 0,
    rootUid: uids[0]?.hostID ?? 0,
    rootGid: gids[0]?.hostID ?? 0,
    root: slots.take(),
    scratch: slots.take(),
    binds,
    stdin: stream(input.stdin),
    stdout: stream(input.stdout),
    stderr: stream(input.stderr),
    tasks: [],
    cgroups: new Map(
      spec.mounts?.some(isCgroup) === true
        ? input.cgroup.placements.map((_, index) => [index, slots.take()])
        : [],
    ),
    devices: new Map(
      input.rootless === undefined
        ? []
        : [...devicesInDev(spec).map(({ path }) => path), ...nodes.keys()].map((path) => [
            path,
            slots.take(),
          ]),
    ),
    none: input.rootless === undefined ? undefined : slots.take(),
    tmpfs,
    joined: (input.joined?.containers ?? []).map((container) => {
      const ipc = container.namespaces.has('ipc');
      return {
        slot: slots.take(),
        container,
        network: container.namespaces.has('network') ? slots.take() : undefined,
        ipc: ipc ? slots.take() : undefined,
        mounts: ipc && input.joined?.sharedMemory === true ? slots.take() : undefined,
      };
    }),
    nodes,
  };
  const host = compileHost(spec, input, kernel, shared, slots);
  const container = compileContainer(spec, input, shared, slots);
  // It is parked once all that can fail before its program has been done.
  const before = input.parks && container.findLastIndex(({ op }) => op === 'await');
  if (before !== undefined) release(host.steps, [], before);
  return {
    program: { slots: slots.count, host: host.steps, container, teardown: [] },
    teardown: withVolumes(
      compileTeardown(
        input.cgroup,
        input.owner === undefined ? undefined : input.directory,
        input.bridges,
        undefined,
        input.owner === undefined ? input.directory : undefined,
      ),
      input,
    ),
    slots: host.slots,
  };
}

function withVolumes(
  teardown: Program,
  { volumesToRemove = [], layersToRelease, id }: LaunchInput,
): Program {
  const steps = volumesToRemove.map((path): Step => ({ op: 'volume.remove', texts: [path, id] }));
  if (layersToRelease !== undefined) {
    const { base, layers } = layersToRelease;
    const names = layers.map((path) => dirname(path).slice(base.length + 1));
    steps.push({ op: 'layers.release', texts: [base, id, stringList(names)] });
  }
  return { ...teardown, teardown: [...teardown.teardown, ...steps] };
}

/** A process as `state.json` has it. */
export interface KnownProcess {
  readonly pid: number;
  /** Field 22 of /proc/<pid>/stat. */
  readonly startTime: string;
}

/**
 * The inverse of every step that leaves something on the host, in reverse order.
 *
 * @param first the container's first process, if it may have outlived its parent: without cgroups nothing else ends it
 *   after it has changed its user, for which the kernel clears the parent-death signal (prctl(2)).
 * @param directory undefined for a detached container, whose directory is not removed. The parents of the cgroups are
 *   then removed as well, because there is no engine at whose end that would happen.
 * @param keepIn the directory of a detached container, for what its network is known by after its end.
 */
export function compileTeardown(
  cgroup: CgroupPlan,
  directory: string | undefined,
  bridges?: WithOwnTexts<BridgePlan>,
  first?: KnownProcess,
  keepIn?: string,
): Program {
  const teardown: Step[] = cgroup.placements.map(({ dir }) => ({
    op: 'cgroup.remove',
    texts: [dir],
  }));
  teardown.reverse();
  if (first !== undefined)
    teardown.push({ op: 'process.end', numbers: [first.pid, BigInt(first.startTime)] });
  if (bridges !== undefined) teardown.push(requestStep(bridges.detach, 'removes'));
  if (bridges?.frames !== undefined) teardown.push(requestStep(bridges.frames.remove, 'removes'));
  if (bridges?.published !== undefined) {
    const { unpublish, forgetAfter } = bridges.published;
    teardown.push(requestStep(unpublish, 'removes'));
    if (forgetAfter !== undefined) teardown.push(requestStep(forgetAfter, 'removes'));
  }
  if (keepIn !== undefined)
    for (const [name, request] of Object.entries(bridges?.policy?.denied ?? {}))
      teardown.push(saveStep(request, `${keepIn}/${name}`));
  if (bridges?.policy !== undefined) teardown.push(requestStep(bridges.policy.remove, 'removes'));
  for (const { file, directory } of bridges?.claims ?? [])
    teardown.push({
      op: 'claim.release',
      texts: directory === undefined ? [file] : [file, directory],
    });
  if (directory !== undefined) teardown.push({ op: 'tree.remove', texts: [directory] });
  else teardown.push(...removeParents(parentsOf(cgroup)));
  return { slots: 0, host: [], container: [], teardown };
}

/** What an engine leaves when its last container is gone: parents of cgroups, unless others use them. */
export function compileEngineTeardown(parents: readonly string[]): Program {
  return { slots: 0, host: [], container: [], teardown: removeParents(parents) };
}

/** Scopes are not among them: systemd removes those. */
export function parentsOf({ placements }: CgroupPlan): string[] {
  return placements.flatMap(({ parent }) => (parent === undefined ? [] : [parent]));
}

function removeParents(parents: readonly string[]): Step[] {
  return parents.map((path) => ({ op: 'cgroup.remove', texts: [path], numbers: [1] }));
}
