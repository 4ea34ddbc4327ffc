/** Every program in the README runs as it is pasted, on every Node, and prints what it says. */
import { readFile } from 'node:fs/promises';
import { expect } from 'chai';
import ts from 'typescript';
import { codeBlocks } from '../support/markdown.js';
import { PastedPrograms } from '../support/pasted-programs.js';

/** From which Node on `await using` is part of JavaScript. */
const USING_SINCE = 24;

const USING = `import { Engine } from 'caisson';

await using engine = await Engine.open();
console.log((await engine.run('host', ['id', '-u'])).stdout.trim()); // 0
`;

describe('README: programs', () => {
  let readme: string;
  let programs: PastedPrograms;

  before(async () => {
    readme = await readFile('README.md', 'utf8');
    programs = await PastedPrograms.start();
  });

  after(() => programs.stop());

  it('C7: the first program runs when it is pasted into a .mjs file, on every Node', async () => {
    const first = /^```(?:js|ts)\n([^]*?)^```$/m.exec(readme)?.[1];
    await programs.works('first', first ?? '');
  });

  it('C7: all other programs run when they are pasted, too', async function () {
    this.timeout(60_000);
    const [, ...others] = codeBlocks(readme, 'js');
    expect(others).to.have.length.above(4);
    for (const [index, code] of others.entries()) await programs.works(`program-${index}`, code);
    expect(codeBlocks(readme, 'ts'), 'programs that JavaScript cannot run').to.be.empty;
  });

  it('C7: `await using` closes an engine in TypeScript, and in JavaScript from Node 24 on', async () => {
    expect(readme).to.include('from Node.js 24 on, `await using engine = await Engine.open();`');
    const compilerOptions = { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext };
    await programs.works('compiled', ts.transpileModule(USING, { compilerOptions }).outputText);
    const [major = ''] = process.versions.node.split('.');
    if (Number(major) >= USING_SINCE) await programs.works('using', USING);
  });
});
