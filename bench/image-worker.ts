/**
 * Pulls images and starts containers of them, in a Node process that the bench asks: `node image-worker.js DIRECTORY ROOT
 * REGISTRY`, then lines "WHAT COUNT SPACING_MS". WHAT is `pull:NAME`, each time into a new store below DIRECTORY; `image:NAME`;
 * `rootfs`; `volume:named`, `volume:bind` or `volume:read-only`.
 */
import { mkdir } from 'node:fs/promises';
import { Engine, rootfs, type RootfsImage, type RunOptions } from '../lib/index.js';
import { serve, type Starter } from './starters.js';

const [directory = '', root = '', registry = ''] = process.argv.slice(2);

const LIMITS = { memory: '64m', cpuShares: 512 };
let serial = 0;

function openEngine(name: string): Promise<Engine> {
  return Engine.open({
    dataRoot: `${directory}/${name}/data`,
    runRoot: `${directory}/${name}/run`,
  });
}

/** Stores stay: to delete one would slow down what makes files after it (image-pulls.ts). */
async function openPulls(image: string): Promise<Starter> {
  const open = () => openEngine(`library-${process.pid}-${serial++}`);
  let engine = await open();
  return {
    start: async () => {
      await engine.images.pull(image);
      return 0;
    },
    after: async () => {
      await engine[Symbol.asyncDispose]();
      engine = await open();
    },
    [Symbol.asyncDispose]: async () => {
      await engine[Symbol.asyncDispose]();
    },
  };
}

async function openStarts(
  image: string | RootfsImage,
  options: RunOptions = {},
  before: (engine: Engine) => Promise<unknown> = () => Promise.resolve(),
): Promise<Starter> {
  const engine = await openEngine('starts');
  await before(engine);
  const all = { ...LIMITS, ...options };
  return {
    start: async () => (await engine.run(image, ['/true'], all)).exitCode,
    [Symbol.asyncDispose]: async () => {
      await engine[Symbol.asyncDispose]();
    },
  };
}

async function openVolume(kind: string): Promise<Starter> {
  const source = `${directory}/bound`;
  await mkdir(source, { recursive: true });
  const text = kind === 'named' ? 'bench' : source;
  const volumes = [`${text}:/volume${kind === 'read-only' ? ':ro' : ''}`];
  return openStarts(rootfs(root), { volumes });
}

await serve((what) => {
  const at = what.indexOf(':');
  const kind = what.slice(0, at < 0 ? undefined : at);
  const name = what.slice(at + 1);
  const image = `${registry}/${name}`;
  switch (kind) {
    case 'pull':
      return openPulls(image);
    case 'image':
      return openStarts(image, {}, (engine) => engine.images.pull(image));
    case 'rootfs':
      return openStarts(rootfs(root));
    case 'volume':
      return openVolume(name);
    default:
      return undefined;
  }
});
