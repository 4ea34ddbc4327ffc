/** The health check as a program that a supervisor runs again and again: an exec in a container that is yet to be. */
import { labelsFor } from '../../host/selinux.js';
import { compileExec } from '../../program/compile-exec.js';
import { PLACEHOLDER, Template } from '../../program/template.js';
import { ID_RANGE_SIZE } from '../options/config.js';
import { type Healthcheck, testCommand, withDefaults } from '../options/healthcheck.js';
import type { SupervisoredCheck } from './supervisor-config.js';
import type { InstantiatedStart } from '../start/prepared-start.js';
import { rootlessOf } from '../start/start-template.js';
import type { StartContext } from '../start/context.js';
import { callersOpenFiles } from '../../host/open-files.js';
import { toSpec } from '../spec/to-spec.js';

/**
 * As `exec` without options: with the container's user, environment, directory, capabilities and filter. The
 * supervisor fills in the container's first process, which has no number yet (cpp/supervisor/health.cpp).
 */
export function compileCheck(
  context: StartContext,
  start: InstantiatedStart,
  check: Healthcheck,
): SupervisoredCheck {
  const { config, identity, joining } = start;
  const { users } = context;
  const { id, base } = PLACEHOLDER;
  const idRange = identity.base === undefined ? undefined : { base, size: ID_RANGE_SIZE };
  const inside = { ...config, args: testCommand(check), terminal: undefined };
  const { program, slots } = compileExec(
    toSpec(inside, {
      id,
      idRange,
      user: joining.user,
      hostname: start.hostname,
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
    program: new Template(program, context.encoder).instantiate(context.binding, identity),
  };
}
