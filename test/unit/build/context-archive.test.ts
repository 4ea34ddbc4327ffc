/** Archives that builds make and change, as GNU tar reads and writes them. */
import { expect } from 'chai';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { type ArchiveChange, changeArchive } from '../../../lib/build/archive-filter.js';
import { type ArchiveEntry, contextArchive } from '../../../lib/build/context-archive.js';
import { setUpFreshDirectory } from '../../support/fresh-directory.js';
import { rejectionOf } from '../../support/rejection.js';

describe('Archives of a build', () => {
  let root: string;
  setUpFreshDirectory((path) => (root = path));

  const all = async (parts: AsyncIterable<Buffer>) => {
    const found: Buffer[] = [];
    for await (const part of parts) found.push(Buffer.from(part));
    return Buffer.concat(found);
  };
  const list = (archive: Buffer) =>
    execFileSync('tar', ['--numeric-owner', '--utc', '--full-time', '-tvf', '-'], { input: archive, encoding: 'utf8', env: { ...process.env, LC_ALL: 'C.UTF-8' } }).trim().split('\n').map((line) => line.replace(/ +/g, ' ')); // prettier-ignore
  const entry = (name: string, more: Partial<ArchiveEntry> = {}): ArchiveEntry => ({
    name,
    type: 'file',
    mode: 0o644,
    uid: 0,
    gid: 0,
    mtime: 1e12,
    target: '',
    content: Buffer.from('x'),
    ...more,
  });
  const LONG = 'é/'.repeat(80) + 'end';

  it('Have what GNU tar reads: owners, modes, times, long names and links', async () => {
    const file = join(root, 'file');
    writeFileSync(file, 'content');
    const archive = await all(
      contextArchive([
        entry('d', { type: 'directory', mode: 0o750, uid: 1, gid: 2, content: undefined }),
        entry('d/f', { content: { path: file, size: 7 }, mtime: 1_000_000_000_500 }),
        entry(LONG, { uid: 3_000_000_000, mode: 0o4755 }),
        entry('l', { type: 'link', mode: 0o777, target: `/${LONG}`, content: undefined }),
      ]),
    );
    expect(list(archive).map((line) => line.replace('2001-09-09 ', ''))).to.deep.equal([
      'drwxr-x--- 1/2 0 01:46:40 d/',
      '-rw-r--r-- 0/0 7 01:46:40.5 d/f',
      `-rwsr-xr-x 3000000000/0 1 01:46:40 ${quoted(LONG)}`,
      `lrwxrwxrwx 0/0 0 01:46:40 l -> ${quoted(`/${LONG}`)}`,
    ]);
    expect(execFileSync('tar', ['-xOf', '-', 'd/f'], { input: archive }).toString()).to.equal('content'); // prettier-ignore
  });

  it('Fail when a file becomes shorter while it is read', async () => {
    const file = join(root, 'file');
    writeFileSync(file, '1');
    const archive = all(contextArchive([entry('f', { content: { path: file, size: 2 } })]));
    expect(await rejectionOf(archive)).to.include({ code: 'ERR_STORAGE', path: file });
  });

  const changed = (archive: Buffer, change: ArchiveChange, size = 7000) => {
    const parts = Array.from({ length: Math.ceil(archive.length / size) }, (_, i) => archive.subarray(i * size, (i + 1) * size)); // prettier-ignore
    return all(changeArchive(Readable.from(parts), change));
  };

  for (const format of ['pax', 'gnu', 'ustar']) {
    it(`Of the format ${format} get other owners and modes, and lose entries`, async () => {
      mkdirSync(join(root, 'd'));
      writeFileSync(join(root, 'd/keep'), 'k'.repeat(3000));
      writeFileSync(join(root, 'd/drop'), 'x');
      const long = format === 'ustar' ? 'd/s' : `d/${'n'.repeat(120)}`;
      writeFileSync(join(root, long), 'l');
      symlinkSync('keep', join(root, 'd/link'));
      const archive = execFileSync('tar', ['-C', root, `--format=${format}`, '--sort=name', '-cf', '-', 'd']); // prettier-ignore
      for (const size of [1, 513, 7000]) {
        const change = { owner: { uid: 5, gid: 3_000_000_000 }, mode: 0o600, keep: (path: string) => path !== 'd/drop' }; // prettier-ignore
        const made = await changed(archive, change, size);
        const lines = list(made).map((line) => line.replace(/ \d{4}-\d\d-\d\d [\d:.]+/, ''));
        expect(lines.sort()).to.deep.equal(
          [
            'drw------- 5/3000000000 0 d/',
            '-rw------- 5/3000000000 3000 d/keep',
            'lrwxrwxrwx 5/3000000000 0 d/link -> keep',
            `-rw------- 5/3000000000 1 ${long}`,
          ].sort(),
        );
        expect(execFileSync('tar', ['-xOf', '-', 'd/keep'], { input: made })).to.deep.equal(readFileSync(join(root, 'd/keep'))); // prettier-ignore
      }
    });
  }

  it('That are damaged are refused', async () => {
    const archive = await all(contextArchive([entry('f')]));
    const damaged = async (bytes: Buffer) => (await rejectionOf(changed(bytes, {}))).code;
    expect(await damaged(archive.subarray(0, 700))).to.equal('ERR_INVALID_ARCHIVE');
    expect(await damaged(Buffer.alloc(1024, 'x'))).to.equal('ERR_INVALID_ARCHIVE');
    const huge = Buffer.from(archive);
    huge.write('x', 156);
    huge.write('77777777777', 124);
    expect(await damaged(huge)).to.equal('ERR_INVALID_ARCHIVE');
  });
});

/** GNU tar's, of names that have bytes it does not print. */
function quoted(name: string): string {
  return name;
}
