/** The process that unpacks: what it may do, how much memory it has, and what is left when it or its caller is killed. */
import { expect } from 'chai';
import { type ChildProcess, execFileSync, fork } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { ContentStore } from '../../lib/image/content/content-store.js';
import { LayerStore } from '../support/layer-store.js';
import { eventually } from '../support/outside.js';
import { TAR_END, tarArchive, tarEntry, tarHeader } from '../support/tar-archive.js';

const MIB = 2 ** 20;

/** The confined one is the child of the one that its caller has started. */
function helpersOf(parent: number): number[] {
  const text = execFileSync('ps', ['-eo', 'pid=,ppid=,comm=']).toString();
  const all = [...text.matchAll(/^ *(\d+) +(\d+) +(caisson-archiv.*)$/gm)];
  const childrenOf = (of: number): number[] =>
    all.filter(([, , ppid]) => Number(ppid) === of).map(([, pid]) => Number(pid));
  const outer = childrenOf(parent);
  return [...outer, ...outer.flatMap(childrenOf)];
}

/** A stream that has given the bytes, and gives no more until it is told to. */
function stalled(...chunks: readonly Buffer[]): Readable {
  const stream = new Readable({ read: () => undefined });
  for (const chunk of chunks) stream.push(chunk);
  return stream;
}

const status = (pid: number, key: string): string =>
  new RegExp(`^${key}:\\s*(.*)$`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1] ??
  '';

describe('The process that unpacks a layer', () => {
  let store: LayerStore;
  beforeEach(async () => {
    store = await LayerStore.make();
  });
  afterEach(() => store.remove());

  it('It has a filter, few capabilities, no network, no other files, and the layer as its root', async () => {
    // More than what it reads before it writes.
    const input = stalled(tarEntry({ name: 'a', data: 'x'.repeat(MIB) }));
    const controller = new AbortController();
    const unpacking = store.unpack(TAR_END, { input, signal: controller.signal });
    unpacking.catch(() => undefined);
    try {
      const inner = await eventually(() => {
        const pid = helpersOf(process.pid)[1];
        if (pid === undefined || status(pid, 'Seccomp') !== '2') throw new Error('not yet');
        if (readdirSync(`/proc/${pid}/root`).length === 0) throw new Error('not yet');
        return pid;
      });
      expect(status(inner, 'NoNewPrivs')).to.equal('1');
      // CHOWN, DAC_OVERRIDE, FOWNER, FSETID, MKNOD, SETFCAP.
      const most = (1n << 0n) | (1n << 1n) | (1n << 3n) | (1n << 4n) | (1n << 27n) | (1n << 31n);
      for (const set of ['CapPrm', 'CapEff', 'CapBnd'])
        expect(BigInt(`0x${status(inner, set)}`) & ~most, set).to.equal(0n);
      expect(status(inner, 'CapInh')).to.match(/^0+$/);
      // Node ignores SIGPIPE.
      for (const set of ['SigIgn', 'SigBlk']) expect(status(inner, set), set).to.match(/^0+$/);
      for (const name of ['net', 'pid', 'mnt', 'ipc', 'uts']) {
        const own = execFileSync('readlink', [`/proc/${process.pid}/ns/${name}`]).toString();
        const its = execFileSync('readlink', [`/proc/${inner}/ns/${name}`]).toString();
        expect(its, name).not.to.equal(own);
      }
      expect(readdirSync(`/proc/${inner}/root`)).to.deep.equal(['a']);
      const mounts = readFileSync(`/proc/${inner}/mountinfo`, 'latin1').trim().split('\n');
      expect(mounts).to.have.lengthOf(1);
      expect(mounts[0]).to.match(/nosuid,nodev,noexec/);
      const files = readdirSync(`/proc/${inner}/fd`).map(Number);
      expect(files.filter((fd) => fd <= 2)).to.have.lengthOf(3);
      // Its root, the directory of the entry, and the file that it writes.
      expect(files.length).to.be.lessThan(7);
    } finally {
      controller.abort();
      await unpacking.catch(() => undefined);
    }
  });

  it('An abort ends it, and nothing is left', async () => {
    const controller = new AbortController();
    const input = stalled(tarEntry({ name: 'a', data: 'x'.repeat(100_000) }));
    const unpacking = store.unpack(TAR_END, { input, signal: controller.signal });
    await eventually(() => {
      if (helpersOf(process.pid).length < 2) throw new Error('not yet');
    });
    controller.abort(new Error('enough'));
    let error: unknown;
    await unpacking.catch((caught: unknown) => (error = caught));
    expect(error).to.have.property('message', 'enough');
    expect(input.destroyed).to.equal(true);
    expect(store.names()).to.deep.equal({ layers: [], ingest: [] });
    await eventually(() => {
      expect(helpersOf(process.pid)).to.deep.equal([]);
    });
  });

  it('An input that fails is the error, and nothing is left', async () => {
    const input = stalled(tarEntry({ name: 'a', data: 'x' }));
    const unpacking = store.unpack(TAR_END, { input });
    setTimeout(() => input.destroy(new Error('the connection was lost')), 50);
    let error: unknown;
    await unpacking.catch((caught: unknown) => (error = caught));
    expect(error).to.have.property('message', 'the connection was lost');
    expect(store.names()).to.deep.equal({ layers: [], ingest: [] });
  });

  it('A helper that is killed is an error, and nothing is left', async () => {
    for (const which of [0, 1]) {
      const input = stalled(tarEntry({ name: 'a', data: 'x' }));
      const unpacking = store.unpack(TAR_END, { input });
      unpacking.catch(() => undefined);
      const pid = await eventually(() => {
        const found = helpersOf(process.pid);
        if (found.length < 2) throw new Error('not yet');
        return found[which]!;
      });
      process.kill(pid, 'SIGKILL');
      let error: unknown;
      await unpacking.catch((caught: unknown) => (error = caught));
      expect(error).to.have.property('code', 'ERR_UNPACK_FAILED');
      expect(store.names()).to.deep.equal({ layers: [], ingest: [] });
    }
  });

  it('It needs less than 64 MiB for a layer of any size', async function () {
    this.timeout(60_000);
    const zeros = gzipSync(Buffer.alloc(16 * MIB));
    const size = 256 * MIB;
    const input = stalled(gzipSync(tarHeader({ name: 'large', size })));
    for (let i = 0; i < size / (16 * MIB); ++i) input.push(zeros);
    // Until its memory was read, it waits for the end.
    const controller = new AbortController();
    const { signal } = controller;
    const unpacking = store.unpack(TAR_END, { input, limits: { ratio: 2000 }, signal });
    unpacking.catch(() => undefined);
    try {
      await eventually(() => {
        const name = readdirSync(store.paths.ingest).find((one) => one.startsWith('unpack-'));
        const { size: written } = statSync(`${store.paths.ingest}/${name}/root/large`);
        if (written < size - MIB) throw new Error(`${written} bytes`);
      }, 50_000);
      const helpers = helpersOf(process.pid);
      expect(helpers).to.have.lengthOf(2);
      for (const pid of helpers)
        expect(parseInt(status(pid, 'VmHWM'), 10), 'KiB').to.be.lessThan(64 * 1024);
      input.push(gzipSync(TAR_END));
      input.push(null);
      expect((await unpacking).size).to.equal(size);
    } finally {
      controller.abort();
      await unpacking.catch(() => undefined);
    }
  });

  it('When Node is killed at any moment, only temporary names are left, and the next try and a collection mend it', async function () {
    this.timeout(60_000);
    const archive = tarArchive(
      ...Array.from({ length: 400 }, (_, i) => ({
        name: `d${i % 20}/f${i}`,
        data: 'x'.repeat(i * 10),
      })),
    );
    const program = fileURLToPath(new URL('fixtures/unpack-archive.js', import.meta.url));
    for (let i = 0; i < 12; ++i) {
      const child: ChildProcess = fork(program, [store.directory], { stdio: 'ignore', serialization: 'advanced' }); // prettier-ignore
      const exited = once(child, 'exit');
      child.send(archive);
      await once(child, 'message');
      // The moments at which it is killed.
      await sleep(i * 4);
      child.kill('SIGKILL');
      await exited;
      for (const name of store.names().layers) {
        expect(readdirSync(`${store.paths.layers}/${name}`).sort()).to.deep.equal([
          'layer.json',
          'root',
        ]);
      }
      for (const name of store.names().ingest) expect(name).to.match(/^(unpack|layer)-/);
    }
    const { files } = await store.unpack(archive);
    expect(files).to.equal(400);
    await new ContentStore(store.directory).collect();
    expect(store.names().ingest).to.deep.equal([]);
  });

  it('A collection leaves alone what is being unpacked', async () => {
    const input = stalled(tarEntry({ name: 'a', data: 'x' }));
    const unpacking = store.unpack(TAR_END, { input });
    unpacking.catch(() => undefined);
    await eventually(() => {
      if (helpersOf(process.pid).length < 2) throw new Error('not yet');
    });
    await new ContentStore(store.directory).collect();
    input.push(TAR_END);
    input.push(null);
    expect((await unpacking).files).to.equal(1);
  });
});
