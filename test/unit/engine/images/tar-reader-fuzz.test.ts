/** The reader of the archives of load, with archives of real tools and of every structure, whole and damaged. */
import { expect } from 'chai';
import fc from 'fast-check';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { CaissonError } from '../../../../lib/base/errors.js';
import { readTar, type TarEntry } from '../../../../lib/engine/images/tar-reader.js';
import { sampleSize } from '../../../support/sample.js';
import {
  archiveOf,
  gnuBlock,
  paxBlock,
  tarBlock,
  withChecksums,
} from '../../../support/tar-blocks.js';

/** In pieces of any size; what it has given, and whether it was closed. */
class Source implements AsyncIterable<Buffer> {
  given = 0;
  closed = false;

  constructor(
    private readonly bytes: Buffer,
    private readonly size: number,
  ) {}

  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer> {
    try {
      for (; this.given < this.bytes.length; this.given += this.size)
        yield await Promise.resolve(this.bytes.subarray(this.given, this.given + this.size));
    } finally {
      this.closed = true;
    }
  }
}

type Read = Pick<TarEntry, 'name' | 'type' | 'target' | 'size'> & { readonly content: string };

/** Bodies of every other entry are not read. */
async function readAll(source: Source, every = 1): Promise<Read[]> {
  const entries: Read[] = [];
  for await (const { name, type, target, size, body } of readTar(source)) {
    const parts: Buffer[] = [];
    if (entries.length % every === 0) for await (const part of body) parts.push(part);
    const content = Buffer.concat(parts).toString('latin1');
    entries.push({ name, type, target, size, content });
  }
  return entries;
}

/** What holds of any bytes. */
async function check(bytes: Buffer, size: number): Promise<void> {
  const source = new Source(bytes, size);
  try {
    const entries = await readAll(source, 2);
    let total = 0;
    for (const { name, type, target, size: length, content } of entries) {
      expect(name).to.not.match(/^\/|(?:^|\/)\.\.(?:\/|$)|\0/);
      expect(name.length).to.be.at.most(4096);
      expect(target.length).to.be.at.most(4096);
      expect(type === 'file' || length === 0).to.equal(true);
      total += content.length;
    }
    expect(total).to.be.at.most(bytes.length);
  } catch (error) {
    if (!(error instanceof CaissonError)) throw error;
    expect(error.code).to.equal('ERR_INVALID_IMAGE');
    expect(error.message.length).to.be.lessThan(1000);
  }
  expect(source.closed).to.equal(true);
}

const part = fc.stringMatching(/^[a-zA-Z0-9 ._é😀-]{1,40}$/u).filter((text) => !/^\.+$/.test(text));
const path = fc.array(part, { minLength: 1, maxLength: 6 }).map((parts) => parts.join('/'));
const content = fc.uint8Array({ maxLength: 1500 }).map((bytes) => Buffer.from(bytes));

/** One entry, in one of the ways in which it can be written. */
const entry = fc
  .record({
    name: path,
    target: path,
    content,
    type: fc.constantFrom('file', 'symlink', 'hardlink'),
    form: fc.constantFrom('pax', 'gnu'),
    sizeIn: fc.constantFrom('octal', 'base256', 'pax'),
  })
  .map(({ name, target, content: body, type, form, sizeIn }) => {
    const isFile = type === 'file';
    const leadsTo = isFile ? '' : target;
    const records: [string, string][] = [['comment', 'x']];
    const blocks: Buffer[] = [];
    if (form === 'pax')
      records.push(['path', name], ...(isFile ? [] : [['linkpath', target] as [string, string]])); // prettier-ignore
    else blocks.push(gnuBlock('L', name), ...(isFile ? [] : [gnuBlock('K', target)]));
    const binary = Buffer.alloc(12);
    binary[0] = 0x80;
    binary.writeUInt32BE(body.length, 8);
    if (isFile && sizeIn === 'pax') records.push(['size', String(body.length)]);
    const sizes = { octal: undefined, base256: binary.toString('latin1'), pax: '00000000000\0' };
    const own = tarBlock({
      name: 'in the header',
      target: 'in the header',
      type: { file: '0', symlink: '2', hardlink: '1' }[type] ?? '0',
      ...(isFile ? { content: body, size: sizes[sizeIn] ?? undefined } : {}),
    } as Parameters<typeof tarBlock>[0]);
    return {
      bytes: Buffer.concat([...blocks, paxBlock(records), own]),
      read: {
        name,
        type,
        target: isFile ? 'in the header' : leadsTo,
        size: isFile ? body.length : 0,
        content: isFile ? body.toString('latin1') : '',
      },
    };
  });

/** What is done to an archive. */
const damage = fc.oneof(
  fc.record({ kind: fc.constant('set' as const), at: fc.nat(), value: fc.nat(255) }),
  fc.record({ kind: fc.constant('cut' as const), at: fc.nat(), value: fc.nat(600) }),
  fc.record({ kind: fc.constant('end' as const), at: fc.nat(), value: fc.nat() }),
  fc.record({ kind: fc.constant('twice' as const), at: fc.nat(), value: fc.nat(3) }),
  fc.record({
    kind: fc.constant('text' as const),
    at: fc.nat(),
    value: fc.constantFrom('../', '\0', '77777777777', '\x80\0\0\0\0\xff', '9999999 path=x\n', 'GNU.sparse.major', ' size=-1\n', 'x', 'L', 'K', 'g', 'S'), // prettier-ignore
  }),
);

function damaged(
  archive: Buffer,
  changes: readonly (typeof damage extends fc.Arbitrary<infer T> ? T : never)[],
): Buffer {
  // prettier-ignore
  let bytes = Buffer.from(archive);
  for (const change of changes) {
    const at = change.at % (bytes.length + 1);
    if (change.kind === 'set') bytes[at % bytes.length] = change.value;
    else if (change.kind === 'cut')
      bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + change.value)]); // prettier-ignore
    else if (change.kind === 'end') bytes = bytes.subarray(0, at);
    else if (change.kind === 'text') bytes.write(change.value, at, 'latin1');
    else {
      const block = at - (at % 512);
      const piece = bytes.subarray(block, block + 512 * (1 + change.value));
      bytes = Buffer.concat([bytes.subarray(0, block), piece, bytes.subarray(block)]);
    }
  }
  return bytes;
}

const changes = fc.array(damage, { minLength: 1, maxLength: 5 });
const pieces = fc.integer({ min: 1, max: 3000 });

describe('The reader of the archives of load, with any bytes', function () {
  this.timeout(60_000);
  const directory = mkdtempSync(join(tmpdir(), 'caisson-test-'));
  after(() => rmSync(directory, { recursive: true, force: true }));

  it('What was written in any form is read as it was, in pieces of any size', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(entry, { maxLength: 6 }), pieces, async (entries, size) => {
        const source = new Source(archiveOf(...entries.map(({ bytes }) => bytes)), size);
        expect(await readAll(source)).to.deep.equal(entries.map(({ read }) => read));
        expect(source.closed).to.equal(true);
      }),
      { numRuns: sampleSize(1000) },
    );
  });

  it('Damaged archives end in entries that are safe, or in one kind of error, and the source is closed', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(entry, { minLength: 1, maxLength: 4 }),
        changes,
        pieces,
        fc.boolean(),
        async (entries, how, size, isChecked) => {
          const bytes = damaged(archiveOf(...entries.map((each) => each.bytes)), how);
          await check(isChecked ? withChecksums(bytes) : bytes, size);
        },
      ),
      { numRuns: sampleSize(5000) },
    );
  });

  for (const format of ['v7', 'ustar', 'gnu', 'pax', 'oldgnu'] as const)
    it(`So do damaged archives that tar has written in the format ${format}`, async () => {
      const root = join(directory, format);
      const long = format === 'v7' || format === 'ustar' ? 'd/file' : `${'d'.repeat(90)}/${'é'.repeat(60)}`; // prettier-ignore
      mkdirSync(dirname(join(root, long)), { recursive: true });
      writeFileSync(join(root, long), 'text');
      writeFileSync(join(root, 'a'), 'x'.repeat(700));
      symlinkSync(long.slice(0, 100), join(root, 'link'));
      execFileSync('ln', [join(root, 'a'), join(root, 'hard')]);
      execFileSync('truncate', ['-s', '40K', join(root, 'sparse')]);
      const sparse = format === 'v7' || format === 'ustar' ? [] : ['-S'];
      const args = ['-C', root, `--format=${format}`, ...sparse, '--sort=name', '-cf', '-', '.'];
      const archive = execFileSync('tar', args, { maxBuffer: 1 << 26 });
      await check(archive, 512);
      await fc.assert(
        fc.asyncProperty(changes, fc.integer({ min: 100, max: 9000 }), async (how, size) => {
          await check(withChecksums(damaged(archive, how)), size);
        }),
        { numRuns: sampleSize(500) },
      );
    });

  it('Nothing that an archive says makes it wait or keep more than it has', async () => {
    const name = 'n'.repeat(100);
    const endless = [
      // More bytes than there are.
      tarBlock({ name, type: '0', size: '77777777777\0' }),
      tarBlock({ name, type: 'x', size: '00004000000\0' }),
      tarBlock({ name, type: 'L', size: '00003777777\0' }),
      tarBlock({ name, type: '0', size: '\x80\0\0\0\0\x1f\xff\xff\xff\xff\xff\xff' }),
      tarBlock({ name, type: '0', size: '\x80\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff' }),
      tarBlock({ name, type: '0', size: '-0000000001\0' }),
      // Longer than a path can be.
      Buffer.concat([gnuBlock('K', 't'.repeat(5000)), tarBlock({ name, type: '2' })]),
      Buffer.concat([gnuBlock('L', 't'.repeat(5000)), tarBlock({ name, type: '0' })]),
      Buffer.concat([paxBlock([['path', 'x'.repeat(900_000)]]), tarBlock({ name, type: '0' })]),
      tarBlock({ name, type: 'x', content: Buffer.alloc(100_000, '9') }),
      tarBlock({ name, type: 'x', content: Buffer.alloc(100_000, ' ') }),
      // More entries than an image can have.
      Buffer.concat(Array.from({ length: 50_001 }, () => tarBlock({ name, type: '5' }))),
      Buffer.concat(Array.from({ length: 50_001 }, () => gnuBlock('L', 'x'))),
    ];
    for (const [index, bytes] of endless.entries()) {
      const source = new Source(bytes, 1 << 16);
      const error = await readAll(source).then(
        () => expect.fail(`archive ${index} was read`),
        (reason: unknown) => reason,
      );
      expect(error, String(index)).to.have.property('code', 'ERR_INVALID_IMAGE');
      expect(source.closed, String(index)).to.equal(true);
    }
  });

  it('A caller that stops after an entry closes the source', async () => {
    const source = new Source(archiveOf(tarBlock({ name: 'a', type: '0' })), 100);
    for await (const { name } of readTar(source)) {
      expect(name).to.equal('a');
      break;
    }
    expect(source.closed).to.equal(true);
  });
});
