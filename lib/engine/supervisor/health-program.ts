/** The health check as a program that a monitor runs again and again: an exec in a container that is yet to be. */
import { labelsFor } from '../../host/selinux.js';
import { compileExec } from '../../program/compile-exec.js';
import { PLACEHOLDER, Template } from '../../program/template.js';
import { ID_RANGE_SIZE } from '../options/config.js';
import { type Healthcheck, testCommand, withDefaults } from '../options/healthcheck.js';
import type { MonitoredCheck } from './monitor-config.js';
import { type KeptStart, networkName, rootlessOf } from '../start/prepare.js';
import type { Surroundings } from '../start/context.js';
import { callersOpenFiles } from '../../host/open-files.js';
import { toSpec } from '../spec/to-spec.js';

/**
 * As `exec` without options: with the container's user, environment, directory, capabilities and filter. The
 * monitor fills in the container's first process, which has no number yet (cpp/monitor/health.cpp).
 */
export function compileCheck(
  around: Surroundings,
  start: KeptStart,
  check: Healthcheck,
): MonitoredCheck {
  const { config, identity, joining } = start;
  const { users } = around;
  const { id, base } = PLACEHOLDER;
  const idRange = identity.base === undefined ? undefined : { base, size: ID_RANGE_SIZE };
  const inside = { ...config, args: testCommand(check), terminal: undefined };
  const { program, slots } = compileExec(
    toSpec(inside, {
      id,
      idRange,
      user: joining.user,
      hostname: networkName(config),
      users,
      selinux: config.selinux && labelsFor(config.selinux, identity.id),
      openFiles: callersOpenFiles(),
    }),
    {
      pid: 0,
      startTime: 0n,
      placements: joining.placements,
      seccomp: joining.seccomp,
      seccompFlags: joining.seccompFlags,
      stdin: 'null',
      stdout: 'pipe',
      stderr: 'pipe',
      terminal: undefined,
      staying: 'ends',
      rootless: users === undefined ? undefined : rootlessOf(users),
    },
  );
  const { interval, timeout, startPeriod, startInterval, retries } = withDefaults(check);
  return {
    interval,
    timeout,
    startPeriod,
    startInterval,
    retries,
    slots,
    program: new Template(program, around.encoder).stamp(around.binding, identity),
  };
}
