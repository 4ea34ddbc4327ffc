/** The standard streams of a program: pipes, or the streams of the caller. */
import type { Spec } from '../oci/runtime-spec.js';
import { hostId } from './id-maps.js';
import type { Step } from './instructions.js';
import { SAME_OWNER } from './kernel-constants.js';
import type { LaunchInput, StdioPlan } from './launch-input.js';
import type { Shared } from './shared.js';
import type { LaunchSlots, Slots } from './slots.js';

/**
 * Makes the pipes, or duplicates Node's own streams; returns the slots of Node's ends.
 *
 * @param ownedLater the container phase sets the owner, because this one may not.
 */
export function makePipes(
  steps: Step[],
  spec: Spec,
  input: Pick<LaunchInput, 'stdin' | 'stdout' | 'stderr'>,
  shared: Pick<Shared, 'stdin' | 'stdout' | 'stderr'>,
  slots: Slots,
  ownedLater = false,
): Omit<LaunchSlots, 'oom' | 'hold'> {
  const user = spec.process?.user ?? { uid: 0, gid: 0 };
  const hostUid = ownedLater ? SAME_OWNER : hostId(spec.linux?.uidMappings, user.uid);
  const hostGid = ownedLater ? SAME_OWNER : hostId(spec.linux?.gidMappings, user.gid);
  const near: { stdin?: number; stdout?: number; stderr?: number } = {};
  const pipe = (name: keyof typeof near, plan: StdioPlan, inside: number | undefined) => {
    if (inside === undefined) return;
    if (plan === 'inherit') {
      const number = ['stdin', 'stdout', 'stderr'].indexOf(name);
      steps.push({ op: 'fd.dup', slots: [inside], numbers: [number] });
      return;
    }
    const outside = slots.take();
    near[name] = outside;
    steps.push({
      op: 'pipe.make',
      slots: [inside, outside],
      numbers: [name === 'stdin' ? 0 : 1, hostUid, hostGid],
    });
  };
  pipe('stdin', input.stdin, shared.stdin);
  pipe('stdout', input.stdout, shared.stdout);
  pipe('stderr', input.stderr, shared.stderr);
  return {
    ...near,
    stdoutInside: near.stdout === undefined ? undefined : shared.stdout,
    stderrInside: near.stderr === undefined ? undefined : shared.stderr,
  };
}
