/** How the process inside becomes the user's program: the same for a container's first process and for exec. */
import { DEFAULT_PATH } from '../base/default-path.js';
import { capabilityMask } from '../oci/capability-sets.js';
import { RLIMITS } from '../oci/rlimits.js';
import type { Spec } from '../oci/runtime-spec.js';
import type { Shared } from './shared.js';
import { idList, stringList } from './encode.js';
import type { Step } from './instructions.js';
import type { Command, LaunchInput } from './launch-input.js';
import type { Slots } from './slots.js';

/** A terminal on the devpts below `root`, if the program has one; returns its slot. */
export function openTerminal(
  steps: Step[],
  { process }: Spec,
  size: LaunchInput['terminal'],
  slots: Slots,
  root: number,
  console: boolean,
): number | undefined {
  if (process?.terminal !== true) return undefined;
  const terminal = slots.take();
  const { cols, rows } = size ?? { cols: 0, rows: 0 };
  steps.push({
    op: 'tty.open',
    slots: [terminal, root],
    numbers: [cols * 0x1_0000 + rows, process.user?.uid ?? 0, console ? 1 : 0],
  });
  return terminal;
}

/** What `label.set` sets. */
const MODULE = { appArmor: 0, selinux: 1 } as const;

/**
 * Labels take effect at exec; the filter, which comes later, need not allow this. SELinux's is also that of the session
 * keyring.
 */
function setLabels(steps: Step[], { process }: Spec): void {
  const { apparmorProfile: profile, selinuxLabel: label } = process ?? {};
  if (profile !== undefined)
    steps.push({ op: 'label.set', texts: [profile], numbers: [MODULE.appArmor] });
  if (label !== undefined)
    steps.push({ op: 'label.set', texts: [label], numbers: [MODULE.selinux] });
}

/** `none` opens a null device, for streams that are not connected. */
export function connectStdio(
  steps: Step[],
  spec: Spec,
  streams: Pick<Shared, 'stdin' | 'stdout' | 'stderr'>,
  terminal: number | undefined,
  none: () => number,
): void {
  let { stdin, stdout, stderr } = streams;
  if (terminal !== undefined) stdin = stdout = stderr = terminal;
  if (stdin === undefined || stdout === undefined || stderr === undefined) {
    const nothing = none();
    stdin ??= nothing;
    stdout ??= nothing;
    stderr ??= nothing;
  }
  steps.push({ op: 'stdio.set', slots: [stdin, stdout, stderr] });
  setLabels(steps, spec);
  steps.push({ op: 'session.new', numbers: [terminal === undefined ? 0 : 1] });
}

/** Limits what programs of this process can gain by exec; the process itself keeps its capabilities. */
export function boundCapabilities(steps: Step[], { process }: Spec): void {
  const bounding = process?.capabilities?.bounding;
  if (bounding !== undefined) steps.push({ op: 'caps.bound', numbers: [capabilityMask(bounding)] });
}

/** Bytes for the command of a container that is parked. */
export const COMMAND_ROOM = 128 << 10;
const AWAIT_COMMAND: Step = { op: 'await', numbers: [COMMAND_ROOM] };

/** Limits, directory, groups, filter, ids and capabilities, in an order in which each is still permitted. */
export function becomeUser(
  steps: Step[],
  { process }: Spec,
  input: Pick<LaunchInput, 'seccomp' | 'seccompFlags' | 'rootless' | 'parks'>,
): void {
  const { capabilities, user } = process ?? {};
  for (const { type, soft, hard } of process?.rlimits ?? []) {
    steps.push({
      op: 'rlimit.set',
      numbers: [RLIMITS[type], limitNumber(soft), limitNumber(hard)],
    });
  }
  steps.push({ op: 'dir.change', texts: [process?.cwd ?? '/'] });
  const filter: Step[] =
    input.seccomp === undefined
      ? []
      : [{ op: 'seccomp.load', texts: [input.seccomp], numbers: [input.seccompFlags ?? 0] }];
  if (input.parks === 'before filter') filter.unshift(AWAIT_COMMAND);
  const noNewPrivileges = process?.noNewPrivileges === true;
  // Loading a filter needs CAP_SYS_ADMIN or no-new-privileges: with the latter it comes last, so that it
  // need not allow what comes before.
  if (noNewPrivileges) steps.push({ op: 'nnp.set' });
  else steps.push(...filter);
  if (input.rootless?.groups !== false)
    steps.push({ op: 'groups.set', texts: [idList(user?.additionalGids ?? [])] });
  steps.push({ op: 'ids.set', numbers: [user?.uid ?? 0, user?.gid ?? 0, 1] });
  if (capabilities !== undefined) {
    steps.push({
      op: 'caps.set',
      numbers: [
        capabilityMask(capabilities.effective),
        capabilityMask(capabilities.permitted),
        capabilityMask(capabilities.inheritable),
        capabilityMask(capabilities.ambient),
      ],
    });
  }
  if (noNewPrivileges) steps.push(...filter);
  if (input.parks === 'before exec') steps.push(AWAIT_COMMAND);
}

export function execProgram(steps: Step[], { process }: Spec): void {
  const { args = [], env = [] } = process ?? {};
  steps.push({ op: 'exec', texts: execTexts({ args, env }) });
}

/** The operands of `exec`. */
export function execTexts({ args, env }: Command): readonly string[] {
  return [stringList(args), stringList(env), searchPath(env)];
}

/** "No limit" is all ones; see PosixRlimit. */
export function limitNumber(value: number): bigint {
  return value >= 2 ** 53 || value < 0 ? 0xffff_ffff_ffff_ffffn : BigInt(value);
}

/** Where a command without a slash is looked for. */
function searchPath(env: readonly string[]): string {
  for (let i = env.length - 1; i >= 0; i--) {
    const entry = env[i];
    if (entry?.startsWith('PATH=') === true) return entry.slice(5);
  }
  return DEFAULT_PATH;
}
