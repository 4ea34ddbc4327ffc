/** kill -9: of who started containers, which must not notice, and of supervisors, with which theirs end. */
import { expect } from 'chai';
import type { Container } from '../../lib/engine/container/container.js';
import { startTimeOf } from '../../lib/host/owner.js';
import { cgroupsOf, eventually, processesOf, sleep } from '../support/outside.js';
import { count, type Counted, COUNTING } from './support/counting.js';
import { atOnce, type Ground, killIfThere, supervisors } from './support/ground.js';

export async function killedCallers(ground: Ground, short: boolean): Promise<void> {
  const callers = short ? 2 : 5;
  const names = Array.from({ length: short ? 6 : 50 }, (_, index) => `kept-${index}`);
  const hands = Array.from({ length: callers }, (_, caller) =>
    ground.hand('caller', { names: names.filter((_, index) => index % callers === caller) }),
  );
  for (const hand of hands) expect(await hand.next()).to.equal('started');
  for (const hand of hands) expect(await hand.next<number>(), 'exec').to.be.greaterThan(0);
  ground.signal.throwIfAborted();
  await sleep(short ? 500 : 5000); // how long they live
  await Promise.all(hands.map((hand) => hand.kill()));

  const engine = await ground.openEngine();
  const listed = await ground.caisson('ps', '--format', '{{.Names}}');
  expect(listed.trim().split('\n').sort(), 'what lives').to.deep.equal([...names].sort());
  const containers = await Promise.all(names.map((name) => engine.get(name)));
  const kept = supervisors();
  for (const { id } of containers) expect(kept.get(id), 'supervisors').to.have.length(1);

  const before = await Promise.all(containers.map((container) => count(container.logs())));
  await sleep(short ? 2500 : 10_000); // how long they write
  ground.signal.throwIfAborted();
  // What comes through an attachment, and into the log.
  await atOnce(10, containers, async (container) => {
    await eventually(() => firstLine(container));
    expect((await container.exec(['echo', 'still here'])).stdout).to.equal('still here\n');
  });
  await atOnce(10, containers, (container) => container.stop({ timeout: 1 }));
  let [runs, lines] = [0, 0];
  await atOnce(10, containers, async (container, index) => {
    const counted: Counted = await count(container.logs());
    expect(counted.lines, 'lines since').to.be.greaterThan(before[index]!.lines);
    runs += counted.runs;
    lines += counted.lines;
  });
  ground.say(`${names.length} containers, ${runs} runs, ${lines} lines of log, all there`);
  expect(runs, 'runs').to.be.greaterThan(names.length);
  await atOnce(10, containers, (container) => container.remove());
  await killedSupervisors(ground);
  await ground.expectNothing();
}

/** Between two runs a container cannot be attached to, nor be looked into. */
async function firstLine(container: Container): Promise<void> {
  const attached = container.attach();
  let line = '';
  for await (line of attached) break;
  expect(line).to.match(/^run \d+ line \d+/);
  expect((await container.inspect()).status).to.equal('running');
}

/** Whatever the container does at the moment. */
async function killedSupervisors(ground: Ground): Promise<void> {
  const engine = await ground.openEngine();
  const moments: Record<string, (container: Container) => Promise<void>> = {
    running: async () => undefined,
    paused: (container) => container.pause(),
    restarting: async (container) => {
      await container.exec(['sh', '-c', 'kill -9 -1; kill -9 1']).catch(() => undefined);
      await eventually(async () => {
        expect((await container.inspect()).state.restartCount).to.be.greaterThan(0);
      });
    },
  };
  for (const [moment, bring] of Object.entries(moments)) {
    for (const init of [false, true]) {
      ground.signal.throwIfAborted();
      const container = await engine.create(ground.image, ['sh', '-c', COUNTING], {
        restart: 'always',
        init,
      });
      await container.start();
      await bring(container);
      const pids = supervisors().get(container.id) ?? [];
      for (const pid of pids) killIfThere(pid);
      await eventually(async () => {
        expect(pids.map(startTimeOf), 'supervisors').to.deep.equal([undefined]);
        // What is frozen dies when the next call thaws it.
        if (moment !== 'paused') expect(await processesOf(container.id)).to.deep.equal([]);
      });
      const { status, state } = await container.inspect();
      expect(status, moment).to.equal('exited');
      expect(state, moment).to.include({ exitCode: 255, pid: 0, supervisor: '' });
      expect(state.error).to.contain('supervisor was killed');
      expect(await cgroupsOf(container.id), moment).to.deep.equal([]);
      await container.start();
      expect((await container.inspect()).status).to.equal('running');
      await container.remove({ force: true });
    }
  }
}
