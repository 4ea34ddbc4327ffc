/** What a hostile container, or a hostile user of the host, tries against the engine. */
import { expect } from 'chai';
import { once } from 'node:events';
import { open } from 'node:fs/promises';
import { createServer } from 'node:net';
import { type DetachedContainers, supervisorOf, setUpDetached } from '../../support/detached.js';
import { needsControllers } from '../../support/needs.js';
import { eventually, pidOutside, processorTime, sleep, statusOf } from '../../support/outside.js';
import type { Workshop } from '../../support/workshop.js';

/** ptrace(2) and vmsplice(2) of this architecture. */
const [SYS_PTRACE, SYS_VMSPLICE] = process.arch === 'arm64' ? [117, 75] : [101, 278];

/** SIGUSR1 in the masks of proc_pid_status(5). */
const USR1 = 1n << 9n;

const limits = needsControllers('cpu');

describe('hardening: attacks', function () {
  this.timeout(60_000);
  let shop: Workshop;
  let detached: DetachedContainers;

  setUpDetached((made) => ({ shop, detached } = made));

  for (const init of [true, false]) {
    it(`A program that lets its parent trace it has not ended when it stops (init ${init})`, async () => {
      const program = `syscall ${SYS_PTRACE}, 0, 0, 0, 0; kill 'STOP', $$; exit 7`;
      const execution = shop.engine.run('host', ['perl', '-e', program], {
        init,
        // A parent traces only what has no capability that it lacks itself; the init has few.
        capDrop: ['ALL'],
        timeout: 30_000,
      });
      await execution.started;
      try {
        const pid = await eventually(() => pidOutside(execution.id, init ? 2 : 1));
        const status = () => statusOf(pid);
        await eventually(async () => expect((await status())['State']).to.match(/^t/));
        // What is sent now comes after the parent has heard of the stop, and waits.
        execution.kill('SIGUSR1');
        await eventually(async () => {
          const pending = BigInt(`0x${(await status())['ShdPnd']}`);
          expect(pending & USR1).to.equal(USR1);
        });
      } finally {
        execution.kill('SIGKILL');
      }
      const { exitCode, signal } = await execution;
      expect({ exitCode, signal }).to.deep.equal({ exitCode: 137, signal: 'SIGKILL' });
    });
  }

  it('A socket that any user of the host can bind does not make a supervisor that was killed look alive', async () => {
    const container = await detached.start(['sleep', '1000']);
    const listed = async () =>
      (await shop.engine.list()).find(({ config }) => config.id === container.id)?.status;
    expect(await listed()).to.equal('running');
    const directory = await open(shop.directory, 'r');
    const server = createServer();
    try {
      // As /proc/net/unix shows the path of the supervisor's own socket.
      server.listen(`/proc/self/fd/${directory.fd}/${container.id}`);
      await once(server, 'listening');
      process.kill(await supervisorOf(container), 'SIGKILL');
      await eventually(async () => expect(await listed()).to.equal('exited'), 3000);
    } finally {
      server.close();
      await directory.close();
    }
  });

  limits.it(
    'The supervisor spends no more processor time on the output of a health check than the container may use',
    async () => {
      // Gives the same memory to a large pipe again and again, which costs less than reading it.
      const program = `my $b = 'x' x (1 << 20); my $v = pack 'PQ', $b, 1 << 20;
        fcntl STDOUT, 1031, 1 << 20; 1 while syscall(${SYS_VMSPLICE}, 1, $v, 1, 0) > 0`;
      const container = await detached.start(
        ['sleep', '1000'],
        {
          cpus: 0.05,
          healthcheck: { test: ['perl', '-e', program], interval: 100, timeout: 30_000 },
        },
        'host',
      );
      const supervisor = await supervisorOf(container);
      const started = await processorTime(supervisor);
      await eventually(async () =>
        expect(await processorTime(supervisor)).to.be.above(started + 0.03),
      );
      const [before, began] = [await processorTime(supervisor), performance.now()];
      await sleep(1500); // the time that is measured
      const seconds = (performance.now() - began) / 1000;
      const share = ((await processorTime(supervisor)) - before) / seconds;
      expect(share, 'processors').to.be.within(0.002, 0.095);
      await container.remove({ force: true });
    },
  );
});
