/** The container phase: from new namespaces to the user's program. The order of the steps matters. */
import { NAMESPACE_FLAGS } from '../../oci/namespaces.js';
import type { Spec } from '../../oci/runtime-spec.js';
import {
  becomeUser,
  boundCapabilities,
  connectStdio,
  execProgram,
  openTerminal,
} from '../compile-process.js';
import { stringList } from '../encode.js';
import type { Step } from '../instructions.js';
import { O_RDWR_NOCTTY } from '../kernel-constants.js';
import {
  hasEarlyNetwork,
  hasLateNetwork,
  type LaunchInput,
  sharesNetwork,
} from '../launch-input.js';
import { ATTR } from '../mount-options.js';
import { requestStep } from '../netlink-step.js';
import type { Shared } from '../shared.js';
import type { Slots } from '../slots.js';
import { attachCgroups, attachMounts } from './container-mounts.js';
import { attachRoot } from './container-root.js';
import { hidePaths } from './hidden-paths.js';
import { below, type KernelMounts, TARGET } from './mount-targets.js';

/**
 * The process that continues after `init` has a copy of its parent's memory. SELinux forbids a process that shares its
 * memory to change its label, as the init does then; and a program with CAP_SYS_PTRACE, which can read the memory of
 * the init from its first instruction on, must not find data of the host there.
 */
const COPIED_MEMORY = 1;

function memoryOfChild({ process }: Spec): readonly number[] {
  const traces = process?.capabilities?.bounding?.includes('CAP_SYS_PTRACE') ?? true;
  return traces || process?.selinuxLabel !== undefined ? [COPIED_MEMORY] : [];
}

export function compileContainer(
  spec: Spec,
  input: LaunchInput,
  shared: Shared,
  slots: Slots,
): Step[] {
  const steps: Step[] = [];
  const namespaces = new Set(spec.linux?.namespaces?.map(({ type }) => type));

  // Needs nothing of the host phase, and runs in parallel with it.
  let unshare = 0;
  for (const type of ['uts', 'network'] as const) {
    // The process may have been created in it, or joins that of another.
    if (type === 'network' && (hasEarlyNetwork(input) || sharesNetwork(input))) continue;
    if (namespaces.has(type)) unshare |= NAMESPACE_FLAGS[type];
  }
  if (unshare !== 0) steps.push({ op: 'ns.unshare', numbers: [unshare] });
  if (spec.hostname !== undefined) steps.push({ op: 'host.name', texts: [spec.hostname] });
  if (spec.domainname !== undefined) steps.push({ op: 'domain.name', texts: [spec.domainname] });
  if (namespaces.has('network') && input.bridges === undefined && !sharesNetwork(input))
    steps.push({ op: 'link.up', texts: ['lo'] });
  const redirect = input.resolver?.redirect;
  if (redirect !== undefined) steps.push(requestStep(redirect));

  // The process keeps the capabilities that it has for its set-up.
  boundCapabilities(steps, spec);

  steps.push({ op: 'await' });
  if (shared.ownUserNamespace) steps.push({ op: 'ids.set', numbers: [0, 0] }, { op: 'groups.set' });
  // The filesystem of message queues belongs to the user that made the namespace, hence after `ids.set`.
  const joins = (type: 'ipc') =>
    shared.joined.some(({ container }) => container.namespaces.has(type));
  if (namespaces.has('ipc') && !joins('ipc'))
    steps.push({ op: 'ns.unshare', numbers: [NAMESPACE_FLAGS.ipc] });
  const memory = joinNamespaces(steps, shared, slots);
  const views = attachRoot(steps, input, shared, slots);
  const [root = shared.root] = views;
  const kernel = attachMounts(steps, spec, input, shared, slots, root);
  if (memory !== undefined) {
    const [base, target] = below(kernel, root)(SHARED_MEMORY);
    steps.push({
      op: 'mount.attach',
      slots: [memory, base],
      texts: [target],
      numbers: [ATTR.noSuid | ATTR.noDev | ATTR.noExec, TARGET.directory],
    });
  }
  // The interfaces are there.
  if (input.bridges !== undefined) steps.push({ op: 'await' });
  // Before /proc/sys becomes read-only, and while the host phase makes the cgroups; and before the interfaces are up: the
  // kernel gives one of IPv6 an address then.
  writeSysctls(steps, spec, input, kernel);
  if (input.bridges !== undefined) steps.push(requestStep(input.bridges.inside));
  hidePaths(steps, spec, shared, kernel, root);

  // Cgroups come late: the memory of the set-up is not charged to the container's limit.
  steps.push({ op: 'await' });
  for (const tasks of shared.tasks) steps.push({ op: 'cgroup.enter', slots: [tasks] });
  if (namespaces.has('cgroup')) steps.push({ op: 'ns.unshare', numbers: [NAMESPACE_FLAGS.cgroup] });
  attachCgroups(steps, spec, input, shared, slots, below(kernel, root));
  finishRoot(steps, spec, input, root, views);

  const terminal = openTerminal(steps, spec, input.terminal, slots, root, true);
  steps.push({ op: 'root.pivot', slots: [root] });
  // Not beside `root.pivot`, which waits for all processors to pass through the scheduler: an init that drops its
  // privileges meanwhile would delay that. The init need not drop what the bounding set has lost by then.
  if (input.init) steps.push({ op: 'init', numbers: memoryOfChild(spec) });
  // What its connections meet is there. The last moment at which the process may still receive a message: a seccomp filter
  // may forbid it.
  if (hasLateNetwork(input)) steps.push({ op: 'await' });

  connectStdio(steps, spec, shared, terminal, () => {
    if (shared.none !== undefined) return shared.none;
    const none = slots.take();
    // The engine's null device: the container's /dev may be a volume, with any file of that name.
    steps.push({
      op: 'file.open',
      slots: [none, shared.scratch],
      texts: ['dev/null'],
      numbers: [O_RDWR_NOCTTY],
    });
    return none;
  });
  becomeUser(steps, spec, input);
  execProgram(steps, spec);
  return steps;
}

const SHARED_MEMORY = '/dev/shm';

/** Those that a process may join after its creation. Returns the register of the other container's shared memory. */
function joinNamespaces(steps: Step[], { joined }: Shared, slots: Slots): number | undefined {
  let memory: number | undefined;
  const join = (slot: number | undefined, flag: number) => {
    if (slot !== undefined) steps.push({ op: 'ns.join', slots: [slot], numbers: [flag] });
  };
  for (const { network, ipc, mounts } of joined) {
    if (mounts !== undefined) {
      memory = slots.take();
      steps.push({ op: 'tree.join', slots: [memory, mounts], texts: [SHARED_MEMORY] });
    }
    join(network, NAMESPACE_FLAGS.network);
    join(ipc, NAMESPACE_FLAGS.ipc);
  }
  return memory;
}

function writeSysctls(
  steps: Step[],
  { linux, mounts = [] }: Spec,
  { networkSysctls = {} }: Pick<LaunchInput, 'networkSysctls'>,
  kernel: KernelMounts,
): void {
  // Where the pid namespace is the host's, its procfs may be bound.
  const bound = linux?.namespaces?.some(({ type }) => type === 'pid') !== true;
  const ours = mounts.some(
    ({ destination, type, source }) =>
      destination === '/proc' && (type === 'proc' || (bound && source === '/proc')),
  );
  const proc = ours ? kernel.get('/proc')?.slot : undefined;
  const wanted = Object.entries(linux?.sysctl ?? {});
  const own = Object.entries(networkSysctls).map(
    ([key, value]) => [`-${key}`, String(value)] as const,
  );
  const words = [...own, ...wanted].flatMap(([key, value]) => [key.replaceAll('.', '/'), value]);
  if (words.length === 0) return;
  steps.push({ op: 'sysctl.write', slots: [proc], texts: [stringList(words)] });
}

/** The steps that have to follow all mounts. */
function finishRoot(
  steps: Step[],
  spec: Spec,
  input: LaunchInput,
  root: number,
  views: readonly number[],
): void {
  const cwd = spec.process?.cwd ?? '/';
  // As Docker: a missing working directory is made.
  if (cwd !== '/') {
    steps.push({ op: 'dir.make', slots: [root], texts: [cwd], numbers: [0o755, 1] });
  }
  if (input.root.readOnly) {
    for (const view of views) {
      steps.push({ op: 'mount.attr', slots: [view], texts: ['.'], numbers: [ATTR.readOnly] });
    }
  }
}
