/** A further program in a container. */
import { isRecord } from '../../base/check.js';
import type { ExecOptions } from '../options/exec-options.js';
import { type ExecContext, startExec } from '../start/exec.js';
import type { Execution } from '../start/execution.js';
import { recordEvent } from '../store/container-events.js';
import { imageOf } from '../store/image-of.js';
import type { ContainerContext } from './container-context.js';
import { readableConfig } from '../store/store.js';
import { inspectContainer } from './inspect-container.js';
import { checkAllowed } from './transitions.js';

export function execInContainer(
  context: ContainerContext,
  id: string,
  argv: readonly string[],
  options: ExecOptions,
): Execution {
  const started = startExec(() => execContext(context, id, argv), argv, options);
  context.adopt(started);
  const { execution } = started;
  if (!isRecord(options) || options.detach !== true) {
    execution.then(
      ({ exitCode }) => recordEnd(context, id, exitCode),
      () => undefined,
    );
  }
  return execution;
}

async function execContext(
  context: ContainerContext,
  id: string,
  argv: readonly string[],
): Promise<ExecContext> {
  const { config, state, status } = await inspectContainer(context, id);
  checkAllowed(status, 'exec', id);
  const startContext = await context.startContext();
  // Docker's form: the program, a space, its arguments.
  const [program = '', ...rest] = argv;
  for (const action of ['exec_create', 'exec_start'])
    recordEvent(context.store, config, `${action}: ${program} ${rest.join(' ')}`);
  return {
    startContext,
    container: {
      id,
      image: imageOf(config.image),
      argv: config.argv,
      options: config.options,
      pid: state.pid,
      startTime: state.startTime,
      idBase: state.idBase,
      cgroupSlice: config.cgroupSlice,
      cgroupParent: config.cgroupParent,
    },
  };
}

function recordEnd({ store }: ContainerContext, id: string, exitCode: number): void {
  const config = readableConfig(store, id);
  if (config !== undefined) recordEvent(store, config, 'exec_die', { exitCode: String(exitCode) });
}
