/** Every program in docs/ runs as it is pasted, and prints what it says. */
import { readdirSync, readFileSync } from 'node:fs';
import { expect } from 'chai';
import { codeBlocks } from '../support/markdown.js';
import { PastedPrograms } from '../support/pasted-programs.js';

describe('Documents: programs', function () {
  this.timeout(60_000);
  const documents = readdirSync('docs')
    .filter((name) => name.endsWith('.md'))
    .map((name) => ({ name, text: readFileSync(`docs/${name}`, 'utf8') }));
  // scripts/test-package runs the one for Vitest, which is not installed here.
  const runnable = (text: string) =>
    codeBlocks(text, 'js').filter((code) => !code.includes("from 'vitest'"));
  let programs: PastedPrograms;

  before(async () => {
    programs = await PastedPrograms.start();
  });

  after(() => programs.stop());

  it('All programs of docs/ run when they are pasted into a .mjs file', async () => {
    let count = 0;
    for (const { name, text } of documents) {
      expect(codeBlocks(text, 'ts'), `programs of ${name} that JavaScript cannot run`).to.be.empty;
      for (const [index, code] of runnable(text).entries()) {
        await programs.works(`${name}-${index}`, code);
        count++;
      }
    }
    expect(count).to.be.above(7);
  });

  it('All programs of docs/ and of README.md compile as TypeScript with `module: nodenext`', async () => {
    const all = documents.flatMap(({ text }) => runnable(text));
    all.push(...codeBlocks(readFileSync('README.md', 'utf8'), 'js'));
    expect(await programs.compilerErrors(all)).to.deep.equal([]);
  });
});
