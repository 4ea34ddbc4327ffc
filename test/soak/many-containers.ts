/** Hundreds of containers at once: what each costs, and whether the last is as quick as the first. */
import { spawnSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { atOnce, type Ground, load, median, supervisors, textOf } from './support/ground.js';

const PSS_LIMIT = 307; // KiB
const PS_LIMIT = 100; // ms
const LATER_STARTS_LIMIT = 1.3;

export async function manyContainers(ground: Ground, short: boolean): Promise<void> {
  const count = short ? 40 : 500;
  const engine = await ground.openEngine();
  const before = memory();
  const starts: number[] = [];
  const ids: string[] = [];
  for (let index = 0; index < count + 5; index++) {
    ground.signal.throwIfAborted();
    const container = await engine.create(ground.image, ['sleep', '100000'], {
      name: `many-${index}`,
    });
    const began = performance.now();
    await container.start();
    // The first few warm things up.
    if (index < 5) await container.remove({ force: true });
    else {
      starts.push(performance.now() - began);
      ids.push(container.id);
    }
  }
  const first = median(starts.slice(0, 20));
  const last = median(starts.slice(-20));
  ground.say(
    `starts: median ${first.toFixed(2)} ms of the first 20, ${last.toFixed(2)} ms of the last 20 of ${count}: × ${(last / first).toFixed(2)}, ${load()}`,
  );

  const kept = supervisors();
  const sizes = ids.map((id) => {
    const [pid] = kept.get(id) ?? [];
    return Number(/^Pss:\s+(\d+) kB/m.exec(textOf(`/proc/${pid}/smaps_rollup`))?.[1]);
  });
  ground.say(`supervisors: PSS ${median(sizes)} KiB (median), ${Math.max(...sizes)} KiB (maximum)`);
  const after = memory();
  ground.say(
    `memory for each container, KiB: ${[...after].map(([name, now]) => `${name} ${((now - before.get(name)!) / count).toFixed(0)}`).join(', ')}`,
  );

  // What has just been started has its first second behind it.
  await sleep(short ? 0 : 3000);
  const node = () => took(['-e', '0']);
  const ps = () => took(ground.commandLine('ps'));
  ps();
  const rounds = Array.from({ length: short ? 3 : 11 }, () => [node(), ps()] as const);
  const own = median(rounds.map(([bare]) => bare.real));
  const all = median(rounds.map(([, listed]) => listed.real));
  const busy = median(rounds.map(([bare, listed]) => listed.busy - bare.busy));
  ground.say(
    `ps of ${count}: ${all.toFixed(0)} ms, ${(all - own).toFixed(0)} ms beyond Node's own ${own.toFixed(0)}; of the processor's time ${busy.toFixed(0)} ms beyond, ${load()}`,
  );
  const listed = (await ground.caisson('ps', '-q')).trim().split('\n');
  expect(listed).to.have.length(count);

  const began = performance.now();
  await atOnce(8, ids, async (id) => (await engine.get(id)).remove({ force: true }));
  ground.say(`removed in ${((performance.now() - began) / 1000).toFixed(1)} s`);
  await ground.expectNothing();
  if (short) return;
  expect(Math.max(...sizes), 'PSS of a supervisor, KiB').to.be.at.most(PSS_LIMIT);
  // Of a machine with nothing else to do; on others its processors' time is what can be compared.
  expect(Math.min(all - own, busy), "ps beyond Node's own start, ms").to.be.at.most(PS_LIMIT);
  expect(last / first, 'last starts ÷ first').to.be.at.most(LATER_STARTS_LIMIT);
}

/** Milliseconds of a Node process: all in all, and of processors. */
function took(args: readonly string[]): { real: number; busy: number } {
  const script = 'TIMEFORMAT="times %R %U %S"; time "$@" >/dev/null';
  const { status, stderr } = spawnSync('bash', ['-c', script, 'bash', process.execPath, ...args], {
    encoding: 'utf8',
  });
  const [, real, user, system] = /times ([\d.]+) ([\d.]+) ([\d.]+)/.exec(stderr) ?? [];
  if (status !== 0 || system === undefined)
    throw new Error(`${args.join(' ')}: ${status}: ${stderr}`);
  return { real: Number(real) * 1000, busy: (Number(user) + Number(system)) * 1000 };
}

/** KiB, of proc_meminfo(5): `used` is all that is not available, the others are the kernel's own. */
function memory(): Map<string, number> {
  const text = textOf('/proc/meminfo');
  const of = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)?.[1]);
  return new Map([
    ['used', of('MemTotal') - of('MemAvailable')],
    ...['AnonPages', 'Shmem', 'Slab', 'SUnreclaim', 'KernelStack', 'PageTables', 'Percpu'].map(
      (name) => [name, of(name)] as const,
    ),
  ]);
}
