import { expect } from 'chai';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readTar } from '../../../../lib/engine/images/tar-reader.js';
import { TAR_END, tarHeader, tarPadding } from '../../../../lib/engine/images/tar-writer.js';
import { rejectionOf } from '../../../support/rejection.js';

async function* pieces(bytes: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size)
    yield await Promise.resolve(bytes.subarray(at, at + size));
}

async function entriesOf(bytes: Buffer, size = 700): Promise<string[]> {
  const found: string[] = [];
  for await (const { name, type, target, body } of readTar(pieces(bytes, size))) {
    const parts: Buffer[] = [];
    if (type === 'file') for await (const part of body) parts.push(part);
    found.push(`${type} ${name} ${target}${Buffer.concat(parts).toString()}`);
  }
  return found;
}

describe('The reader of the archives of load', () => {
  const directory = mkdtempSync(join(tmpdir(), 'caisson-test-'));
  const long = `${'d'.repeat(90)}/${'e'.repeat(120)}`;
  after(() => rmSync(directory, { recursive: true, force: true }));

  for (const format of ['ustar', 'gnu', 'pax', 'oldgnu'] as const) {
    it(`Entries are those that tar has written in the format ${format}`, async () => {
      const root = join(directory, format);
      mkdirSync(join(root, long.slice(0, 90)), { recursive: true });
      writeFileSync(join(root, 'a'), 'x'.repeat(1500));
      writeFileSync(join(root, format === 'ustar' ? 'b' : long), 'text');
      execFileSync('ln', ['-s', 'a', join(root, 'link')]);
      const args = ['-C', root, `--format=${format}`, '--sort=name', '-cf', '-', '.'];
      const found = await entriesOf(execFileSync('tar', args, { maxBuffer: 1 << 24 }), 333);
      expect(found).to.include.members([
        `file a ${'x'.repeat(1500)}`,
        `file ${format === 'ustar' ? 'b' : long} text`,
        'symlink link a',
      ]);
    });
  }

  it('A body that is not read is skipped', async () => {
    const header = tarHeader({ name: 'big', size: 5000 });
    const archive = Buffer.concat([header, Buffer.alloc(5000, 'x'), tarPadding(5000), tarHeader({ name: 'next', size: 0 }), TAR_END]); // prettier-ignore
    const names: string[] = [];
    for await (const { name } of readTar(pieces(archive, 100))) names.push(name);
    expect(names).to.deep.equal(['big', 'next']);
  });

  it('Archives that are damaged at any byte of a header, or cut at any length, end in an error or in entries', async () => {
    const archive = Buffer.concat([tarHeader({ name: 'a', size: 3 }), Buffer.from('abc'), tarPadding(3), TAR_END]); // prettier-ignore
    for (let at = 0; at < 512; at++) {
      if (at === 154 || at === 155) continue; // behind the digits of the checksum
      const damaged = Buffer.from(archive);
      damaged[at] = (damaged[at] ?? 0) ^ 0x41;
      const error = await rejectionOf(entriesOf(damaged));
      expect(error.code).to.equal('ERR_INVALID_IMAGE');
    }
    for (let length = 0; length < archive.length - 512; length += 37)
      expect((await rejectionOf(entriesOf(archive.subarray(0, length)))).message).to.include('ends too early'); // prettier-ignore
  });

  it('Sizes from 8 GiB have a pax header, and what is behind them is not awaited in memory', async () => {
    const archive = tarHeader({ name: 'huge', size: 2 ** 40 });
    const error = await rejectionOf(entriesOf(archive));
    expect(error.message).to.include('ends too early');
    let size = 0;
    try {
      for await (const entry of readTar(pieces(archive, 512))) ({ size } = entry);
    } catch {
      // Its content is missing.
    }
    expect(size).to.equal(2 ** 40);
  });
});
