/**
 * `compileExec`: a further program in an existing container, as a launch program. Pure. It makes
 * nothing that outlives its process, so there is nothing to tear down.
 */
import { constants } from 'node:fs';
import { encodeDevice } from '../base/device-number.js';
import type { CgroupPlacement } from '../cgroup/writes.js';
import { NAMESPACE_FLAGS } from '../oci/namespaces.js';
import type { Spec } from '../oci/runtime-spec.js';
import type { Launchable } from './compile.js';
import {
  becomeUser,
  boundCapabilities,
  connectStdio,
  execProgram,
  openTerminal,
} from './compile-process.js';
import { adjustOomScore, raiseLimits } from './host-phase/process-attributes.js';
import type { Step } from './instructions.js';
import type { LaunchInput } from './launch-input.js';
import { O_PATH_DIRECTORY, O_RDWR_NOCTTY, S_IFCHR } from './kernel-constants.js';
import { ATTR, PROPAGATION } from './mount-options.js';
import { makePipes } from './pipes.js';
import { release } from './release.js';
import { Slots } from './slots.js';

/** Of cpp/program/control.h. */
export const STAYING = { ends: 0, detached: 1, leavable: 2, outside: 3 } as const;

export interface ExecInput extends Pick<
  LaunchInput,
  'stdin' | 'stdout' | 'stderr' | 'terminal' | 'seccomp' | 'seccompFlags' | 'rootless'
> {
  /** With `rootless`: the starting process is outside the user namespace, unlike the supervisor. */
  readonly joinsUsers?: boolean | undefined;
  /** The container's first process, as this process sees it. */
  readonly pid: number;
  /** Field 22 of /proc/<pid>/stat: the pid may belong to another process by now. */
  readonly startTime: bigint;
  /** The container's own cgroups. */
  readonly placements: readonly Pick<CgroupPlacement, 'version' | 'dir'>[];
  /** Another process moves it into the container's cgroup of v2, and it waits for that. */
  readonly movedIntoScope?: boolean | undefined;
  /** What happens to it when this process ends. `detached`: it stays, and its streams are `null`. */
  readonly staying: 'ends' | 'detached' | 'leavable';
}

/** @param spec the container's own, with the process that is to be started in place of its first. */
export function compileExec(spec: Spec, input: ExecInput): Launchable {
  const { rootless, joinsUsers = false } = input;
  const slots = new Slots();
  const terminal = spec.process?.terminal === true;
  const stream = (plan: LaunchInput['stdin']) =>
    terminal || plan === 'null' ? undefined : slots.take();
  const streams = {
    stdin: stream(input.stdin),
    stdout: stream(input.stdout),
    stderr: stream(input.stderr),
  };
  const target = slots.take();
  const tasks: number[] = [];
  const host: Step[] = [
    { op: 'process.open', slots: [target], numbers: [input.pid, input.startTime] },
  ];
  const ownCgroups = spec.linux?.namespaces?.some(({ type }) => type === 'cgroup') === true;
  let cgroups: number | undefined;
  if (ownCgroups) {
    cgroups = slots.take();
    host.push({ op: 'ns.open', slots: [cgroups, target], texts: ['cgroup'] });
  }
  const open = (path: string, flags: number) => {
    const slot = slots.take();
    host.push({ op: 'file.open', slots: [slot], texts: [path], numbers: [flags] });
    return slot;
  };
  const unified = input.placements.find(({ version }) => version === 2);
  let born: number | undefined;
  if (unified !== undefined && joinsUsers && input.movedIntoScope !== true) {
    // A separate mount cannot be made from outside, and a file leads nowhere: the process enters by itself.
    tasks.push(open(`${unified.dir}/cgroup.procs`, constants.O_WRONLY));
  } else if (unified !== undefined && !joinsUsers) {
    born = slots.take();
    // For a moment the new process has this descriptor inside: a directory of the host's mount would be a way out
    // (CVE-2024-21626). A mount of this cgroup alone leads nowhere, and is enough for the clone into it.
    host.push({
      op: 'tree.open',
      slots: [born],
      texts: [unified.dir],
      numbers: [0, ATTR.readOnly | ATTR.noSuid | ATTR.noDev | ATTR.noExec, PROPAGATION.private],
    });
  }
  const ownUserNamespace = joinsUsers || (spec.linux?.uidMappings?.length ?? 0) > 0;
  let flags = ownUserNamespace ? NAMESPACE_FLAGS.user : 0;
  for (const { type } of spec.linux?.namespaces ?? [])
    flags |= NAMESPACE_FLAGS[type as 'mount'] ?? 0;
  // A cgroup namespace comes last: its processes may not be moved into it from outside (nsdelegate).
  flags &= ~NAMESPACE_FLAGS.cgroup;
  host.push({ op: 'clone', slots: [born, target], numbers: [flags, STAYING[input.staying]] });
  for (const { version, dir } of input.placements) {
    if (version === 1) tasks.push(open(`${dir}/tasks`, constants.O_WRONLY));
  }
  const near = makePipes(host, spec, input, streams, slots, joinsUsers);
  const needsNull = !terminal && Object.values(streams).some((slot) => slot === undefined);
  let none: number | undefined;
  // The host's null device belongs to root: no process inside can change it.
  if (needsNull)
    none =
      rootless === undefined
        ? makeNull(host, slots, spec.linux?.mountLabel)
        : open('/dev/null', O_RDWR_NOCTTY);
  // Outside the container the process belongs to the host's root until it is exec'ed.
  if (!joinsUsers) adjustOomScore(host, spec);
  if (ownUserNamespace && !joinsUsers) raiseLimits(host, spec);
  const passed = [cgroups, ...tasks, ...Object.values(streams), none].filter(
    (slot) => slot !== undefined,
  );
  release(host, passed, input.movedIntoScope === true ? 0 : undefined);
  const container = compileInside(
    spec,
    input,
    { ...streams, tasks, cgroups, none, ownUserNamespace },
    slots,
  );
  return {
    program: { slots: slots.count, host, container, teardown: [] },
    teardown: { slots: 0, host: [], container: [], teardown: [] },
    slots: { ...near, hold: [] },
  };
}

interface Passed {
  readonly stdin: number | undefined;
  readonly stdout: number | undefined;
  readonly stderr: number | undefined;
  readonly tasks: readonly number[];
  /** The container's cgroup namespace. */
  readonly cgroups: number | undefined;
  readonly none: number | undefined;
  readonly ownUserNamespace: boolean;
}

function compileInside(spec: Spec, input: ExecInput, passed: Passed, slots: Slots): Step[] {
  const steps: Step[] = [{ op: 'await' }];
  for (const tasks of passed.tasks) steps.push({ op: 'cgroup.enter', slots: [tasks] });
  if (passed.cgroups !== undefined) {
    steps.push({ op: 'ns.join', slots: [passed.cgroups], numbers: [NAMESPACE_FLAGS.cgroup] });
  }
  // Until then none of its ids is mapped in the container.
  if (passed.ownUserNamespace) {
    steps.push({ op: 'ids.set', numbers: [0, 0] });
    if (input.rootless?.groups !== false) steps.push({ op: 'groups.set' });
  }
  if (input.joinsUsers === true) ownPipes(steps, spec, input, passed);
  let terminal: number | undefined;
  if (spec.process?.terminal === true) {
    const root = slots.take();
    steps.push({ op: 'file.open', slots: [root], texts: ['/'], numbers: [O_PATH_DIRECTORY] });
    terminal = openTerminal(steps, spec, input.terminal, slots, root, false);
  }
  connectStdio(steps, spec, passed, terminal, () => passed.none ?? 0);
  boundCapabilities(steps, spec);
  becomeUser(steps, spec, input);
  execProgram(steps, spec);
  return steps;
}

/** A process outside cannot make a user of the container their owner, which could then not open /dev/stdout. */
function ownPipes(steps: Step[], { process }: Spec, input: ExecInput, passed: Passed): void {
  for (const name of ['stdin', 'stdout', 'stderr'] as const) {
    if (passed[name] === undefined || input[name] !== 'pipe') continue;
    const { uid = 0, gid = 0 } = process?.user ?? {};
    steps.push({ op: 'fd.own', slots: [passed[name]], numbers: [uid, gid] });
  }
}

/** A null device that the container could not have modified, and that is not the host's either. */
function makeNull(host: Step[], slots: Slots, label: string | undefined): number {
  const [scratch, none] = [slots.take(), slots.take()];
  host.push(
    {
      op: 'fs.make',
      slots: [scratch],
      texts: ['tmpfs', 'mode=0755,size=4k', label],
      numbers: [0],
    },
    {
      op: 'node.make',
      slots: [scratch],
      texts: ['null'],
      numbers: [S_IFCHR | 0o666, encodeDevice({ major: 1, minor: 3 })],
    },
    { op: 'file.open', slots: [none, scratch], texts: ['null'], numbers: [O_RDWR_NOCTTY] },
  );
  return none;
}
