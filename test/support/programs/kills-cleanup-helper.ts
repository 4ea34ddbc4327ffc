/** Starts containers while its cleanup helper is killed; writes their ids, and ends by being killed itself. */
import { readdirSync, readFileSync } from 'node:fs';
import { Engine } from '../../../lib/engine/engine.js';
import { rootfs } from '../../../lib/image/rootfs.js';
import { eventually } from '../outside.js';

/** Those of this process that live. */
function guards(): number[] {
  return readdirSync('/proc').flatMap((pid) => {
    if (!/^\d+$/.test(pid)) return [];
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
      const [state, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      const cleanupHelper = stat.includes('(caisson-cleanup)') && Number(parent) === process.pid;
      return cleanupHelper && state !== 'Z' ? [Number(pid)] : [];
    } catch {
      return [];
    }
  });
}

const [busybox = '', dataRoot = '', runRoot = '', init, ending] = process.argv.slice(2);
const engine = await Engine.open({ dataRoot, runRoot });
const start = async () => {
  const execution = engine.run(rootfs(busybox), ['sleep', '1000'], { init: init === 'init' });
  await execution.started;
  return execution.id;
};
const ids = [await start()];
for (const cleanupHelper of guards()) process.kill(cleanupHelper, 'SIGKILL');
await eventually(() => {
  if (guards().length > 0) throw new Error('the cleanup helper lives');
});
if (ending === 'another cleanup helper') ids.push(await start());
console.log(JSON.stringify({ ids, guards: guards().length }));
process.kill(process.pid, 'SIGKILL');
