/** Opens pools, and is killed: `killed-pool.js ROOT DATA_ROOT RUN_ROOT MOMENT`; prints the ids of the containers that it has had so far. */
import { readdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Engine } from '../../../lib/engine/engine.js';
import { rootfs } from '../../../lib/image/rootfs.js';

const [root = '', dataRoot = '', runRoot = '', moment = ''] = process.argv.slice(2);

const engine = await Engine.open({ dataRoot, runRoot });
const image = rootfs(root);
const script = 'echo ready; cat >/dev/null; sleep 1000';
const tell = (): void => {
  const ids = readdirSync(`${dataRoot}/containers`);
  process.stdout.write(`${JSON.stringify({ ids })}\n`);
  process.kill(process.pid, 'SIGKILL');
};
if (moment === 'filling') setTimeout(tell, 15); // while the first containers are being made
const parked = await engine.pool(image, ['sleep', '1000'], {}, { size: 3 });
const warm = await engine.pool(
  image,
  ['sh', '-c', script],
  {},
  { size: 2, ready: { log: 'ready' } },
);
if (moment === 'claimed') for (const pool of [parked, warm]) void pool.run().catch(() => undefined);
await sleep(moment === 'refilling' ? 30 : 0); // a moment at which others are being started
tell();
