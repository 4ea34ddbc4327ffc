import { expect } from 'chai';
import {
  assertsDirectory,
  containerPath,
  planCopy,
  splitContainerPath,
  splitEntry,
} from '../../../lib/archive/copy-paths.js';
import { CaissonError } from '../../../lib/base/errors.js';

describe('Paths of a copy', () => {
  it('An argument names a container if it has a colon and is not a path', () => {
    const cases: readonly (readonly [string, string | undefined, string?])[] = [
      ['web:/etc', 'web', '/etc'],
      ['web:etc', 'web', 'etc'],
      ['web:', 'web', ''],
      ['web:/a:b', 'web', '/a:b'],
      [':/a', '', '/a'],
      ['/a:b', undefined],
      ['./web:a', undefined],
      ['../web:a', undefined],
      ['file', undefined],
      ['-', undefined],
    ];
    for (const [argument, container, path] of cases)
      expect(splitContainerPath(argument), argument).to.deep.equal(
        container === undefined ? undefined : { container, path },
      );
  });

  it('Paths in a container are absolute, stay inside, and keep what their end says', () => {
    const cases = [
      ['', '/'],
      ['/', '/'],
      ['.', '/.'],
      ['/.', '/.'],
      ['a', '/a'],
      ['a/', '/a/'],
      ['a//b///', '/a/b/'],
      ['a/.', '/a/.'],
      ['a/./', '/a/.'],
      ['a/..', '/'],
      ['../../etc/passwd', '/etc/passwd'],
      ['/../a/../../b/.', '/b/.'],
      ['/a/..b', '/a/..b'],
    ] as const;
    for (const [path, expected] of cases) expect(containerPath(path), path).to.equal(expected);
  });

  it('A path with a slash or "/." at its end is to be a directory', () => {
    for (const path of ['a/', 'a/.', '.', '/', '/.'])
      expect(assertsDirectory(path), path).to.equal(true);
    for (const path of ['a', '/a/b', 'a/.b', 'a/b.', '/..a'])
      expect(assertsDirectory(path), path).to.equal(false);
  });

  it('The last component of a path is its name, and the content of a directory has none', () => {
    const cases = [
      ['/a/b', '/a', 'b'],
      ['/a/b/', '/a', 'b'],
      ['/a/b/.', '/a/b', '.'],
      ['/', '/', '/'],
      ['/.', '/', '.'],
      ['a', '.', 'a'],
      ['.', '.', '.'],
    ] as const;
    for (const [path, directory, name] of cases)
      expect(splitEntry(path), path).to.deep.equal({ directory, name });
  });

  // The table of Docker's documentation.
  const file = { isDirectory: false, name: 'source' };
  const directory = { isDirectory: true, name: 'source' };
  const content = { isDirectory: true, name: '.' };
  const none = { path: '/d/new', exists: false, isDirectory: false };
  const noDirectory = { path: '/d/new/', exists: false, isDirectory: false };
  const aFile = { path: '/d/file', exists: true, isDirectory: false };
  const aDirectory = { path: '/d/dir', exists: true, isDirectory: true };

  it('A file arrives under the name of the destination, or in the directory that it is', () => {
    expect(planCopy(file, none)).to.deep.equal({ directory: '/d', name: 'new' });
    expect(planCopy(file, aFile)).to.deep.equal({ directory: '/d', name: 'file' });
    expect(planCopy(file, aDirectory)).to.deep.equal({ directory: '/d/dir', name: 'source' });
    expect(() => planCopy(file, noDirectory))
      .to.throw(CaissonError, 'no such directory')
      .with.property('code', 'ERR_NO_SUCH_FILE');
  });

  it('A directory arrives under the name of the destination, or in the directory that it is', () => {
    expect(planCopy(directory, none)).to.deep.equal({ directory: '/d', name: 'new' });
    expect(planCopy(directory, noDirectory)).to.deep.equal({ directory: '/d', name: 'new' });
    expect(planCopy(directory, aDirectory)).to.deep.equal({ directory: '/d/dir', name: 'source' });
    expect(() => planCopy(directory, aFile))
      .to.throw(CaissonError, 'cannot copy directory')
      .with.property('code', 'ERR_FILES_FAILED');
  });

  it('The content of a directory arrives in a directory that is there, or that is made', () => {
    expect(planCopy(content, aDirectory)).to.deep.equal({ directory: '/d/dir', name: '.' });
    expect(planCopy(content, none)).to.deep.equal({ directory: '/d', name: 'new' });
    expect(() => planCopy(content, aFile)).to.throw(CaissonError, 'cannot copy directory');
  });
});
