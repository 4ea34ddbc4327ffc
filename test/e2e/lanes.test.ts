/** Several mocha processes with one report (test/support/lanes.ts): what it prints and how it ends decide whether CI passes. */
import { expect } from 'chai';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { repository } from '../support/paths.js';

const support = (name: string): string =>
  fileURLToPath(new URL(`../support/${name}`, import.meta.url));

describe('One report of several mocha processes', () => {
  let directory: string;
  before(() => (directory = mkdtempSync(join(tmpdir(), 'caisson-lanes-'))));
  after(() => rmSync(directory, { recursive: true }));

  const PASSES =
    "describe('sound', () => { it('Number 1', () => {}); it('Number 2', () => {}); });";

  /** Each text is the one file of a lane. */
  function run(texts: readonly string[], ...options: readonly string[]) {
    return runLanes([
      ...options,
      ...texts.flatMap((text, index) => [index === 1 ? '--nice' : '--', write(index, text)]),
    ]);
  }

  function write(index: number, text: string): string {
    const file = join(directory, `${index}.test.mjs`);
    writeFileSync(file, text);
    return file;
  }

  function runLanes(args: readonly string[]) {
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      [support('lanes.js'), 'spec', ...args],
      // mocha has colors in CI, also where nobody looks.
      { cwd: repository, encoding: 'utf8', env: { ...process.env, NO_COLOR: '1' } },
    );
    // Without times.
    return { status, stderr, stdout: stdout.replaceAll(/ \(\d+m?s\)/g, '') };
  }

  it('The numbers and the reasons of skips are sums, and the summary is last', () => {
    const skips = (count: number, reason: string) =>
      `import { skip } from ${JSON.stringify(support('skip.js'))};
       describe('partly', () => {
         it('Not skipped', () => {});
         for (let i = 0; i < ${count}; i++) it('Skipped', function () { skip(this, '${reason}'); });
       });`;
    const { status, stdout } = run([skips(2, 'no moon'), PASSES, skips(1, 'no moon')]);
    expect(status).to.equal(0);
    expect(stdout).to.include('\n  sound\n    ✔ Number 1\n    ✔ Number 2\n\n');
    expect(stdout).to.match(
      /\n {2}3 tests were skipped:\n {5}3 {2}no moon\n\n {2}4 passing\n {2}3 pending\n\n$/,
    );
  });

  it('Failures of all are printed in full, with the differences of values and with what caused them', () => {
    const fails = `import { expect } from '${import.meta.resolve('chai')}';
      describe('broken', () => {
        it('Differs', () => expect({ a: 1 }).to.deep.equal({ a: 2 }));
        it('Has a cause', () => { throw new Error('outer', { cause: new Error('inner') }); });
      });
      describe('hooked', () => {
        before('prepares', () => { throw new Error('of a hook'); });
        it('Never runs', () => {});
      });`;
    const { status, stdout } = run([fails, PASSES]);
    expect(status).to.equal(1);
    expect(stdout).to.include('\n  2 passing\n  3 failing\n');
    for (const text of [
      /\n {2}1\) broken\n {7}Differs:\n/,
      /\n {6}-  "a": 1\n {6}\+  "a": 2\n/,
      /Error: outer\n.*at Context.*\n[^]*Caused by: Error: inner\n/,
      /"before all" hook: prepares[^]*Error: of a hook\n/,
    ])
      expect(stdout).to.match(text);
  });

  it('A process that does not come to the end of its tests is a failure', () => {
    for (const [text, said] of [
      ["describe('a', () => it('Exits', () => process.exit(0)));", 'exit code 0'],
      ["describe('a', () => it('Dies', () => process.kill(process.pid, 'SIGKILL')));", 'SIGKILL'],
      ["throw new Error('not loaded');", 'exit code 1'],
    ] as const) {
      const { status, stdout } = run([PASSES, text]);
      expect(status).to.equal(1);
      expect(stdout).to.include('✔ Number 2\n');
      expect(stdout).to.include('\n  2 passing\n  1 failing\n');
      expect(stdout).to.include(`mocha 2 of 2 ended with ${said} before the end of its tests`);
    }
  });

  it('A process that dies after its tests is a failure', () => {
    const dies = "process.on('exit', () => process.kill(process.pid, 'SIGKILL'));";
    const { status, stdout } = run([`${PASSES} ${dies}`]);
    expect(status).to.equal(1);
    expect(stdout).to.match(/mocha 1 of 1 ended with SIGKILL\n/);
  });

  it('Files that lanes share are run by whichever of them is free, and each once', () => {
    const at = (name: string) => JSON.stringify(join(directory, name));
    const meets = (name: string, other: string) =>
      `import { existsSync, writeFileSync } from 'node:fs';
       describe(${at(name)}, () => it('Sees the other one', async () => {
         writeFileSync(${at(name)}, '');
         while (!existsSync(${at(other)})) await new Promise((resolve) => setTimeout(resolve, 10));
       }));`;
    const shared = [meets('a', 'b'), meets('b', 'a'), PASSES];
    const files = shared.map((text, index) => write(index + 1, text));
    const { status, stdout } = runLanes(['--nice', '--', write(0, PASSES), '--shared', ...files]);
    expect(status).to.equal(0);
    expect(stdout.match(/✔ Sees the other one/g)).to.have.length(2);
    expect(stdout).to.include('\n  6 passing\n');
  });

  it('A shared file that does not come to the end of its tests is a failure, and the next one is run', () => {
    const dies = write(
      1,
      "describe('a', () => it('Dies', () => process.kill(process.pid, 'SIGKILL')));",
    );
    const { status, stdout } = runLanes(['--', '--shared', dies, write(2, PASSES)]);
    expect(status).to.equal(1);
    expect(stdout).to.include(`mocha of ${dies} ended with SIGKILL before the end of its tests`);
    expect(stdout).to.include('\n  2 passing\n  1 failing\n');
  });

  it('The output of a command beside mocha is printed as a whole, before the summary', () => {
    const waits = `import { existsSync } from 'node:fs';
      describe('waits', () => it('Sees the command begin', async () => {
        while (!existsSync(${JSON.stringify(join(directory, 'begun'))}))
          await new Promise((resolve) => setTimeout(resolve, 10));
      }));`;
    const script = `echo one; touch ${directory}/begun; sleep 0.2; echo two >&2; test ! -t 0`;
    const command = ['--command', 'sh', '-c', script];
    const { status, stdout } = runLanes([...command, '--', write(0, waits)]);
    expect(status).to.equal(0);
    expect(stdout).to.include(`\n  sh -c ${script}\none\ntwo\n\n`);
    expect(stdout).to.match(/✔ Sees the command begin\n[^]*\n {2}1 passing\n\n$/);
  });

  it('A command that fails beside mocha is a failure', () => {
    for (const [script, said] of [
      ['echo wrong >&2; exit 3', 'exit code 3'],
      ['echo wrong; kill -TERM $$', 'SIGTERM'],
    ] as const) {
      const { status, stdout } = runLanes([
        '--command',
        'sh',
        '-c',
        script,
        '--',
        write(0, PASSES),
      ]);
      expect(status).to.equal(1);
      expect(stdout).to.include('\nwrong\n');
      expect(stdout).to.include('\n  2 passing\n  1 failing\n');
      expect(stdout).to.include(`sh -c ${script} ended with ${said}`);
    }
  });

  it('The arguments before the files are for each process', () => {
    const only = "describe('a', () => it.only('Number 1 alone', () => {}));";
    expect(run([PASSES, PASSES], '-g', 'Number 1').stdout).to.include('\n  2 passing\n');
    const { status, stderr } = run([PASSES, only], '--forbid-only');
    expect(status).to.equal(1);
    expect(stderr).to.include('.only');
  });
});
