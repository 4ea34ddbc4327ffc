/** A listener that throws at each event of a container; writes which events came and what was uncaught. */
import { contextOf, Engine } from '../../../lib/engine/engine.js';
import { newId } from '../../../lib/base/ids.js';
import { prepare } from '../../../lib/engine/start/prepare.js';
import { rootfs } from '../../../lib/image/rootfs.js';
import { EVENT } from '../../../lib/native/events.js';

const [busybox = '', dataRoot = '', runRoot = ''] = process.argv.slice(2);
const uncaught: string[] = [];
process.on('uncaughtException', (error) => uncaught.push(error.message));

const engine = await Engine.open({ dataRoot, runRoot });
const image = rootfs(busybox);
const prepared = await prepare(contextOf(engine), newId(), image, ['echo', 'hello'], {});
const events: string[] = [];
/** Of standard output: an event of its own, or, where both are seen in one turn, a bit of what tells of the exit. */
let ended = false;
await new Promise<void>((resolve) => {
  const container = contextOf(engine).binding.launch(
    prepared.template,
    prepared.identity.id,
    prepared.identity.base ?? 0,
    true,
    (event, stream, _signal, _oomKills, bits) => {
      const name = Object.entries(EVENT).find(([, number]) => number === event)?.[0] ?? '?';
      events.push(name);
      if (event === EVENT.end && stream === 1) ended = true;
      if (event === EVENT.exited && ((bits as number) & 1) !== 0) ended = true;
      if (event === EVENT.gone) resolve();
      throw new Error(name);
    },
    prepared.appended,
  );
  // Who reads a stream is told of its end.
  contextOf(engine).binding.resume(container, 1);
});
prepared.release();
// And the next container is heard of as if nothing had been.
const { stdout } = await engine.run(image, ['echo', 'and again']);
await engine.close();
console.log(JSON.stringify({ events, ended, uncaught, stdout }));
