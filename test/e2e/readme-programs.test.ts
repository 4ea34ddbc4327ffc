/** Every program in the README runs as it is pasted, on every Node, and prints what it says. */
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import ts from 'typescript';
import { DockerHub } from '../support/docker-hub.js';
import { codeBlocks } from '../support/markdown.js';

const run = promisify(execFile);

/** From which Node on `await using` is part of JavaScript. */
const USING_SINCE = 24;

/** What the comments behind `console.log` promise, in order. */
function promised(code: string): string[] {
  return [...code.matchAll(/^\s*console\.log\(.*\); \/\/ (.*)$/gm)].map(([, text = '']) => text);
}

function compiled(code: string): string {
  const compilerOptions = { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext };
  return ts.transpileModule(code, { compilerOptions }).outputText;
}

describe('README: programs', () => {
  let readme: string;
  let directory: string;
  let hub: DockerHub;
  let known: readonly string[];

  before(async () => {
    readme = await readFile('README.md', 'utf8');
    // Within the package, so that `caisson` is found by its own name.
    directory = await mkdtemp(join('.cache', 'readme-'));
    hub = await DockerHub.start();
    known = await images();
  });

  after(async () => {
    await hub.stop();
    const added = (await images()).filter((id) => !known.includes(id));
    if (added.length > 0) await run('bin/caisson', ['rmi', '--force', ...added]);
    await rm(directory, { recursive: true, force: true });
  });

  /** Of the machine: examples use the default directories. */
  async function images(): Promise<string[]> {
    const { stdout } = await run('bin/caisson', ['images', '--all', '--quiet', '--no-trunc']);
    return stdout.split('\n').filter((id) => id !== '');
  }

  async function works(name: string, code: string, said = code): Promise<void> {
    const file = join(directory, `${name}.mjs`);
    await writeFile(file, code);
    const { stdout } = await run(process.execPath, [file], { env: { ...process.env, ...hub.env } });
    expect(stdout.split('\n'), said).to.include.members(promised(said));
    expect(stdout.trim()).to.not.equal('');
  }

  it('C7: the first program runs when it is pasted into a .mjs file, on every Node', async () => {
    const first = /^```(?:js|ts)\n([^]*?)^```$/m.exec(readme)?.[1];
    await works('first', first ?? '');
  });

  it('C7: all other programs in JavaScript run when they are pasted, too', async function () {
    this.timeout(60_000);
    const [, ...others] = codeBlocks(readme, 'js');
    expect(others).to.have.length.above(2);
    for (const [index, code] of others.entries()) await works(`program-${index}`, code);
  });

  it('C7: the program with `await using` runs as TypeScript, and as it is from Node 24 on', async () => {
    const programs = codeBlocks(readme, 'ts');
    expect(programs.join()).to.include('await using');
    const [major = ''] = process.versions.node.split('.');
    for (const [index, code] of programs.entries()) {
      await works(`compiled-${index}`, compiled(code), code);
      if (Number(major) >= USING_SINCE) await works(`typed-${index}`, code);
    }
  });
});
