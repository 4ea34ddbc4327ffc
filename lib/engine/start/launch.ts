/** Hands a launch program to the native machine and follows the container to its end. */
import { constants } from 'node:os';
import type { CaissonError } from '../../base/errors.js';
import type { Binding, NativeContainer } from '../../native/binding.js';
import { containerListener } from '../../native/events.js';
import { endedEarly, failureOf } from './failure.js';
import { makeTimeline } from '../../program/timeline.js';
import type { ContainerConfig } from '../options/config.js';
import type { Channel, ExecutionController } from './execution-controller.js';
import type { ReportPolicy } from './policy-report.js';
import type { Prepared } from './prepared-start.js';

/** What is launched: a container, or a further program in one. */
export type Launching = Pick<Prepared, 'template' | 'identity' | 'steps' | 'args'> & {
  readonly config: Pick<ContainerConfig, 'terminal'>;
  /** Texts that the template does not have. */
  readonly appended?: Uint8Array;
  readonly appendedToTeardown?: Uint8Array | undefined;
  /** In a container that goes on when this ends. */
  readonly joins?: boolean;
  /** Where a `release` waits: what has to be done with the process before it goes on. */
  readonly moveIntoScope?: ((pid: number) => Promise<void>) | undefined;
  /** Called where a `release` waits for a command (`claimedCommand`), or for none. */
  readonly parked?: ((goOn: (command?: Uint8Array) => number) => void) | undefined;
  readonly reportPolicy?: ReportPolicy | undefined;
  /** Called when its program has ended, before the caller gets the result and before anything of it is torn down. */
  readonly programEnded?: (() => void) | undefined;
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

/**
 * @param done when the container is gone and everything torn down: with why, if it could not be started, and whether its
 *   program was executed. Only then, claims have been released as well: another attempt would need them.
 */
export function launch(
  binding: Binding,
  execution: ExecutionController,
  prepared: Launching,
  done: (failure: CaissonError | undefined, executed: boolean) => void,
): void {
  const { config, identity } = prepared;
  let failure: CaissonError | undefined;
  let executed = false;
  const container: NativeContainer = binding.launch(
    prepared.template,
    identity.id,
    identity.base ?? 0,
    execution.startWanted || config.terminal !== undefined,
    containerListener((event) => {
      switch (event.type) {
        case 'exited': {
          executed = event.executed;
          const ended = {
            code: event.code,
            signal: event.signal,
            oomKills: event.oomKills,
            started: event.executed,
            timeline: () => makeTimeline(prepared.steps(), event.timestamps()),
          };
          if (!ended.started && !execution.killed) {
            failure ??= endedEarly(prepared.steps(), event.timestamps(), ended);
            break;
          }
          prepared.programEnded?.();
          for (const stream of event.ended) execution.hasClosed(stream);
          // Not of a start that has failed: nothing would wait for the answers.
          execution.hasEnded({ ...ended, policy: prepared.reportPolicy?.(event.refused) });
          break;
        }
        case 'gone':
          done(failure, executed);
          break;
        case 'data':
          execution.hasWritten(event.stream, event.bytes);
          break;
        case 'end':
          execution.hasClosed(event.stream);
          break;
        case 'started':
          execution.hasStarted(event.pid);
          break;
        case 'failed':
          failure = failureOf(event.error, prepared.steps(), prepared.args);
          break;
        case 'input':
          execution.connectInput(binding, container);
          break;
        case 'writable':
          execution.canWrite();
          break;
        case 'terminal':
          execution.connectTerminal(binding, container);
          break;
        case 'waiting':
          prepared.parked?.((command) => binding.goOn(container, command));
          prepared.moveIntoScope?.(event.pid).then(
            () => binding.goOn(container),
            (error: CaissonError) => {
              failure = error;
              binding.kill(container, constants.signals.SIGKILL);
            },
          );
          break;
      }
    }),
    prepared.appended,
    prepared.appendedToTeardown,
  );
  execution.connect(new Launched(binding, container), prepared.joins);
}
