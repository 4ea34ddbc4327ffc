/** Hands a launch program to the native machine and follows the container to its end. */
import type { CaissonError } from '../errors.js';
import { EVENT, type Binding, type NativeContainer, type NativeError } from '../native/binding.js';
import type { Encoder, Fault } from '../program/encode.js';
import { failureOf } from '../program/failure.js';
import { makeTimeline } from '../program/timeline.js';
import type { Execution } from './execution.js';
import type { Prepared } from './prepare.js';

interface Launcher {
  readonly binding: Binding;
  readonly encoder: Encoder;
  readonly fault: Fault | undefined;
}

/** Resolves when the container is gone and everything undone: with why, if it could not be started. */
export function launch(
  { binding, encoder, fault }: Launcher,
  execution: Execution,
  { config, launchable }: Prepared,
): Promise<CaissonError | undefined> {
  const { program, teardown, slots } = launchable;
  return new Promise((resolve) => {
    let failure: CaissonError | undefined;
    const kept = [slots.stdin, slots.stdout, slots.stderr, slots.oom].map((slot) => slot ?? -1);
    // One encoder serves both: the addon has copied the first by the time that the second is written.
    const undo = Uint8Array.from(encoder.encode(teardown));
    const container: NativeContainer = binding.launch(
      encoder.encode(program, fault),
      undo,
      kept,
      slots.hold,
      (event, a, b, c, d) => {
        switch (event) {
          case EVENT.launched:
            execution.connect(container, b as number);
            break;
          case EVENT.data:
            execution.hasWritten(a as 1 | 2, b as Buffer);
            break;
          case EVENT.end:
            execution.hasClosed(a as 1 | 2);
            break;
          case EVENT.terminal: {
            const fd = a as number;
            execution.connectTerminal(fd, ({ cols, rows }) => binding.resize(fd, cols, rows));
            break;
          }
          case EVENT.started:
            execution.hasStarted();
            break;
          case EVENT.failed:
            failure = failureOf(a as NativeError, program, config.args);
            break;
          case EVENT.exited:
            void execution.hasEnded({
              code: a as number,
              signal: b as number,
              oomKills: c as number,
              timeline: () => makeTimeline(program, d as Float64Array),
            });
            break;
          case EVENT.gone:
            resolve(failure);
            break;
        }
      },
    );
  });
}
