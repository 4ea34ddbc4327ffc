/** Programs that work for Node: what they get of it, and that no process and no descriptor of them is left. */
import { expect } from 'chai';
import { execFileSync, fork } from 'node:child_process';
import { once } from 'node:events';
import { openSync, closeSync, readdirSync, readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { CaissonError } from '../../lib/base/errors.js';
import { HelperProcess } from '../../lib/native/helper-process.js';
import { LayerStore } from '../support/layer-store.js';
import { eventually } from '../support/outside.js';
import { tarArchive } from '../support/tar-archive.js';

/** Also those that have ended and were not reaped. */
function childrenOf(pid: number): string[] {
  const threads = readdirSync(`/proc/${pid}/task`);
  return threads.flatMap((thread) =>
    readFileSync(`/proc/${pid}/task/${thread}/children`, 'latin1').split(' ').filter(Boolean),
  );
}

/** Of any parent: of one that has ended, they are another's. */
function helpersIn(directory: string): string[] {
  const all = execFileSync('ps', ['-eo', 'pid=,comm=']).toString();
  return [...all.matchAll(/^ *(\d+) +caisson-archiv/gm)]
    .map(([, pid = '']) => pid)
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/mountinfo`, 'latin1').includes(directory);
      } catch {
        return false;
      }
    });
}

const descriptors = () => readdirSync('/proc/self/fd').length;
const endless = () => new Readable({ read: () => undefined });

/** These programs close their output before they end. */
async function closed(stream: Socket | undefined): Promise<void> {
  expect(await text(stream!)).to.equal('');
}

/** Waits for sockets and files that are being closed. */
const nothingLeft = (before: number) =>
  eventually(() => {
    expect(childrenOf(process.pid)).to.deep.equal([]);
    expect(descriptors()).to.equal(before);
  });

describe('A program that works for Node', () => {
  let store: LayerStore;
  let before: number;
  beforeEach(async () => {
    store = await LayerStore.make();
    await store.unpack(tarArchive({ name: 'first', data: 'x' }));
    await eventually(() => expect(childrenOf(process.pid)).to.deep.equal([]));
    before = descriptors();
  });
  afterEach(() => store.remove());

  it('It has the descriptors that it was given, under their numbers, an empty environment, and no other', async () => {
    const directory = openSync('/', 'r');
    const files = ['in', 'out', undefined, undefined, directory, 'both'] as const;
    const helper = new HelperProcess('/bin/ls', ['-l', '/proc/self/fd', '/proc/self/environ'], files); // prettier-ignore
    closeSync(directory);
    const [, output] = helper.streams;
    const [shown] = await Promise.all([text(output!), closed(helper.streams[5])]);
    expect(await helper.end()).to.deep.equal({ code: 0, signal: 0 });
    for (const stream of helper.streams) stream?.destroy();
    const numbers = [...shown.matchAll(/ (\d+) -> (\S+)/g)].map(([, fd, to = '']) => `${fd} ${to.replace(/:.*/, '')}`); // prettier-ignore
    // The last one is that of the directory that it lists.
    const own = numbers.findIndex((line) => line.includes('/proc/'));
    numbers.splice(own, 1);
    expect(numbers).to.deep.equal(['0 socket', '1 socket', '2 /dev/null', '4 /', '5 socket']);
    await nothingLeft(before);
  });

  it('Descriptors that have the numbers of others arrive in their places', async () => {
    const two = [openSync('/etc/hostname', 'r'), openSync('/etc/passwd', 'r')] as const;
    const helper = new HelperProcess('/bin/cat', ['/proc/self/fd/4', '/proc/self/fd/3'], [
      2,
      'out',
      0,
      two[1],
      two[0],
      'out',
    ]); // prettier-ignore
    const [shown] = await Promise.all([text(helper.streams[1]!), closed(helper.streams[5])]);
    expect((await helper.end()).code).to.equal(0);
    for (const fd of two) closeSync(fd);
    expect(shown).to.equal(
      readFileSync('/etc/hostname', 'utf8') + readFileSync('/etc/passwd', 'utf8'),
    );
    await nothingLeft(before);
  });

  it('One that cannot be run is ERR_NATIVE_LOAD, and leaves nothing', async () => {
    for (const [program, errno] of [['/none', 'ENOENT'], ['/etc', 'EACCES']] as const) {
      let error: unknown;
      try {
        new HelperProcess(program, [], ['in', 'out', 'both']);
      } catch (caught) {
        error = caught;
      }
      expect(error).to.be.instanceOf(CaissonError);
      expect(error).to.include({ code: 'ERR_NATIVE_LOAD', errno, syscall: 'execveat' });
    } // prettier-ignore
    await nothingLeft(before);
  });

  it('One that says it has ended and goes on is killed', async () => {
    const helper = new HelperProcess('/bin/sleep', ['1000'], []);
    expect(await helper.end()).to.deep.equal({ code: -1, signal: 9 });
    await nothingLeft(before);
  });

  it('One that is lost is killed', async () => {
    const { gc } = globalThis;
    (() => new HelperProcess('/bin/sleep', ['1000'], []))();
    expect(childrenOf(process.pid)).to.have.lengthOf(1);
    await eventually(() => {
      if (gc === undefined) for (let i = 0; i < 100; ++i) new Array(100_000).fill(0);
      else gc();
      expect(childrenOf(process.pid)).to.deep.equal([]);
    });
  });

  it('Nothing is left of layers that are unpacked, refused and aborted at once', async () => {
    const archive = tarArchive({ name: 'a', data: 'x' });
    const work = Array.from({ length: 24 }, async (_, at) => {
      if (at % 3 === 0) return store.unpack(tarArchive({ name: `a${at}`, data: 'x' }));
      if (at % 3 === 1) return store.unpack(archive.subarray(0, 700));
      const soon = AbortSignal.timeout(at * 5);
      return store.unpack(archive, { input: endless(), signal: soon });
    });
    const results = await Promise.allSettled(work);
    for (const [at, result] of results.entries()) {
      if (at % 3 === 0) expect(result.status).to.equal('fulfilled');
      else if (at % 3 === 1)
        expect(result).to.have.nested.property('reason.code', 'ERR_INVALID_LAYER'); // prettier-ignore
      else expect(result).to.have.nested.property('reason.name', 'TimeoutError');
    }
    // Each was waited for.
    expect(childrenOf(process.pid)).to.deep.equal([]);
    await nothingLeft(before);
  });

  it('Nothing is left of layers whose process is killed', async () => {
    const work = Array.from({ length: 6 }, () => store.unpack(Buffer.of(), { input: endless() }));
    const settled = Promise.allSettled(work);
    const inner = await eventually(() => {
      const found = childrenOf(process.pid).flatMap((pid) => childrenOf(Number(pid)));
      expect(found).to.have.lengthOf(6);
      return found;
    });
    const outer = childrenOf(process.pid);
    for (const pid of [...outer.slice(0, 3), ...inner.slice(3)]) process.kill(Number(pid), 'SIGKILL'); // prettier-ignore
    for (const result of await settled)
      expect(result).to.have.nested.property('reason.code', 'ERR_UNPACK_FAILED');
    expect(childrenOf(process.pid)).to.deep.equal([]);
    expect(helpersIn(store.directory)).to.deep.equal([]);
    await nothingLeft(before);
  });

  it('A worker that is terminated leaves nothing, and neither does a process that is killed', async () => {
    const program = fileURLToPath(new URL('fixtures/unpack-in-worker.js', import.meta.url));
    for (const end of ['terminate', 'kill'] as const) {
      const child = fork(program, [store.directory]);
      const pid = child.pid!;
      const exited = once(child, 'exit');
      await eventually(() => expect(helpersIn(store.directory)).to.have.length.of.at.least(4));
      if (end === 'terminate') {
        child.send('terminate');
        expect((await once(child, 'message'))[0]).to.equal('terminated');
        await eventually(() => expect(childrenOf(pid)).to.deep.equal([]));
        const files = readdirSync(`/proc/${pid}/fd`).length;
        expect(files).to.be.lessThan(40);
      }
      child.kill('SIGKILL');
      await exited;
      await eventually(() => expect(helpersIn(store.directory)).to.deep.equal([]));
    }
  });
});
