/** Hands a launch program to the native machine and follows the container to its end. */
import { constants } from 'node:os';
import type { CaissonError } from '../errors.js';
import { EVENT, type Binding, type NativeContainer, type NativeError } from '../native/binding.js';
import { endedEarly, failureOf } from '../program/failure.js';
import { makeTimeline } from '../program/timeline.js';
import type { ContainerConfig } from './config.js';
import type { Execution } from './execution.js';
import type { Prepared } from './prepare.js';

/** What is launched: a container, or a further program in one. */
export type Launching = Omit<Prepared, 'config' | 'release'> & {
  readonly config: Pick<ContainerConfig, 'args' | 'terminal'>;
  /** In a container that goes on when this ends. */
  readonly joins?: boolean;
  /** Where a `release` waits: what has to be done with the process before it goes on. */
  readonly admit?: ((pid: number) => Promise<void>) | undefined;
};

/** Resolves when the container is gone and everything undone: with why, if it could not be started. */
export function launch(
  binding: Binding,
  execution: Execution,
  prepared: Launching,
): Promise<CaissonError | undefined> {
  const { config, program, teardown, slots, identity } = prepared;
  return new Promise((resolve) => {
    let failure: CaissonError | undefined;
    const { stdin = -1, stdout = -1, stderr = -1, oom = -1 } = slots;
    const { stdoutInside = -1, stderrInside = -1 } = slots;
    const kept = [stdin, stdout, stderr, oom, stdoutInside, stderrInside];
    const container: NativeContainer = binding.launch(
      program.stamp(identity),
      teardown.stamp(identity),
      kept,
      slots.hold,
      execution.startWanted || config.terminal !== undefined,
      (event, a, b, c, d, e) => {
        switch (event) {
          case EVENT.input:
            execution.connectInput(a as number);
            break;
          case EVENT.waiting:
            prepared.admit?.(a as number).then(
              () => binding.goOn(container),
              (error: CaissonError) => {
                failure = error;
                binding.kill(container, constants.signals.SIGKILL);
              },
            );
            break;
          case EVENT.data:
            execution.hasWritten(a as 1 | 2, b as Buffer);
            break;
          case EVENT.end:
            execution.hasClosed(a as 1 | 2);
            break;
          case EVENT.terminal:
            execution.connectTerminal(binding, container);
            break;
          case EVENT.started:
            execution.hasStarted(a as number);
            break;
          case EVENT.failed:
            failure = failureOf(a as NativeError, prepared.steps(), config.args);
            break;
          case EVENT.exited: {
            const [code, signal, oomKills] = [a as number, b as number, c as number];
            const stamps = d as Float64Array;
            const streams = e as number;
            // The last stamp is that of the exec.
            const early =
              stamps.at(-1) === 0
                ? endedEarly(prepared.steps(), stamps, { code, signal, oomKills })
                : undefined;
            if (early !== undefined && !execution.killed) {
              failure ??= early;
              break;
            }
            if ((streams & 1) !== 0) execution.hasClosed(1);
            if ((streams & 2) !== 0) execution.hasClosed(2);
            execution.hasEnded({
              code,
              signal,
              oomKills,
              started: early === undefined,
              timeline: () => makeTimeline(prepared.steps(), stamps),
            });
            break;
          }
          case EVENT.gone:
            resolve(failure);
            break;
        }
      },
    );
    execution.connect(binding, container, prepared.joins);
  });
}
