// Streams in both directions: lines as they arrive, an end of input, and a signal that ends the program.
import { Engine } from 'caisson';

await using engine = await Engine.open();

const sort = engine.run('host', ['sort', '-n'], { stdin: 'pipe' });
for (const n of [30, 4, 100]) sort.stdin?.write(`${n}\n`);
sort.stdin?.end();
for await (const line of sort) console.log('sorted:', line);

const clock = engine.run('host', ['sh', '-c', 'while :; do echo tick; sleep 0.1; done']);
let ticks = 0;
for await (const line of clock) {
  console.log(line);
  if (++ticks === 3) clock.kill('TERM');
}
console.log('ended by', (await clock).signal);
