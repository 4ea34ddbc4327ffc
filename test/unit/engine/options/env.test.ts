import { expect } from 'chai';
import { DEFAULT_PATH } from '../../../../lib/base/default-path.js';
import { buildEnvironment, parseEnvFile } from '../../../../lib/engine/options/env.js';
import { expectError } from '../../support/expect-error.js';

const FACTS = { hostname: 'box', home: '/root', terminal: false };

describe('the environment', () => {
  it('The environment has Docker’s variables in Docker’s order', () => {
    expect(buildEnvironment([], [], FACTS)).to.deep.equal([
      `PATH=${DEFAULT_PATH}`,
      'HOSTNAME=box',
      'HOME=/root',
    ]);
    expect(buildEnvironment([], [], { ...FACTS, terminal: true })).to.include('TERM=xterm');
  });

  it('The image’s variables replace them, and the user’s replace those', () => {
    expect(
      buildEnvironment(['PATH=/image', 'A=1', 'HOME=/img'], ['A=2', 'PATH=/user', 'B='], FACTS),
    ).to.deep.equal(['PATH=/user', 'HOSTNAME=box', 'A=2', 'HOME=/img', 'B=']);
  });

  it('Variables can be taken away', () => {
    expect(buildEnvironment(['A=1', 'B=2'], ['A', 'HOSTNAME', 'C'], FACTS)).to.deep.equal([
      `PATH=${DEFAULT_PATH}`,
      'B=2',
      'HOME=/root',
    ]);
  });

  it('The environment has nothing of this process', () => {
    process.env.CAISSON_TEST_LEAK = 'yes';
    try {
      expect(buildEnvironment([], [], FACTS).join()).not.to.include('LEAK');
    } finally {
      delete process.env.CAISSON_TEST_LEAK;
    }
  });
});

describe('env files', () => {
  const parse = (content: string): readonly string[] =>
    parseEnvFile('vars', content, (name) => (name === 'KNOWN' ? 'from caller' : undefined));

  it('An env file is read as Docker’s', () => {
    expect(
      parse(
        '\uFEFF# comment\n\nA=1\n  B=two words \n#C=3\nD="quoted"\nKNOWN\nUNKNOWN\nE=a=b\nF=\r\nG=#x\n',
      ),
    ).to.deep.equal([
      'A=1',
      'B=two words ',
      'D="quoted"',
      'KNOWN=from caller',
      'E=a=b',
      'F=',
      'G=#x',
    ]);
    expect(parse('')).to.deep.equal([]);
    expect(parse('A=last line without an end')).to.deep.equal(['A=last line without an end']);
  });

  it('A line without a name or with a strange one is refused by its number', () => {
    expectError(() => parse('A=1\n=x\n'), 'ERR_INVALID_OPTION', /vars, line 2: no variable name/);
    expectError(() => parse('A B=1'), 'ERR_INVALID_OPTION', /vars, line 1: .*"A B".*white space/);
    expectError(() => parse('A =1'), 'ERR_INVALID_OPTION', /white space/);
    expectError(() => parse('A=\0'), 'ERR_INVALID_OPTION', /NUL/);
  });
});
