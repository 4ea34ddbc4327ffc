/** Processes that change the images of a data root, and are killed at any moment of that: what is there is whole, and a second try succeeds. */
import { expect } from 'chai';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { ContentStore } from '../../lib/image/content/content-store.js';
import type { ImageConfig, Engine } from '../../lib/index.js';
import { dockerArchive, layerOf, packDirectory, tarOf } from './archives.js';
import { expectConsistent, leftIn } from './image-store.js';
import { eventually, sleep } from './outside.js';
import { fixture } from './paths.js';

export const KILLED_VERBS = ['load', 'import', 'commit', 'save', 'collect'] as const;
export type KilledVerb = (typeof KILLED_VERBS)[number];

export interface KillGround {
  /** With nothing in its directories but what this makes. */
  readonly engine: Engine;
  readonly dataRoot: string;
  readonly runRoot: string;
  /** For archives. */
  readonly directory: string;
  /** With busybox. */
  readonly rootfs: string;
}

/** Milliseconds: longer than each of the verbs takes once. */
const LONGEST = 400;

/** @param signal ends it with an error */
export async function killImageVerb(
  ground: KillGround,
  verb: KilledVerb,
  kills: number,
  signal?: AbortSignal,
): Promise<void> {
  const { engine, dataRoot, runRoot } = ground;
  const content = new ContentStore(dataRoot);
  const { archive, tree } = makeArchives(ground);
  await engine.images.load(archive);
  const container = await engine.create('killed:1', ['sh', '-c', 'dd if=/dev/zero of=/big bs=1M count=4 2>&1; echo new >/new']); // prettier-ignore
  try {
    expect((await container.startAttached()).exitCode).to.equal(0);
    await engine.images.tag('killed:1', 'kept:1');
    const more = { load: [archive, 'killed:1'], import: [tree], commit: [container.id], save: ['kept:1'], collect: [archive] }[verb]; // prettier-ignore
    for (let kill = 0; kill < kills; kill++) {
      signal?.throwIfAborted();
      const args = [fixture('image-verb'), dataRoot, runRoot, verb, ...more];
      const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
      const ended = once(child, 'exit');
      const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
      expect(((await lines.next()) as { value?: string }).value).to.equal('begun');
      // The moment of the kill.
      await sleep(Math.random() * LONGEST);
      child.kill('SIGKILL');
      await ended;
      expect(child.signalCode, 'it failed before it was killed').to.equal('SIGKILL');
      expectConsistent(content);
      await expectUnpacked(ground, content);
    }
    // Helpers of the killed ones end by themselves.
    await eventually(() => expect(processesIn(dataRoot)).to.deep.equal([]));
    await engine.images.load(archive);
    await (await engine.get(container.id)).commit('committed:1');
    expect((await engine.run('committed:1', ['cat', '/new'], { pull: 'never' })).stdout).to.equal('new\n'); // prettier-ignore
    await engine.images.prune();
    expectConsistent(content);
    expect(leftIn(content)).to.deep.equal([]);
  } finally {
    await container.remove({ force: true });
  }
  await engine.images.prune(['dangling=false']);
  expect(leftIn(content)).to.deep.equal([]);
  expect(readdirSync(content.paths.blobs)).to.deep.equal([]);
  expect(readdirSync(content.paths.layers)).to.deep.equal([]);
  const mounts = readFileSync('/proc/self/mounts', 'utf8').split('\n');
  expect(mounts.filter((line) => line.includes(join(dataRoot, 'images')))).to.deep.equal([]);
}

function makeArchives({ directory, rootfs }: KillGround) {
  const tree = packDirectory(rootfs, join(directory, 'tree.tar'));
  const archive = join(directory, 'killed.tar');
  const layers = [1, 2, 3].map((seed) => layerOf(300_000 * seed, seed).bytes);
  const files = Array.from(
    { length: 300 },
    (_, index) => [`many/file-${index}`, `${index}`] as const,
  );
  writeFileSync(archive, dockerArchive('killed:1', [readFileSync(tree), ...layers, tarOf(files)]));
  return { tree, archive };
}

/** Of every image that has a name: the name is given last. */
async function expectUnpacked({ engine }: KillGround, content: ContentStore): Promise<void> {
  for (const { names, config } of await engine.images.list())
    if (names.length > 0)
      for (const id of (config satisfies ImageConfig).diffIds)
        expect(existsSync(join(content.layerPath(id), 'layer.json')), `${names[0]} ${id}`).to.equal(true); // prettier-ignore
}

/** Whose root, working directory or open files are there; without this process. */
function processesIn(path: string): string[] {
  return readdirSync('/proc').flatMap((pid) => {
    if (!/^\d+$/.test(pid) || Number(pid) === process.pid) return [];
    try {
      const fds = readdirSync(`/proc/${pid}/fd`).map((fd) => `fd/${fd}`);
      const links = ['root', 'cwd', ...fds].map((name) => linkOf(`/proc/${pid}/${name}`));
      if (!links.some((link) => link.startsWith(`${path}/images`))) return [];
      return [`${pid} ${readFileSync(`/proc/${pid}/cmdline`, 'utf8')}`];
    } catch {
      // It has ended.
      return [];
    }
  });
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}
