/**
 * Workers that start containers and are terminated at any moment. This thread never loads the addon itself,
 * so that Node lets go of it with each last worker. Writes what is left of their containers.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { eventually } from '../outside.js';

interface Task {
  readonly busybox: string;
  readonly dataRoot: string;
  readonly runRoot: string;
}

/** Other than the cleanup helper, which lives as long as this process. */
function children(): string[] {
  return readdirSync('/proc').flatMap((pid) => {
    if (!/^\d+$/.test(pid)) return [];
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
      const name = stat.slice(stat.indexOf('(') + 1, stat.lastIndexOf(')'));
      const [state, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      if (Number(parent) !== process.pid || name === 'caisson-cleanup') return [];
      return [`${pid} ${name} ${state}`];
    } catch {
      return []; // it has just ended
    }
  });
}

async function supervise(task: Task): Promise<void> {
  for (let round = 0; round < 8; round++) {
    await Promise.all(
      [0, 1, 2].map(async (number) => {
        const worker = new Worker(fileURLToPath(import.meta.url), { workerData: task });
        await new Promise((resolve, reject) => {
          worker.once('message', resolve);
          worker.once('error', reject);
        });
        // Some while it starts its first container, some later.
        await new Promise((resolve) => setTimeout(resolve, (round * 3 + number) * 1.7));
        await worker.terminate();
      }),
    );
  }
  await eventually(() => {
    const left = [...readdirSync(join(task.dataRoot, 'containers')), ...children()];
    if (left.length > 0) throw new Error(`left: ${left.join(', ')}`);
  });
  console.log('"nothing left"');
}

async function work({ busybox, dataRoot, runRoot }: Task): Promise<void> {
  const { Engine } = await import('../../../lib/engine/engine.js');
  const { rootfs } = await import('../../../lib/image/rootfs.js');
  const engine = await Engine.open({ dataRoot, runRoot });
  parentPort!.postMessage('open');
  const again = async (argv: readonly string[]) => {
    for (;;) await engine.run(rootfs(busybox), argv);
  };
  // So much that its memory is made in other ways.
  const much = ['dd', 'if=/dev/zero', 'bs=64k', 'count=400'];
  const fed = async () => {
    for (;;) {
      const run = engine.run(rootfs(busybox), ['cat'], { stdin: 'pipe', stdout: 'null' });
      run.stdin!.end(Buffer.alloc(1 << 20));
      await run;
    }
  };
  await Promise.all([
    again(['echo', 'hello']),
    again(['sleep', '0.01']),
    again(['true']),
    again(much),
    fed(),
  ]);
}

if (isMainThread) {
  const [busybox = '', dataRoot = '', runRoot = ''] = process.argv.slice(2);
  await supervise({ busybox, dataRoot, runRoot });
} else {
  await work(workerData as Task);
}
