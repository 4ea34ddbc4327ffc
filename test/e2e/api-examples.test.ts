/** The public interface is documented, and each of its examples runs and prints what it says. */
import { expect } from 'chai';
import {
  type ApiExample,
  apiExamples,
  exampleRunner,
  typedExample,
} from '../support/api-examples.js';
import { PastedPrograms, promisedLines } from '../support/pasted-programs.js';

interface Report {
  readonly name: string;
  readonly lines: readonly string[];
  readonly error?: string;
  /** Containers that it has left. */
  readonly left: readonly string[];
}

describe('API: examples', function () {
  this.timeout(60_000);
  let examples: readonly ApiExample[];
  let programs: PastedPrograms;

  before(async () => {
    examples = apiExamples();
    programs = await PastedPrograms.start();
  });

  after(() => programs.stop());

  it('Each function and method of the public interface has an example', () => {
    expect(examples).to.have.length.above(80);
    expect(examples.filter(({ code }) => code === '').map(({ name }) => name)).to.deep.equal([]);
  });

  it('Each example runs, prints what it says, and leaves no container', async () => {
    // What a test runner does with tests is nothing for a program that prints.
    const [ofRunner, others] = [true, false].map((wanted) =>
      examples.filter(({ code }) => code.includes("from 'node:test'") === wanted),
    ) as [ApiExample[], ApiExample[]];
    const output = await programs.run('examples', exampleRunner(others));
    const reports = JSON.parse(output.split('\n').at(-2) ?? '') as Report[];
    expect(reports.map(({ name }) => name)).to.deep.equal(others.map(({ name }) => name));
    const wrong = others.flatMap(({ code }, index) => {
      const { name, lines, error = '', left } = reports[index]!;
      const missing = promisedLines(code).filter((line) => !lines.includes(line));
      if (error === '' && missing.length === 0 && left.length === 0) return [];
      return [{ name, error, missing, lines, left }];
    });
    expect(wrong).to.deep.equal([]);
    for (const { name, code } of ofRunner)
      expect(await programs.run(`test-${name}`, code)).to.match(/^. pass 1$/m);
  });

  it('Each example compiles as TypeScript with `module: nodenext`', async () => {
    expect(await programs.compilerErrors(examples.map(typedExample))).to.deep.equal([]);
  });
});
