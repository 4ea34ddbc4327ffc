/** Hands a launch program to the native machine and follows the container to its end. */
import { constants } from 'node:os';
import type { CaissonError } from '../../base/errors.js';
import {
  type Binding,
  EVENT,
  EXECUTED,
  type NativeContainer,
  type NativeError,
} from '../../native/binding.js';
import { endedEarly, failureOf } from './failure.js';
import { makeTimeline } from '../../program/timeline.js';
import type { ContainerConfig } from '../options/config.js';
import type { Channel, ExecutionController } from './execution-controller.js';
import type { Prepared } from './prepare.js';

/** What is launched: a container, or a further program in one. */
export type Launching = Pick<Prepared, 'template' | 'identity' | 'steps' | 'args'> & {
  readonly config: Pick<ContainerConfig, 'terminal'>;
  /** Where the template has none. */
  readonly command?: Uint8Array;
  /** In a container that goes on when this ends. */
  readonly joins?: boolean;
  /** Where a `release` waits: what has to be done with the process before it goes on. */
  readonly moveIntoScope?: ((pid: number) => Promise<void>) | undefined;
};

/** To what the native machine has launched. */
class Launched implements Channel {
  constructor(
    private readonly binding: Binding,
    private readonly container: NativeContainer,
  ) {}

  signal(number: number): void {
    this.binding.kill(this.container, number);
  }

  watchStart(): void {
    this.binding.watchStart(this.container);
  }

  leave(): void {
    this.binding.leave(this.container);
  }

  pause(stream: 1 | 2): void {
    this.binding.pause(this.container, stream);
  }

  resume(stream: 1 | 2): void {
    this.binding.resume(this.container, stream);
  }

  passOn(stream: 1 | 2): void {
    this.binding.passOn(this.container, stream);
  }
}

/** @param done when the container is gone and everything torn down: with why, if it could not be started. */
export function launch(
  binding: Binding,
  execution: ExecutionController,
  prepared: Launching,
  done: (failure: CaissonError | undefined) => void,
): void {
  const { config, identity } = prepared;
  let failure: CaissonError | undefined;
  const container: NativeContainer = binding.launch(
    prepared.template,
    identity.id,
    identity.base ?? 0,
    execution.startWanted || config.terminal !== undefined,
    (event, a, b, c, d, e, f) => {
      switch (event) {
        case EVENT.exited: {
          const bits = d as number;
          const timestamps = () => (e as Float64Array).subarray(f as number);
          const ended = {
            code: a as number,
            signal: b as number,
            oomKills: c as number,
            started: (bits & EXECUTED) !== 0,
            timeline: () => makeTimeline(prepared.steps(), timestamps()),
          };
          if (!ended.started && !execution.killed) {
            failure ??= endedEarly(prepared.steps(), timestamps(), ended);
            break;
          }
          if ((bits & 1) !== 0) execution.hasClosed(1);
          if ((bits & 2) !== 0) execution.hasClosed(2);
          execution.hasEnded(ended);
          break;
        }
        case EVENT.gone:
          done(failure);
          break;
        case EVENT.data:
          execution.hasWritten(a as 1 | 2, (b as Buffer).subarray(c as number, d as number));
          break;
        case EVENT.end:
          execution.hasClosed(a as 1 | 2);
          break;
        case EVENT.started:
          execution.hasStarted(a as number);
          break;
        case EVENT.failed:
          failure = failureOf(a as NativeError, prepared.steps(), prepared.args);
          break;
        case EVENT.input:
          execution.connectInput(binding, container);
          break;
        case EVENT.writable:
          execution.canWrite();
          break;
        case EVENT.terminal:
          execution.connectTerminal(binding, container);
          break;
        case EVENT.waiting:
          prepared.moveIntoScope?.(a as number).then(
            () => binding.goOn(container),
            (error: CaissonError) => {
              failure = error;
              binding.kill(container, constants.signals.SIGKILL);
            },
          );
          break;
      }
    },
    prepared.command,
  );
  execution.connect(new Launched(binding, container), prepared.joins);
}
