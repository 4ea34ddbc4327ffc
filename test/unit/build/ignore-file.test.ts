import { expect } from 'chai';
import { IgnoreFile } from '../../../lib/build/ignore-file.js';
import { rejectionOf } from '../../support/rejection.js';

const ignores = (source: string, path: string) => IgnoreFile.parse(source).ignores(path);

describe('A .dockerignore file', () => {
  for (const [source, path, result] of [
    ['a', 'a', true],
    ['a', 'b/a', false],
    ['a', 'a/b/c', true],
    ['/a/', 'a/b', true],
    ['./a/../b', 'b', true],
    ['*', 'a', true],
    ['*/x', 'a/x', true],
    ['*/x', 'a/b/x', false],
    ['**/x', 'x', true],
    ['**/x', 'a/b/x', true],
    ['a/**/x', 'a/x', true],
    ['a/**', 'a', true],
    ['**/*.go', 'a/b.go', true],
    ['a?c', 'abc', true],
    ['a?c', 'a/c', false],
    ['[a-c]1', 'b1', true],
    ['[^a-c]1', 'b1', false],
    ['[^a-c]1', 'd1', true],
    ['a\\*', 'a*', true],
    ['a\\*', 'ab', false],
    ['*\n!a', 'a', false],
    ['*\n!a', 'b', true],
    ['*\n!a/b', 'a/b', false],
    ['*\n!a/b', 'a/c', true],
    ['a\n!a/b\na/b/c', 'a/b/c', true],
    ['a\n!a/b\na/b/c', 'a/b/d', false],
    ['# comment\n\n  a  ', 'a', true],
    ['# a', '# a', false],
    ['.', 'a', false],
    ['ä*', 'äö', true],
  ] as const) {
    it(`With ${JSON.stringify(source)} ${result ? 'leaves out' : 'keeps'} ${path}`, () => {
      expect(ignores(source, path)).to.equal(result);
    });
  }

  it('Says which directories need no look', () => {
    const file = IgnoreFile.parse('*\n!a/b/*.c\n!**/keep/x');
    expect(file.mayHaveIncluded('a')).to.equal(true);
    expect(IgnoreFile.parse('*\n!a/b').mayHaveIncluded('c')).to.equal(false);
    expect(IgnoreFile.parse('*\n!a/b').mayHaveIncluded('a')).to.equal(true);
    expect(IgnoreFile.parse('*').mayHaveIncluded('a')).to.equal(false);
  });

  it('Takes time in proportion to its patterns, whatever they are', () => {
    const pattern = `${'*a'.repeat(500)}b`;
    expect(ignores(pattern, 'a'.repeat(1000))).to.equal(false);
  });

  for (const [source, line] of [
    ['a\n[', 2],
    ['[]', 1],
    ['[a-', 1],
    ['a\\', 1],
    ['!', 1],
  ] as const) {
    it(`Is refused with its line: ${JSON.stringify(source)}`, async () => {
      const error = await rejectionOf(Promise.resolve().then(() => IgnoreFile.parse(source)));
      expect(error.code).to.equal('ERR_INVALID_OPTION');
      expect(error.message).to.include(`.dockerignore:${line}: `);
    });
  }
});
