import { expect } from 'chai';
import {
  chmodSync,
  mkdirSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { BuildContext, digestOf } from '../../../lib/build/build-context.js';
import { setUpFreshDirectory } from '../../support/fresh-directory.js';
import { rejectionOf } from '../../support/rejection.js';

describe('The context of a build', () => {
  let root: string;

  setUpFreshDirectory((path) => (root = path));

  const write = (files: Readonly<Record<string, string>>) => {
    for (const [name, content] of Object.entries(files)) {
      mkdirSync(dirname(join(root, name)), { recursive: true });
      writeFileSync(join(root, name), content);
    }
  };
  const find = async (source: string, exclude: readonly string[] = []) => {
    const context = await BuildContext.open(root);
    return context.find(source, 5, exclude);
  };
  const names = async (source: string, exclude: readonly string[] = []) =>
    (await find(source, exclude)).flatMap(({ entries }) => entries.map(({ name }) => name));

  it('Copies the content of a directory, and a file by its name', async () => {
    write({ 'a/b/c': '1', 'a/d': '22' });
    expect(await names('a')).to.deep.equal(['b', 'b/c', 'd']);
    expect(await names('/a/./d')).to.deep.equal(['d']);
    expect(await names('.')).to.deep.equal(['a', 'a/b', 'a/b/c', 'a/d']);
    expect(await names('../../a/d')).to.deep.equal(['d']);
    const [source] = await find('a/d');
    expect(source!.entries[0]).to.deep.include({ type: 'file', size: 2 });
  });

  it('Copies all that fit a pattern', async () => {
    write({ 'x1.c': '', 'x2.c': '', 'y.c': '', 'd/x3.c': '', 'x4.h': '' });
    expect(await names('x?.c')).to.deep.equal(['x1.c', 'x2.c']);
    expect(await names('*/x3.c')).to.deep.equal(['x3.c']);
  });

  it('Leaves out what .dockerignore and --exclude say', async () => {
    write({ '.dockerignore': 'b\n*.o\n!keep.o', 'a': '', 'b/c': '', 'x.o': '', 'keep.o': '', 'd/e': '' });
    expect(await names('.')).to.deep.equal(['.dockerignore', 'a', 'd', 'd/e', 'keep.o']);
    expect(await names('.', ['d', '.*'])).to.deep.equal(['a', 'keep.o']);
    const error = await rejectionOf(find('b'));
    expect(error.code).to.equal('ERR_INVALID_DOCKERFILE');
    expect(error.message).to.equal(
      'Dockerfile:5: "/b" is not in the build context (a pattern of .dockerignore leaves it out)',
    );
  });

  it('Keeps a directory that is left out for what is in it', async () => {
    write({ '.dockerignore': '*\n!a/b', 'a/b': '', 'a/c': '', 'd/e': '' });
    expect(await names('.')).to.deep.equal(['a', 'a/b']);
  });

  it('Follows links of the source inside the context, and copies all others', async () => {
    write({ 'a/b': '1' });
    symlinkSync('/a', join(root, 'link'));
    symlinkSync('../../../etc', join(root, 'out'));
    symlinkSync('/etc/passwd', join(root, 'a/away'));
    expect(await names('link')).to.deep.equal(['away', 'b']);
    const [source] = await find('a');
    expect(source!.entries[0]).to.deep.include({ type: 'link', target: '/etc/passwd' });
    expect((await rejectionOf(find('out'))).message).to.include('is not in the build context');
    symlinkSync('loop', join(root, 'loop'));
    expect((await rejectionOf(find('loop'))).message).to.include('too many links');
  });

  it('Has the same digest for the same files, whatever their times', async () => {
    write({ 'a/b': '1', 'c': '2' });
    const before = await digestOf(await find('.'));
    utimesSync(join(root, 'a/b'), 1, 1);
    expect(await digestOf(await find('.'))).to.equal(before);
    chmodSync(join(root, 'c'), 0o700);
    const changed = await digestOf(await find('.'));
    expect(changed).not.to.equal(before);
    writeFileSync(join(root, 'a/b'), '3');
    expect(await digestOf(await find('.'))).not.to.equal(changed);
  });

  it('Is a directory', async () => {
    const error = await rejectionOf(BuildContext.open(join(root, 'missing')));
    expect(error.code).to.equal('ERR_INVALID_OPTION');
  });
});
