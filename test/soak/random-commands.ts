/** Many processes command the same containers at once: no command waits for ever, and everything stays consistent. */
import { readdirSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import type { Engine } from '../../lib/engine/engine.js';
import { isAlive } from '../../lib/host/owner.js';
import { cgroupsOf, eventually, processesOf } from '../support/outside.js';
import type { CommanderReport } from './programs/task.js';
import { atOnce, type Ground, supervisors } from './support/ground.js';

export async function randomCommands(ground: Ground, short: boolean): Promise<void> {
  const names = Array.from({ length: short ? 10 : 40 }, (_, index) => `name-${index}`);
  const seed = Number(process.env['CAISSON_SOAK_SEED'] ?? Date.now() % 1_000_000);
  const count = short ? 40 : 200;
  ground.say(`seed ${seed}`);
  const began = performance.now();
  const hands = Array.from({ length: short ? 6 : 16 }, (_, index) =>
    ground.hand('commander', { seed: seed + index * 1_000_003, count, names }),
  );
  const reports = await Promise.all(hands.map((hand) => hand.next<CommanderReport>()));
  const took = (performance.now() - began) / 1000;
  const outcomes = new Map<string, number>();
  for (const report of reports)
    for (const [outcome, times] of Object.entries(report.outcomes))
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + times);
  const slowest = reports.map((report) => report.slowest).sort((a, b) => b.took - a.took)[0]!;
  ground.say(
    `${hands.length} × ${count} commands in ${took.toFixed(1)} s; slowest: ${slowest.command}, ${slowest.took.toFixed(0)} ms`,
  );
  for (const [outcome, times] of [...outcomes].sort(([a], [b]) => (a < b ? -1 : 1)))
    ground.say(`${String(times).padStart(5)} ${outcome}`);
  const unexpected = reports.flatMap((report) => report.unexpected);
  for (const { command, what } of unexpected.slice(0, 20)) ground.say(`${command}: ${what}`);
  for (const hand of hands) expect(await hand.next()).to.equal('closed');

  const engine = await ground.openEngine();
  ground.signal.throwIfAborted();
  checkNames(ground);
  await atOnce(4, ground.store.ids(), (id) => checkState(ground, engine, id));
  expect(unexpected, 'unexpected').to.have.length(0);
  await atOnce(4, ground.store.ids(), async (id) => {
    // One that removes itself may be gone.
    await (await engine.get(id).catch(() => undefined))?.remove({ force: true });
  });
  await ground.expectNothing();
}

/** Every link's container has that name, and every container has its link. */
function checkNames({ store }: Ground): void {
  const links = new Map(
    readdirSync(store.names).map((name) => [name, readlinkSync(join(store.names, name))]),
  );
  for (const [name, id] of links) {
    // One that removed itself a moment ago has taken both away, the link first.
    const config = store.config(id);
    expect(config?.name, `the container that the name ${name} is of`).to.equal(name);
  }
  for (const id of store.ids()) {
    const config = store.config(id);
    expect(config, `configuration of ${id}`).to.not.equal(undefined);
    expect(links.get(config!.name), `link of ${config!.name}`).to.equal(id);
  }
}

/** What is said of a container agrees with who keeps it and what runs. Some end meanwhile: looked at again. */
async function checkState({ store }: Ground, engine: Engine, id: string): Promise<void> {
  await eventually(async () => {
    const container = await engine.get(id).catch(() => undefined);
    if (container === undefined) return;
    const { status, state } = await container.inspect();
    const pids = supervisors().get(id) ?? [];
    const processes = await processesOf(id);
    const what = `${status} container ${id}: ${JSON.stringify(store.state(id).state)}`;
    if (status === 'running' || status === 'paused') {
      expect(pids, `${what}: supervisors`).to.deep.equal([Number(state.supervisor.split(' ')[0])]);
      expect(processes, `${what}: processes`).to.include(state.pid);
    } else if (status === 'restarting') {
      expect(isAlive(state.supervisor), `${what}: supervisor`).to.equal(true);
    } else {
      expect(status, what).to.be.oneOf(['created', 'exited']);
      expect(pids, `${what}: supervisors`).to.deep.equal([]);
      expect(processes, `${what}: processes`).to.deep.equal([]);
      expect(await cgroupsOf(id), `${what}: cgroups`).to.deep.equal([]);
    }
  });
}
