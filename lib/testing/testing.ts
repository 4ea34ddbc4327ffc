/**
 * A container for one test: docs/testing.md.
 *
 * @module caisson/test
 */
import { checkOptions } from '../base/check.js';
import { CaissonError } from '../base/errors.js';
import { startBound } from '../engine/container/bound-container.js';
import { type Container, containerOf } from '../engine/container/container.js';
import { contextOf, Engine } from '../engine/engine.js';
import type { CreateOptions } from '../engine/options/create-options.js';
import type { RootfsImage } from '../image/rootfs.js';
import { checkCall } from '../engine/start-run.js';

/** What a test runner passes to a test: `node:test` has `after`, Vitest has `onTestFinished`. */
export type TestContext =
  | {
      /** Of `node:test`. */
      after(done: () => Promise<void>): void;
    }
  | {
      /** Of Vitest. */
      onTestFinished(done: () => Promise<void>): void;
    };

/** Options of `Engine.create`, and what belongs to the test. */
export interface TestContainerOptions extends Omit<CreateOptions, 'autoRemove'> {
  /** Default: the image's own; a shell that waits for input. Of `host`: `cat`, which waits. */
  readonly command?: readonly string[] | undefined;
  /** Default: one for this process, with the default directories. */
  readonly engine?: Engine | undefined;
}

let shared: Promise<Engine> | undefined;

/**
 * A container that runs, with files of its own. It is removed when the test has ended, in whichever way; when its program
 * ends; and when this process ends, even if it is killed. A `restart` gives up the last of these.
 *
 * @param test what the runner passes to the test
 * @param image `host`, the name of an image, or a root directory by `rootfs()`
 * @throws what `Engine.create` and `Container.start` reject with; ERR_INVALID_OPTION, if `test` is nothing of the kind
 *
 * @example
 * import assert from 'node:assert/strict';
 * import { test } from 'node:test';
 * import { container } from 'caisson/test';
 *
 * test('sort sorts', async (t) => {
 *   const box = await container(t, 'host', { memory: '64m' });
 *   await box.files.write('/in', '3\n1\n2\n');
 *   assert.equal((await box.exec(['sort', '/in'])).stdout, '1\n2\n3\n');
 * });
 */
export async function container(
  test: TestContext,
  image: string | RootfsImage,
  options: TestContainerOptions = {},
): Promise<Container> {
  const whenDone = registrar(test);
  const { engine, command, ...others } = checkOptions(options);
  const context = contextOf(engine ?? (await (shared ??= Engine.open())));
  checkCall(context, others);
  const argv = command ?? (image === 'host' ? ['cat'] : []);
  const id = await startBound(context, image, argv, { openStdin: true, ...others });
  const started = containerOf(context, id);
  whenDone(() => started[Symbol.asyncDispose]());
  return started;
}

function registrar(test: TestContext): (done: () => Promise<void>) => void {
  const given = test as Partial<Record<'after' | 'onTestFinished', unknown>> | null | undefined;
  for (const name of ['after', 'onTestFinished'] as const)
    if (typeof given?.[name] === 'function')
      return (done) => (given[name] as (done: () => Promise<void>) => void)(done);
  throw new CaissonError(
    'ERR_INVALID_OPTION',
    'test: it has neither `after` nor `onTestFinished`',
    {
      stage: 'config',
      path: 'test',
      hint: "pass what node:test or Vitest passes to the test's function",
    },
  );
}
