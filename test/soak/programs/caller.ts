/** Starts containers that log, then looks into them again and again, until it is killed. */
import { Engine } from '../../../lib/engine/engine.js';
import { rootfs } from '../../../lib/image/rootfs.js';
import { tell } from '../../support/process-harness.js';
import { COUNTING } from '../support/counting.js';
import type { CallerTask } from './task.js';

const { dataRoot, runRoot, busybox, names } = JSON.parse(process.argv[2]!) as CallerTask;
const engine = await Engine.open({ dataRoot, runRoot });
const containers = [];
for (const name of names) {
  const container = await engine.create(rootfs(busybox), ['sh', '-c', COUNTING], {
    name,
    restart: 'always',
    logOptions: { 'max-size': '8k', 'max-file': '1000' },
    memory: '16m',
  });
  await container.start();
  containers.push(container);
}
// One client of each caller is attached and reads.
containers[0]?.attach().stdout?.resume();
tell('started');
let execs = 0;
for (;;) {
  for (const container of containers) {
    // Between two runs there is nothing to look into.
    const result = await container.exec(['cat', '/runs']).catch(() => undefined);
    if (result?.exitCode === 0) execs++;
  }
  tell(execs);
}
