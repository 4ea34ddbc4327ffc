/** What the host phase sets of the new process, because the process itself may not. */
import { CAPABILITIES, capabilityMask } from '../../oci/capability-sets.js';
import { RLIMITS } from '../../oci/rlimits.js';
import type { Spec } from '../../oci/runtime-spec.js';
import { limitNumber } from '../compile-process.js';
import type { Step } from '../instructions.js';

/** The container phase needs these for its set-up in a user namespace. */
const SETUP = capabilityMask([
  'CAP_CHOWN',
  'CAP_DAC_OVERRIDE',
  'CAP_FOWNER',
  'CAP_FSETID',
  'CAP_KILL',
  'CAP_SETGID',
  'CAP_SETUID',
  'CAP_SETPCAP',
  'CAP_NET_ADMIN',
  'CAP_SYS_ADMIN',
]);

/** Capabilities that caisson-init must keep although no id map exists yet when it is executed. */
export function keptByExec({ process }: Spec): bigint {
  const sets = process?.capabilities;
  if (sets === undefined) return capabilityMask(CAPABILITIES);
  return SETUP | capabilityMask(sets.permitted) | capabilityMask(sets.inheritable);
}

/** Not inherited from the starting process, as far as possible: lowering a score needs CAP_SYS_RESOURCE. */
export function adjustOomScore(steps: Step[], { process }: Spec): void {
  const adjustment = process?.oomScoreAdj;
  steps.push({ op: 'oom.set', numbers: adjustment === undefined ? [0, 1] : [adjustment] });
}

/** Hard limits, which the container's root may not raise itself. */
export function raiseLimits(steps: Step[], { process }: Spec): void {
  for (const { type, hard } of process?.rlimits ?? [])
    steps.push({ op: 'rlimit.raise', numbers: [RLIMITS[type], limitNumber(hard)] });
}
