// The steps of a start, and the ten that took longest.
import { Engine } from 'caisson';

await using engine = await Engine.open();
await engine.run('host', ['true']); // the first start of a process also sets up its launcher
const { timeline } = await engine.run('host', ['true']);
console.log(`${timeline.steps.length} steps in ${timeline.total.toFixed(0)} µs; the longest:`);
for (const step of [...timeline.steps].sort((a, b) => b.duration - a.duration).slice(0, 10)) {
  console.log(`${step.duration.toFixed(0).padStart(6)} µs  ${step.phase.padEnd(9)}  ${step.op}`);
}
