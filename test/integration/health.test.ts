import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, readFile, readlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import type { Container } from '../../lib/engine/container/container.js';
import type { CreateOptions } from '../../lib/engine/options/create-options.js';
import type { HealthcheckOptions } from '../../lib/engine/options/healthcheck.js';
import type { ContainerEvent, HealthStatus, StoredHealth } from '../../lib/engine/store/stored.js';
import type { ErrorCode } from '../../lib/base/errors.js';
import { childrenOf } from '../support/leftovers.js';
import {
  cgroupOf,
  eventually,
  exists,
  processesOf,
  holdsFor,
  sleep,
  settled,
} from '../support/outside.js';
import { fixture } from '../support/paths.js';
import { needsCgroups, needsRoot } from '../support/needs.js';
import { Workshop } from '../support/workshop.js';
import type { LongLivedClientTask } from './fixtures/long-lived-client.js';
import { skip } from '../support/skip.js';
import { rejectionOf } from '../support/rejection.js';

/** Healthy where the file is. */
const SWITCH = 'test -e /tmp/well';

const { it: rootIt } = needsRoot('the /proc of a user’s supervisor is root’s');
const cgroups = needsCgroups();

describe('health checks', () => {
  let shop: Workshop;

  before(async () => {
    shop = await Workshop.open();
  });
  after(() => shop.close());

  async function withContainer(
    healthcheck: HealthcheckOptions | undefined,
    body: (container: Container) => Promise<void>,
    options: CreateOptions = {},
    argv: readonly string[] = ['sleep', '1000'],
  ): Promise<void> {
    const container = await shop.engine.create(shop.busybox, argv, { ...options, healthcheck });
    try {
      await container.start();
      await body(container);
    } finally {
      await container.remove({ force: true });
    }
  }

  async function healthOf(container: Container): Promise<StoredHealth> {
    const { health } = await container.inspect();
    if (health === undefined) throw new Error('it has no health');
    return health;
  }

  /** Waits for a status; how it then is. */
  function becomes(container: Container, status: HealthStatus): Promise<StoredHealth> {
    return eventually(async () => {
      const health = await healthOf(container);
      expect(health.status, JSON.stringify(health)).to.equal(status);
      return health;
    });
  }

  /** Waits until so many results are there. */
  function results(container: Container, count: number): Promise<StoredHealth> {
    return eventually(async () => {
      const health = await healthOf(container);
      expect(health.log.length, JSON.stringify(health)).to.be.at.least(count);
      return health;
    });
  }

  /** Waits for the result of a check that began after the last that is there. */
  async function nextResult(container: Container) {
    const last = (await healthOf(container)).log.at(-1)?.start ?? '';
    return eventually(async () => {
      const result = (await healthOf(container)).log.at(-1);
      if (result === undefined || result.start <= last) throw new Error('no further check');
      return result;
    });
  }

  async function setWell(container: Container, well: boolean): Promise<void> {
    const argv = well ? ['touch', '/tmp/well'] : ['rm', '/tmp/well'];
    expect((await container.exec(argv)).exitCode).to.equal(0);
  }

  async function healthEvents({ id }: Container): Promise<string[]> {
    const lines = (await readFile(shop.path('run/events'), 'utf8')).trimEnd().split('\n');
    return lines
      .map((line) => JSON.parse(line) as ContainerEvent)
      .filter((event) => event.id === id && event.action.startsWith('health_status'))
      .map(({ action }) => action);
  }

  /** An event comes after what it tells of. */
  function told(container: Container, actions: readonly string[]): Promise<void> {
    return eventually(async () => {
      expect(await healthEvents(container)).to.deep.equal(actions);
    });
  }

  async function supervisorOf(container: Container): Promise<number> {
    return Number((await container.inspect()).state.supervisor.split(' ')[0]);
  }

  /** Of everything in its cgroups. */
  async function commandsOf({ id }: Container): Promise<string[]> {
    const read = (pid: number) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    const texts = await Promise.all((await processesOf(id)).map(read));
    return texts.map((text) => text.replaceAll('\0', ' ').trimEnd());
  }

  async function refusal(promise: Promise<unknown>): Promise<ErrorCode> {
    return (await rejectionOf(promise)).code;
  }

  it('Health checks follow what they are told, and say so', async () => {
    const check = { test: 'test ! -e /tmp/ill', interval: 200, retries: 2 };
    await withContainer(check, async (container) => {
      expect(await healthOf(container)).to.deep.equal({
        status: 'starting',
        failingStreak: 0,
        log: [],
      });
      const well = await becomes(container, 'healthy');
      expect(well.failingStreak).to.equal(0);
      expect(well.log.at(-1)).to.deep.include({ exitCode: 0, output: '' });
      expect((await container.exec(['touch', '/tmp/ill'])).exitCode).to.equal(0);
      const ill = await becomes(container, 'unhealthy');
      expect(ill.failingStreak).to.be.at.least(2);
      expect(ill.log.slice(-2).map(({ exitCode }) => exitCode)).to.deep.equal([1, 1]);
      expect((await container.exec(['rm', '/tmp/ill'])).exitCode).to.equal(0);
      expect((await becomes(container, 'healthy')).failingStreak).to.equal(0);
      await told(container, [
        'health_status: healthy',
        'health_status: unhealthy',
        'health_status: healthy',
      ]);
    });
  });

  it('Health checks keep the last five results, an interval apart', async () => {
    await withContainer({ test: 'true', interval: 60 }, async (container) => {
      await results(container, 5);
      await nextResult(container);
      const { log } = await healthOf(container);
      expect(log.length).to.equal(5);
      const time = (text: string) => Date.parse(text);
      log.forEach(({ start, end }, index) => {
        expect(time(end)).to.be.at.least(time(start));
        const before = log[index - 1];
        if (before !== undefined) expect(time(start) - time(before.end)).to.be.within(59, 5000);
      });
    });
  });

  it('A health check says nothing before the first interval is over', async () => {
    await withContainer({ test: 'true', interval: '1h' }, async (container) => {
      await holdsFor(300, async () => expect((await healthOf(container)).log).to.deep.equal([]));
      expect(childrenOf(await supervisorOf(container)).length).to.equal(1);
    });
  });

  it('Health checks keep the first 4096 bytes of output', async () => {
    const test = 'printf out; printf %s%b \'"\\\' "\\t\\001é\\n" >&2; exit 7';
    await withContainer({ test, interval: 50 }, async (container) => {
      const { exitCode, output } = (await results(container, 1)).log[0]!;
      expect(exitCode).to.equal(7);
      expect(output).to.satisfy((text: string) =>
        ['out"\\\t\u0001é\n', '"\\\t\u0001é\nout'].includes(text),
      );
    });
    const exact = 'head -c 4096 /dev/zero | tr "\\0" x';
    await withContainer({ test: exact, interval: 50 }, async (container) => {
      expect((await results(container, 1)).log[0]?.output).to.equal('x'.repeat(4096));
    });
    // More than a pipe holds: a check that is not read to its end would hang.
    const more = 'head -c 300000 /dev/zero | tr "\\0" "\\001"; echo end >&2';
    await withContainer({ test: more, interval: 50 }, async (container) => {
      const { exitCode, output } = (await results(container, 5)).log[4]!;
      expect(exitCode).to.equal(0);
      expect(output.length).to.equal(4099);
      expect(output.endsWith('...')).to.equal(true);
    });
  });

  it('Health checks run as an exec without options does', async () => {
    const look =
      'id; pwd; echo "$A $HOSTNAME $PATH $HOME"; grep -E "^(Cap|NoNewPrivs|Seccomp:|Groups)" /proc/self/status; ' +
      'for ns in /proc/self/ns/*; do readlink $ns; done; cat /proc/self/cgroup; readlink /proc/self/root; ' +
      'ls /proc/self/fd | wc -l';
    const all: CreateOptions[] = [
      { user: '1000:100', env: ['A=b'], workdir: '/tmp', hostname: 'box', capDrop: ['CHOWN'] },
      { userns: 'host', capAdd: ['SYS_TIME'], securityOpt: ['no-new-privileges'] },
      { privileged: true },
      { tty: true, init: true },
    ];
    for (const options of all) {
      await withContainer(
        { test: look, interval: 50 },
        async (container) => {
          const { stdout } = await container.exec(['/bin/sh', '-c', look]);
          const { exitCode, output } = await nextResult(container);
          expect(output, JSON.stringify(options)).to.equal(stdout);
          expect(output).to.include('pid:[');
          expect(exitCode).to.equal(0);
        },
        options,
      );
    }
  });

  it('Health checks take a command line without a shell', async () => {
    await withContainer({ test: ['echo', '$HOME;', ''], interval: 50 }, async (container) => {
      expect((await results(container, 1)).log[0]?.output).to.equal('$HOME; \n');
    });
  });

  it('Health checks are ended with all that they have started when they take too long', async () => {
    const test = 'echo so far; sleep 500 & sleep 600';
    await withContainer({ test, interval: 50, timeout: 300, retries: 2 }, async (container) => {
      const { log } = await becomes(container, 'unhealthy');
      for (const { start, end, exitCode, output } of log) {
        expect(exitCode).to.equal(-1);
        expect(output).to.equal('Health check exceeded timeout (300ms): so far\n');
        expect(Date.parse(end) - Date.parse(start)).to.be.within(299, 5000);
      }
      await holdsFor(800, async () => {
        const commands = await commandsOf(container);
        for (const command of ['sleep 500', 'sleep 600'])
          expect(commands.filter((text) => text === command).length, command).to.be.at.most(1);
      });
    });
    await withContainer({ test: ['sleep', '9'], interval: 300, timeout: '1s2ms' }, async (box) => {
      expect((await results(box, 1)).log[0]?.output).to.equal(
        'Health check exceeded timeout (1.002s)',
      );
      await eventually(async () => expect(await commandsOf(box)).not.to.include('sleep 9'));
    });
  });

  it('Health checks never run twice at once', async () => {
    const test = 'mkdir /tmp/lock || touch /tmp/twice; sleep 0.1; rmdir /tmp/lock';
    await withContainer({ test, interval: 1 }, async (container) => {
      await results(container, 5);
      expect((await container.exec(['ls', '/tmp/twice'])).exitCode).to.equal(1);
    });
  });

  it('Health checks leave what they have put into the background, and do not wait for it', async () => {
    const test = 'test -e /tmp/once || { touch /tmp/once; sleep 700 & }; true';
    await withContainer({ test, interval: 50, timeout: '1m' }, async (container) => {
      const { log } = await results(container, 3);
      expect(log.map(({ exitCode }) => exitCode)).to.deep.equal([0, 0, 0]);
      const { stdout } = await container.exec(['ps', '-o', 'args']);
      expect(stdout).to.include('sleep 700');
    });
  });

  it('Health checks do not count failures in the start period', async () => {
    const check = { test: SWITCH, interval: '1h', startPeriod: '1h', startInterval: 50 };
    await withContainer({ ...check, retries: 1 }, async (container) => {
      expect(await results(container, 3)).to.deep.include({ status: 'starting', failingStreak: 0 });
      await setWell(container, true);
      const { log } = await becomes(container, 'healthy');
      // A success has ended it: the next check is an hour away.
      await holdsFor(300, async () => expect((await healthOf(container)).log).to.deep.equal(log));
    });
  });

  it('Health checks count failures in the start period once there was a success, and after it', async () => {
    const check = { test: SWITCH, interval: 50, startInterval: 50, retries: 1 };
    await withContainer({ ...check, startPeriod: '1h' }, async (container) => {
      await setWell(container, true);
      await becomes(container, 'healthy');
      await setWell(container, false);
      await becomes(container, 'unhealthy');
    });
    await withContainer({ ...check, startPeriod: 400, retries: 2 }, async (container) => {
      const { failingStreak, log } = await becomes(container, 'unhealthy');
      const { startedAt } = (await container.inspect()).state;
      const late = log.filter(({ start }) => Date.parse(start) - Date.parse(startedAt) >= 400);
      expect(failingStreak).to.be.at.least(2);
      expect(late.length, JSON.stringify(log)).to.equal(Math.min(failingStreak, 5));
    });
  });

  cgroups.it(
    'Health checks are not run in a paused container, and do not make it fail',
    async () => {
      await withContainer({ test: 'true', interval: 50 }, async (container) => {
        await results(container, 1);
        await container.pause();
        // A check that had begun may end, and no further one.
        await settled(async () => JSON.stringify((await healthOf(container)).log));
        expect(await container.inspect()).to.have.property('status', 'paused');
        await container.unpause();
        expect((await nextResult(container)).exitCode).to.equal(0);
      });
      // The check stands still for longer than it may take.
      const test = 'sleep 0.3; echo done';
      await withContainer({ test, interval: 50, timeout: 1500, retries: 1 }, async (container) => {
        await eventually(async () => {
          expect((await processesOf(container.id)).length).to.be.at.least(3);
        });
        await container.pause();
        await sleep(2000); // longer than the check may take
        const before = await healthOf(container);
        expect(before.log.filter(({ exitCode }) => exitCode !== 0)).to.deep.equal([]);
        await container.unpause();
        expect(await nextResult(container)).to.deep.include({ exitCode: 0, output: 'done\n' });
        expect((await healthOf(container)).status).to.equal('healthy');
      });
    },
  );

  it('Health checks go on when the Node process that started the container is killed', async () => {
    const task: LongLivedClientTask = {
      dataRoot: shop.path('data'),
      runRoot: shop.path('run'),
      root: shop.path('busybox'),
      argv: ['sleep', '1000'],
      options: { healthcheck: { test: SWITCH, interval: 50, retries: 1 } },
    };
    const node = spawn(process.execPath, [fixture('long-lived-client'), JSON.stringify(task)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [text] = (await once(node.stdout, 'data')) as [Buffer];
    const container = await shop.engine.get(JSON.parse(text.toString()) as string);
    try {
      node.kill('SIGKILL');
      await once(node, 'exit');
      await becomes(container, 'unhealthy');
      await setWell(container, true);
      await becomes(container, 'healthy');
    } finally {
      await container.remove({ force: true });
    }
  });

  cgroups.it(
    'Health checks neither hold up the end of their container, nor fail for it',
    async () => {
      const test = 'sleep 800';
      const argv = ['sh', '-c', 'until test -e /tmp/end; do sleep 0.02; done; exit 3'];
      const check = { test, interval: 50, timeout: '1h', retries: 1 };
      const running = (container: Container) =>
        eventually(async () => {
          const { stdout } = await container.exec(['ps', '-o', 'args']);
          expect(stdout).to.include('sleep 800');
        });
      for (const init of [false, true]) {
        await withContainer(
          check,
          async (container) => {
            await running(container);
            // The container may end, and its commands with it, before `touch` has.
            await container.exec(['touch', '/tmp/end']);
            // A check that held it up would do so for longer than this test may take.
            expect((await container.wait()).exitCode).to.equal(3);
            expect(await healthOf(container)).to.deep.include({ failingStreak: 0, log: [] });
            expect(await healthEvents(container)).to.deep.equal([]);
          },
          { init },
          argv,
        );
      }
      await withContainer(check, async (container) => {
        await running(container);
        await container.kill();
        expect(await healthOf(container)).to.deep.equal({
          status: 'unhealthy',
          failingStreak: 0,
          log: [],
        });
      });
      await withContainer(check, async (container) => {
        await running(container);
        await container.pause();
        await container.kill();
        expect((await healthOf(container)).log).to.deep.equal([]);
        expect(await processesOf(container.id)).to.deep.equal([]);
      });
    },
  );

  it('Health checks start afresh with each run', async () => {
    const check = { test: 'false', interval: 50, retries: 1 };
    const argv = ['sh', '-c', 'until test -e /tmp/end; do sleep 0.02; done; rm /tmp/end; exit 1'];
    await withContainer(
      check,
      async (container) => {
        const { log } = await becomes(container, 'unhealthy');
        await container.exec(['touch', '/tmp/end']);
        await eventually(async () =>
          expect((await container.inspect()).state.restartCount).to.equal(1),
        );
        await eventually(async () => {
          const { state, health } = await container.inspect();
          expect(state.status).to.equal('running');
          expect(health?.status).to.equal('unhealthy');
          expect(health!.log[0]!.start > log[0]!.start).to.equal(true);
          expect(health!.log[0]!.start > state.startedAt, 'a result of the run').to.equal(true);
        });
        await told(container, ['health_status: unhealthy', 'health_status: unhealthy']);
        await container.stop({ timeout: 0 });
        expect((await healthOf(container)).status).to.equal('unhealthy');
        await container.start();
        const { state, health } = await container.inspect();
        expect(health!.log.every(({ start }) => start > state.startedAt)).to.equal(true);
        await becomes(container, 'unhealthy');
      },
      { restart: 'always' },
      argv,
    );
  });

  it('Health checks say why they cannot be started', async () => {
    const cases: readonly (readonly [readonly string[], RegExp])[] = [
      [['nope', '-x'], /^cannot start the check: execve nope: no such file or directory$/],
      [['/nope/nope'], /execve \/nope\/nope: no such file or directory$/],
      [['/etc/passwd'], /execve \/etc\/passwd: permission denied$/],
      [['/tmp'], /execve \/tmp: permission denied$/],
    ];
    for (const [test, text] of cases) {
      await withContainer({ test, interval: 50, retries: 2 }, async (container) => {
        const { log } = await becomes(container, 'unhealthy');
        for (const result of log) {
          expect(result.exitCode).to.equal(-1);
          expect(result.output).to.match(text);
        }
      });
    }
  });

  it('Health checks tell the exit code of what a signal has ended', async () => {
    await withContainer({ test: 'kill -9 $$', interval: 50 }, async (container) => {
      expect((await results(container, 1)).log[0]?.exitCode).to.equal(137);
    });
  });

  rootIt(
    'Health checks cost the supervisor neither descriptors nor memory nor children',
    async () => {
      const test = 'echo >> /tmp/checks; cat /tmp/checks | wc -l';
      await withContainer({ test, interval: 20 }, async (container) => {
        const supervisor = await supervisorOf(container);
        const checks = async () => Number((await healthOf(container)).log.at(-1)?.output);
        // Between two checks there is only the container. The fewest of many looks: one may be about to start.
        const descriptors = async () => {
          const looks: string[][] = [];
          for (let i = 0; i < 20; i++) looks.push(await look());
          return looks.reduce((least, one) => (one.length < least.length ? one : least));
        };
        const look = () =>
          eventually(async () => {
            const links = await Promise.all(
              (await readdir(`/proc/${supervisor}/fd`)).map((fd) =>
                readlink(`/proc/${supervisor}/fd/${fd}`).catch(() => 'gone'),
              ),
            );
            expect(childrenOf(supervisor)).to.have.lengthOf(1);
            expect(links.filter((link) => link.startsWith('pipe:'))).to.have.lengthOf(2);
            return links.map((link) => link.replaceAll(/\d+/g, 'N')).sort();
          });
        await results(container, 1);
        const before = await descriptors();
        const memory = async () =>
          Number(
            /^Anonymous:\s+(\d+) kB$/m.exec(
              await readFile(`/proc/${supervisor}/smaps_rollup`, 'utf8'),
            )![1],
          );
        const memoryBefore = await memory();
        const first = await checks();
        await eventually(async () => expect(await checks()).to.be.at.least(first + 50), 15_000);
        expect(await descriptors()).to.deep.equal(before);
        expect((await memory()) - memoryBefore, 'KiB that 50 checks have cost').to.be.at.most(16);
      });
    },
  ).timeout(40_000);

  it('Health checks follow their container into a cgroup below its own', async function () {
    const check = { test: 'cat /proc/self/cgroup', interval: 50 };
    let used = true;
    await withContainer(check, async (container) => {
      const v2 = await cgroupOf(container.id, 'unified').catch(() => undefined);
      const own = v2?.directory ?? '';
      const controllers = await readFile(join(own, 'cgroup.controllers'), 'utf8').catch(() => '');
      if (!controllers.includes('pids')) {
        used = false;
        return;
      }
      await nextResult(container);
      // From here on the cgroup itself takes no process: cgroups(7), "no internal processes".
      await mkdir(join(own, 'inner'));
      await eventually(async () => {
        for (const pid of await processesOf(container.id))
          await writeFile(join(own, 'inner/cgroup.procs'), String(pid));
        await writeFile(join(own, 'cgroup.subtree_control'), '+pids');
      });
      await nextResult(container);
      const { exitCode, output } = await nextResult(container);
      expect(output).to.match(/^0::\/inner$/m);
      expect(exitCode).to.equal(0);
    });
    if (!used) skip(this, 'containers have no controllers of cgroup v2 here');
  });

  it('A caller can wait until its container is healthy', async () => {
    const check = { test: SWITCH, interval: 50 };
    await withContainer(check, async (container) => {
      const waiting = container.waitFor({ healthy: true });
      await results(container, 1);
      await setWell(container, true);
      await waiting;
      expect((await healthOf(container)).status).to.equal('healthy');
    });
    await withContainer({ ...check, retries: 1 }, async (container) => {
      await becomes(container, 'unhealthy');
      expect(await refusal(container.waitFor({ healthy: true, timeout: 100 }))).to.equal(
        'ERR_TIMEOUT',
      );
      const waiting = refusal(container.waitFor({ healthy: true }));
      await container.kill();
      expect(await waiting).to.equal('ERR_CONTAINER_NOT_RUNNING');
    });
    await withContainer(undefined, async (container) => {
      expect(await refusal(container.waitFor({ healthy: true }))).to.equal('ERR_INVALID_OPTION');
      expect(await container.inspect()).not.to.have.property('health');
      const directory = shop.path('data/containers', container.id);
      expect(await exists(join(directory, 'health.json'))).to.equal(false);
    });
  });
});
