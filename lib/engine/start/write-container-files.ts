/** Replacing the contents of small files of a running container, from inside, as container-files.ts reads them. */
import { constants } from 'node:os';
import { CaissonError } from '../../base/errors.js';
import { newId } from '../../base/ids.js';
import { type ContainerEvent, containerListener } from '../../native/events.js';
import { compileWrite, type InsideInput } from '../../program/compile-read.js';
import type { InjectedFile } from '../../program/launch-input.js';
import { Template } from '../../program/template.js';
import type { StartContext } from './context.js';
import { endedEarly, failureOf } from './failure.js';
import { makeTemplate } from './native-template.js';

/** How long it may take, in milliseconds. */
const PATIENCE = 10_000;

/** As the container's root, in its mount namespace. @throws ERR_TIMEOUT, and why they could not be written */
export function writeFiles(
  { binding, encoder }: Pick<StartContext, 'binding' | 'encoder'>,
  container: InsideInput,
  files: readonly InjectedFile[],
): Promise<void> {
  const { program, teardown, slots } = compileWrite({ ...container, files });
  const template = makeTemplate(
    binding,
    new Template(program, encoder),
    new Template(teardown, encoder),
    slots,
  );
  return new Promise((resolve, reject) => {
    const fail = (error: Error) => {
      clearTimeout(timer);
      reject(error);
    };
    const listener = (event: ContainerEvent) => {
      if (event.type === 'failed') fail(failureOf(event.error, program, []));
      if (event.type !== 'exited') return;
      clearTimeout(timer);
      if (event.code === 0 && event.executed) resolve();
      else fail(endedEarly(program, event.timestamps(), event));
    };
    const writer = binding.launch(template, newId(), 0, false, containerListener(listener));
    const timer = setTimeout(() => {
      binding.kill(writer, constants.signals.SIGKILL);
      const paths = files.map(({ path }) => path).join(' and ');
      fail(new CaissonError('ERR_TIMEOUT', `${paths} of the container did not answer within ${PATIENCE} ms`, { stage: 'config', path: paths })); // prettier-ignore
    }, PATIENCE);
  });
}
