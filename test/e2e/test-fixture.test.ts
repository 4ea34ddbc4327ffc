/** `caisson/test`, as a test file of a user has it: the runner is Node's own, in a process of its own. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { container as containerOf } from '../../lib/testing/testing.js';
import { makeBusybox } from '../support/workshop.js';
import { eventually } from '../support/outside.js';
import { rejectionOf } from '../support/rejection.js';
import { Workshop } from '../support/workshop.js';

const run = promisify(execFile);

describe('Containers for tests: caisson/test', () => {
  let shop: Workshop;
  let directory: string;

  beforeEach(async () => {
    shop = await Workshop.open();
    // Within the package, so that `caisson/test` is found by its own name.
    directory = await mkdtemp(join('.cache', 'fixture-'));
    makeBusybox(shop.path('root'));
  });
  afterEach(async () => {
    await rm(directory, { recursive: true, force: true });
    await shop.close();
  });

  /** A file of tests, in which `box(t)` makes a container. */
  async function file(tests: string): Promise<string> {
    const path = join(directory, 'some.test.mjs');
    const roots = { dataRoot: shop.path('data'), runRoot: shop.path('run') };
    await writeFile(
      path,
      `import { test } from 'node:test';
       import { Engine, rootfs } from 'caisson';
       import { container } from 'caisson/test';
       const engine = await Engine.open(${JSON.stringify(roots)});
       const image = rootfs(${JSON.stringify(shop.path('root'))});
       const box = (t, options) => container(t, image, { command: ['sh'], engine, ...options });
       ${tests}`,
    );
    return path;
  }

  /** What the runner reports: an array, a line of TAP each. */
  async function runTests(tests: string): Promise<readonly string[]> {
    const args = ['--test', '--test-reporter=tap', await file(tests)];
    const { NODE_TEST_CONTEXT: _, ...env } = process.env;
    const { stdout } = await run(process.execPath, args, { env }).catch(
      (error: unknown) => error as { stdout: string },
    );
    return stdout.split('\n').map((line) => line.trim());
  }

  /** Its supervisor removes a container whose process has ended, and then leaves. */
  const gone = () =>
    eventually(async () => {
      const left = [shop.path('data/containers'), shop.path('run/supervisors')].map((each) =>
        readdir(each),
      );
      expect((await Promise.all(left)).flat()).to.deep.equal([]);
    });
  const names = async () => (await shop.engine.list()).map(({ config }) => config.name);

  it('Each test has a container of its own, which is gone after it, also when the test fails', async () => {
    const said = await runTests(`
      const count = async () => (await engine.list()).length;
      test('first', async (t) => {
        const own = await box(t, { memory: '64m', name: 'own' });
        await own.files.write('/in', '3\\n1\\n2\\n');
        const { stdout } = await own.exec(['sort', '/in']);
        if (stdout !== '1\\n2\\n3\\n') throw new Error(stdout);
        if ((await count()) !== 1) throw new Error('not listed');
      });
      test('second', async (t) => {
        if ((await count()) !== 0) throw new Error('left by the first');
        const own = await box(t, { name: 'own' });
        if ((await own.files.list('/')).some(({ name }) => name === 'in')) throw new Error('not clean');
        throw new Error('on purpose');
      });
      test('third', async () => {
        if ((await count()) !== 0) throw new Error('left by the second');
      });`);
    expect(said).to.include.members(['ok 1 - first', 'not ok 2 - second', 'ok 3 - third', "error: 'on purpose'"]); // prettier-ignore
    expect(await names()).to.deep.equal([]);
  });

  it('A container ends with the process of its test, also if that is killed', async () => {
    const path = await file(`
      test('killed', async (t) => {
        await box(t, { name: 'bound' });
        console.log('is there');
        await new Promise((resolve) => setTimeout(resolve, 600_000));
      });`);
    const child: ChildProcess = spawn(process.execPath, [path], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const ended = once(child, 'close');
    for await (const line of createInterface(child.stdout!)) if (line.includes('is there')) break;
    expect(await names()).to.deep.equal(['bound']);
    child.kill('SIGKILL');
    await ended;
    await gone();
  });

  it('A file whose test has not removed its container ends all the same', async () => {
    // Its context forgets what it is told.
    const said = await runTests(`
      test('forgotten', async () => {
        await container({ after() {} }, image, { command: ['sh'], engine });
      });`);
    expect(said).to.include('ok 1 - forgotten');
    await gone();
  });

  it('What cannot be started is an error of the test, and leaves nothing', async () => {
    const done: unknown[] = [];
    const test = { onTestFinished: (each: unknown) => void done.push(each) };
    const { engine } = shop;
    const options = { engine, command: ['no-such-program'] };
    expect((await rejectionOf(containerOf(test, shop.busybox, options))).code).to.equal('ERR_COMMAND_NOT_FOUND'); // prettier-ignore
    expect((await rejectionOf(containerOf(test, shop.busybox, { ...options, memory: 'much' }))).path).to.equal('memory'); // prettier-ignore
    const none = await rejectionOf(containerOf({} as never, shop.busybox, { engine }));
    expect(none).to.include({ code: 'ERR_INVALID_OPTION', path: 'test' });
    expect(done).to.deep.equal([]);
    expect(await names()).to.deep.equal([]);
  });
});
