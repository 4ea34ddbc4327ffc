/** Who keeps a container: what it holds, what it writes, and what its death and a damaged disk leave. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import {
  appendFile,
  mkdir,
  readdir,
  readFile,
  readlink,
  rm,
  stat,
  truncate,
  unlink,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import type { Container } from '../../lib/engine/container/container.js';
import { Engine } from '../../lib/engine/engine.js';
import { startTimeOf } from '../../lib/host/owner.js';
import {
  DetachedContainers,
  logBytes,
  logOf,
  supervisorOf,
  refused,
  sh,
  statusIs,
  untilLogged,
  untilStatus,
  setUpDetached,
} from '../support/detached.js';
import { ProcessHarness } from '../support/process-harness.js';
import {
  ancestorsOf,
  cgroupsOf,
  eventually,
  supervisorsOf,
  processesOf,
  holdsFor,
  sleep,
  statusOf,
} from '../support/outside.js';
import { fixture } from '../support/paths.js';
import { needsCgroups, needsRoot } from '../support/needs.js';
import { sample } from '../support/sample.js';
import type { Workshop } from '../support/workshop.js';
import type { KeepOneTask } from './fixtures/keep-one.js';

const SLEEP = ['sleep', '1000'];
const OBEDIENT = "trap 'exit 7' TERM; echo ready; while :; do sleep 0.05; done";

const clients = needsRoot('a cgroup to find what a client has left');
const supervisors = needsRoot('the /proc of a user’s supervisor is root’s');
const cgroups = needsCgroups();
const disks = needsRoot('a mount on the host');

describe('a supervisor', function () {
  this.timeout(60_000);
  let shop: Workshop;
  let detached: DetachedContainers;
  const harnesses: ProcessHarness[] = [];

  afterEach(async () => {
    for (const harness of harnesses.splice(0)) await harness.cleanUp();
  });
  setUpDetached((made) => ({ shop, detached } = made));

  /** Another process that starts a container; the container, as this one finds it. */
  const startElsewhere = async (argv: string | readonly string[], attach = false, wait = true) => {
    const task: KeepOneTask = {
      directory: shop.directory,
      root: shop.path('busybox'),
      argv: typeof argv === 'string' ? sh(argv) : argv,
      options: {},
      attach,
    };
    const harness = await ProcessHarness.start(fixture('keep-one'), task);
    harnesses.push(harness);
    const container = await shop.engine.get(await harness.next<string>());
    if (wait) expect(await harness.next<string>()).to.equal('started');
    return { harness, container: detached.adopt(container) };
  };

  describe('a supervisor and its caller', () => {
    for (const attach of [false, true]) {
      clients.it(
        `A supervisor outlives its caller ${attach ? 'with' : 'without'} a client, and goes on with the log`,
        async () => {
          const { harness, container } = await startElsewhere(
            'i=0; while :; do i=$((i + 1)); echo $i; sleep 0.02; done',
            attach,
          );
          await untilLogged(container, '5\n');
          const supervisor = await supervisorOf(container);
          harness.kill();
          await harness.ended;
          const then = (await logOf(container)).length;
          await eventually(async () =>
            expect((await logOf(container)).length).to.be.above(then + 100),
          );
          expect(await supervisorOf(container)).to.equal(supervisor);
          expect(await ancestorsOf(supervisor), 'a child of no process here').not.to.include(
            process.pid,
          );

          expect((await shop.engine.list()).map(({ config }) => config.id)).to.deep.equal([
            container.id,
          ]);
          const client = container.attach();
          const lines: string[] = [];
          for await (const line of client) if (lines.push(line) === 5) break;
          const first = Number(lines[0]);
          expect(lines).to.deep.equal(Array.from({ length: 5 }, (_, i) => `${first + i}`));
          await container.stop({ timeout: 0 });
          const numbers = (await logOf(container)).trimEnd().split('\n').map(Number);
          expect(numbers, 'the log').to.deep.equal(numbers.map((_, i) => i + 1));
          await container.remove();
          await detached.expectGone(container);
        },
      );
    }
  });

  clients.it(
    'A supervisor is the only one, although its starter is killed over the start',
    async () => {
      for (const round of sample(Array.from({ length: 12 }, (_, i) => i))) {
        const { harness, container } = await startElsewhere(SLEEP, false, false);
        await sleep(round); // each round kills at another moment
        harness.kill();
        if (round % 3 === 0) await harness.ended;
        const other = await (await shop.openAnother()).get(container.id);
        await Promise.all([container.start(), other.start()]);
        await statusIs(container, 'running');
        const supervisor = await supervisorOf(container);
        expect(supervisorsOf(container.id), `round ${round}`).to.deep.equal([supervisor]);
        const exec = container.exec(['true']);
        expect((await exec).exitCode).to.equal(0);
        await container.remove({ force: true });
        await detached.expectGone(container);
      }
    },
  );

  describe('a supervisor that is killed', () => {
    it('A supervisor that is killed takes its container with it, and the next look says so', async () => {
      const container = await detached.start('(sleep 1000) & sleep 1000');
      const pids = await processesOf(container.id);
      expect(pids.length).to.be.above(1);
      process.kill(await supervisorOf(container), 'SIGKILL');
      await untilStatus(container, 'exited');
      const { state } = await container.inspect();
      expect(state).to.include({ exitCode: 255, pid: 0, supervisor: '' });
      expect(state.error).to.include('supervisor was killed');
      for (const pid of pids) expect(startTimeOf(pid), String(pid)).to.equal(undefined);
      await detached.expectQuietButSocket(container);
      expect((await detached.actions(container)).at(-1)).to.equal('die');

      await container.start();
      await statusIs(container, 'running');
      expect((await container.inspect()).state.error).to.equal('');
      await container.stop({ timeout: 0 });
      await detached.expectQuiet(container);
    });

    it('Callers that wait and clients that read learn that the supervisor was killed', async () => {
      const container = await detached.start('echo begun; sleep 1000');
      await untilLogged(container, 'begun');
      const waiting = container.wait();
      const reading = (async () => {
        let text = '';
        for await (const { bytes } of container.logs({ follow: true })) text += bytes.toString();
        return text;
      })();
      const client = container.attach();
      await client.started;
      process.kill(await supervisorOf(container), 'SIGKILL');
      expect((await waiting).exitCode).to.equal(255);
      expect((await client).exitCode).to.equal(255);
      expect(await reading).to.equal('begun\n');
    });

    cgroups.it(
      'A supervisor may be killed while its container is paused, or waits for its restart',
      async () => {
        const paused = await detached.start(SLEEP);
        await paused.pause();
        process.kill(await supervisorOf(paused), 'SIGKILL');
        await untilStatus(paused, 'exited');
        await detached.expectQuietButSocket(paused);

        const restarting = await detached.start('exit 1', { restart: 'always' });
        await eventually(async () => {
          const { state } = await restarting.inspect();
          expect(state.status).to.equal('restarting');
          expect(state.restartCount).to.be.at.least(3);
        });
        process.kill(await supervisorOf(restarting), 'SIGKILL');
        await untilStatus(restarting, 'exited');
        expect((await restarting.inspect()).state.exitCode).to.equal(255);
        await detached.expectQuietButSocket(restarting);
      },
    );

    it('The next look removes a container that removes itself after its supervisor was killed', async () => {
      const container = await detached.start(SLEEP, { autoRemove: true });
      process.kill(await supervisorOf(container), 'SIGKILL');
      await eventually(() => refused(container.inspect(), 'ERR_NO_SUCH_CONTAINER'));
      await detached.expectQuietButSocket(container);
      expect(existsSync(detached.path(container))).to.equal(false);
    });

    it('A supervisor that is killed leaves a log that can be read on', async () => {
      const container = await detached.start('while :; do echo 0123456789; done');
      await eventually(async () => expect((await logOf(container)).length).to.be.above(10_000));
      process.kill(await supervisorOf(container), 'SIGKILL');
      await untilStatus(container, 'exited');
      // As if it had been killed within a write.
      await appendFile(detached.path(container, 'json.log'), '{"log":"torn');
      await container.start();
      const torn = (await logOf(container)).length;
      await eventually(async () => expect((await logOf(container)).length).to.be.above(torn));
      await container.kill();
      const lines = (await logOf(container)).trimEnd().split('\n');
      expect(lines.filter((line) => line !== '0123456789')).to.deep.equal([]);
    });
  });

  describe('a supervisor that is told to end', () => {
    it('A supervisor that is told to end stops its container by the stop signal', async () => {
      const container = await detached.start(OBEDIENT, { restart: 'always' });
      await untilLogged(container, 'ready');
      process.kill(await supervisorOf(container), 'SIGTERM');
      expect((await container.wait()).exitCode).to.equal(7);
      expect((await container.inspect()).state).to.include({ status: 'exited', stopped: true });
      await detached.expectQuiet(container);
    });

    it('A supervisor that is told to end kills its container after its time limit', async () => {
      const container = await detached.start(
        "trap '' TERM; echo ready; while :; do sleep 0.05; done",
        {
          stopTimeout: 1,
        },
      );
      await untilLogged(container, 'ready');
      process.kill(await supervisorOf(container), 'SIGTERM');
      expect((await container.wait()).exitCode).to.equal(137);
    });

    it('A supervisor heeds no other signal', async () => {
      const container = await detached.start(SLEEP);
      const supervisor = await supervisorOf(container);
      for (const signal of ['SIGHUP', 'SIGINT', 'SIGPIPE', 'SIGUSR1', 'SIGQUIT'] as const)
        process.kill(supervisor, signal);
      await holdsFor(100, async () => {
        expect(await supervisorOf(container)).to.equal(supervisor);
        await statusIs(container, 'running');
      });
    });
  });

  describe('the process of a supervisor', () => {
    /** KiB. */
    const memoryOf = async (pid: number) => {
      const text = await readFile(`/proc/${pid}/smaps_rollup`, 'utf8');
      const of = (name: string) =>
        Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(text)![1]);
      return { own: of('Pss_Anon'), text: of('Pss_File') + of('Pss_Shmem') };
    };

    supervisors.it(
      'A supervisor has at most 208 KiB of its own, also after 10 MB of output',
      async () => {
        const isSmall = async (container: Container, when: string) => {
          const { own, text } = await memoryOf(await supervisorOf(container));
          expect(own, when).to.be.at.most(208);
          // The kernel maps more of caisson-init than is used; all supervisors of one starter share it.
          expect(text, `${when}: text`).to.be.at.most(288);
        };
        await isSmall(await detached.start(SLEEP), 'idle');
        const busy = await detached.start(
          'yes 0123456789 | head -c 10000000; echo done; sleep 1000',
        );
        await busy.waitFor({ log: 'done', timeout: 50_000 });
        await isSmall(busy, 'after output');
      },
    );

    clients.it('A supervisor holds nothing of its starter', async () => {
      const { harness, container } = await startElsewhere(SLEEP);
      const supervisor = await supervisorOf(container);
      const linksOf = async (pid: number) => {
        const links: string[] = [];
        for (const fd of await readdir(`/proc/${pid}/fd`))
          links.push(await readlink(`/proc/${pid}/fd/${fd}`).catch(() => ''));
        return links;
      };
      const held = await linksOf(supervisor);
      const starters = new Set(
        (await linksOf(harness.pid)).filter((link) => /^(pipe|socket|\/dev\/pts)/.test(link)),
      );
      expect(starters.size).to.be.above(1);
      expect(held.filter((link) => starters.has(link))).to.deep.equal([]);
      for (const fd of [0, 1, 2])
        expect(await readlink(`/proc/${supervisor}/fd/${fd}`)).to.equal('/dev/null');
      expect(await readlink(`/proc/${supervisor}/cwd`)).to.equal('/');
      const stat = await readFile(`/proc/${supervisor}/stat`, 'utf8');
      const [, parent, group, session, terminal] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      expect(Number(parent)).not.to.equal(harness.pid);
      expect(terminal, 'controlling terminal').to.equal('0');
      const own = await readFile(`/proc/${harness.pid}/stat`, 'utf8');
      const [, , ownGroup, ownSession] = own.slice(own.lastIndexOf(')') + 2).split(' ');
      expect(group).not.to.equal(ownGroup);
      expect(session).not.to.equal(ownSession);
      const environment = await readFile(`/proc/${supervisor}/environ`, 'utf8');
      expect(environment).to.equal('');
      // But for KILL and STOP, which cannot be.
      expect((await statusOf(supervisor))['SigBlk']).to.equal('fffffffffffbfeff');
      await container.kill();
    });

    supervisors.it('A supervisor opens nothing more with each run', async () => {
      const container = await detached.start('exit 1', { restart: 'always' });
      const supervisor = await supervisorOf(container);
      const open = async () => (await readdir(`/proc/${supervisor}/fd`)).length;
      const at = (count: number) =>
        eventually(async () => {
          const { state } = await container.inspect();
          expect(state.restartCount).to.be.at.least(count);
          expect(state.status).to.equal('restarting');
          const found = await open();
          // It was between these two runs all the time.
          expect((await container.inspect()).state).to.deep.equal(state);
          return found;
        });
      const first = await at(1);
      expect(await at(4)).to.equal(first);
    });

    it('A supervisor uses no time while nothing happens', async () => {
      const container = await detached.start(SLEEP);
      const client = container.attach();
      await client.started;
      const supervisor = await supervisorOf(container);
      const ticks = async () => {
        const text = await readFile(`/proc/${supervisor}/stat`, 'utf8');
        const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
        return Number(fields[11]) + Number(fields[12]);
      };
      const before = await ticks();
      await sleep(1000); // the time that is measured
      expect((await ticks()) - before).to.be.at.most(1);
      client.detach();
    });
  });

  describe('a damaged disk', () => {
    it('A container whose state is no state is ended, and can be started again', async () => {
      for (const text of ['', '{"status":"runn', '[]', 'null', '{"status":"flying","pid":1}']) {
        const container = await detached.start(SLEEP);
        process.kill(await supervisorOf(container), 'SIGKILL');
        await eventually(() => expect(supervisorsOf(container.id)).to.deep.equal([]));
        await writeFile(detached.path(container, 'state.json'), text);
        const { status, state } = await container.inspect();
        expect(status, text).to.equal('exited');
        expect(state).to.include({ exitCode: 255 });
        expect(state.error).to.include('damaged');
        expect(await cgroupsOf(container.id)).to.deep.equal([]);
        await container.start();
        await statusIs(container, 'running');
        await container.remove({ force: true });
      }
    });

    it('A state of another boot has no process alive', async () => {
      const container = await detached.create(SLEEP);
      const { pid } = process;
      await writeFile(
        detached.path(container, 'state.json'),
        JSON.stringify({
          ...(await container.inspect()).state,
          status: 'running',
          pid,
          startTime: '1',
          supervisor: `${pid} 1 00000000-0000-0000-0000-000000000000`,
        }),
      );
      const { status, state } = await container.inspect();
      expect(status).to.equal('exited');
      expect(state.error).to.include('restarted');
      await container.start();
      await statusIs(container, 'running');
    });

    it('A pid that another process has now is not the supervisor', async () => {
      const container = await detached.start(SLEEP);
      const state = await detached.stateFile(container);
      const [pid = '', , boot = ''] = String(state['supervisor']).split(' ');
      process.kill(Number(pid), 'SIGKILL');
      await writeFile(
        detached.path(container, 'state.json'),
        JSON.stringify({ ...state, supervisor: `${process.pid} 1 ${boot}` }),
      );
      await statusIs(container, 'exited');
    });

    it('A configuration that is none is reported as damaged, and removed by force', async () => {
      for (const text of ['', '{"version":1', '{}', '{"version":2}', 'null', '[1]']) {
        const container = await detached.create(SLEEP, { name: 'torn' });
        await writeFile(detached.path(container, 'config.json'), text);
        for (const attempt of [
          () => container.inspect(),
          () => container.start(),
          () => container.stop(),
          () => container.kill(),
          () => container.rename('whole'),
          () => container.remove(),
        ])
          await refused(attempt(), 'ERR_DAMAGED_STATE');
        await refused(container.startAttached(), 'ERR_DAMAGED_STATE');
        expect(await shop.engine.list(), 'one bad apple').to.deep.equal([]);
        await (await shop.engine.get('torn')).remove({ force: true });
        await detached.expectGone(container);
      }
    });

    it('A container whose configuration is torn while it runs is ended, and removed by force', async () => {
      const container = await detached.start('trap "" TERM; while :; do sleep 0.05; done', {
        restart: 'always',
      });
      await truncate(detached.path(container, 'config.json'), 20);
      await refused(container.remove(), 'ERR_DAMAGED_STATE');
      await container.remove({ force: true });
      await detached.expectGone(container);
    });

    it('A directory without a configuration is no container', async () => {
      const id = 'ab'.repeat(32);
      await mkdir(shop.path('data/containers', id));
      try {
        await refused(shop.engine.get(id), 'ERR_NO_SUCH_CONTAINER');
        await refused(shop.engine.get(id.slice(0, 12)), 'ERR_NO_SUCH_CONTAINER');
        expect(await shop.engine.list()).to.deep.equal([]);
      } finally {
        await rm(shop.path('data/containers', id), { recursive: true });
      }
    });

    it('A log that was deleted begins anew at the next start', async () => {
      const container = await detached.start('echo one');
      await container.wait();
      await unlink(detached.path(container, 'json.log'));
      expect(await logOf(container)).to.equal('');
      await container.start();
      await container.wait();
      expect(await logOf(container)).to.equal('one\n');
    });
  });

  describe('the log', () => {
    it('The log is rotated: files of that size, and not more of them', async () => {
      const container = await detached.start(
        'i=0; while [ $i -lt 3000 ]; do i=$((i+1)); echo line $i; done',
        {
          logOptions: { 'max-size': '8k', 'max-file': '3' },
        },
      );
      await container.wait();
      const files = (await readdir(detached.path(container))).filter((name) =>
        name.startsWith('json'),
      );
      expect(files.sort()).to.deep.equal(['json.log', 'json.log.1', 'json.log.2']);
      for (const file of files)
        expect((await stat(detached.path(container, file))).size, file).to.be.at.most(8192 + 200);
      const lines = (await logOf(container)).trimEnd().split('\n');
      expect(lines.at(-1)).to.equal('line 3000');
      expect(lines.length).to.be.above(150);
      const first = Number(lines[0]!.slice(5));
      expect(lines).to.deep.equal(lines.map((_, i) => `line ${first + i}`));
    });

    it('A log of one file is begun anew', async () => {
      const container = await detached.start(
        'i=0; while [ $i -lt 500 ]; do i=$((i+1)); echo line $i; done',
        {
          logOptions: { 'max-size': '4k', 'max-file': '1' },
        },
      );
      await container.wait();
      const files = (await readdir(detached.path(container))).filter((name) =>
        name.startsWith('json'),
      );
      expect(files).to.deep.equal(['json.log']);
      expect((await logOf(container)).endsWith('line 500\n')).to.equal(true);
    });

    it('No log is kept with the driver none', async () => {
      const container = await detached.start('echo secret', { logDriver: 'none' });
      await container.wait();
      expect(await readdir(detached.path(container))).not.to.include('json.log');
      expect(() => container.logs())
        .to.throw()
        .with.property('code', 'ERR_NO_LOG');
    });

    it('The log has an unfinished line while the program waits', async () => {
      const container = await detached.start('printf prompt; sleep 1000');
      await eventually(async () => expect(await logOf(container)).to.equal('prompt'));
      const entries = [];
      for await (const entry of container.logs()) entries.push(entry);
      expect(entries[0]!.partial).to.equal(true);
    });

    it('The log has an unfinished line also while more comes, bit by bit', async () => {
      const container = await detached.start('while :; do printf .; usleep 10000; done');
      await eventually(async () => expect((await logOf(container)).length).to.be.above(20));
    });

    it('The log has bytes that are not UTF-8 as they were', async () => {
      const bytes = Buffer.alloc(100_000);
      for (let i = 0, x = 1; i < bytes.length; i++) {
        x = (Math.imul(x, 1_103_515_245) + 12_345) >>> 0;
        bytes[i] = x >>> 16;
      }
      const text = Buffer.from('grüße €uro 𝄞\n'.repeat(3000));
      const root = shop.copyOfBusybox('bytes');
      await writeFile(shop.path('bytes/random'), bytes);
      await writeFile(shop.path('bytes/text'), text);
      const container = await detached.start('cat /random /text; cat /random >&2', {}, root);
      await container.wait();
      const [out, err]: [Buffer[], Buffer[]] = [[], []];
      for await (const entry of container.logs())
        (entry.stream === 'stdout' ? out : err).push(entry.bytes);
      expect(Buffer.concat(out).equals(Buffer.concat([bytes, text])), 'stdout').to.equal(true);
      expect(Buffer.concat(err).equals(bytes), 'stderr').to.equal(true);
      const lines = (await readFile(detached.path(container, 'json.log'), 'utf8'))
        .trimEnd()
        .split('\n');
      for (const line of lines) JSON.parse(line);
      // What is text was not torn within a character: it needs no base64.
      expect(
        lines.filter((line) => line.includes('€') && line.includes('base64')).length,
      ).to.be.at.most(1);
    });

    it('The log has all of much output', async () => {
      const container = await detached.start('seq 1 200000', {
        logOptions: { 'max-size': '-1' },
      });
      await container.wait();
      const log = await logBytes(container);
      const wanted = Array.from({ length: 200_000 }, (_, i) => `${i + 1}\n`).join('');
      expect(log.equals(Buffer.from(wanted))).to.equal(true);
    });
  });

  disks.describe('a supervisor on a full disk', () => {
    /** A tmpfs can be idmapped since Linux 6.3. */
    const HOST_USERS = { userns: 'host' } as const;
    let mount: string;
    let engine: Engine | undefined;
    let small: DetachedContainers;

    beforeEach(async () => {
      mount = shop.path('small');
      mkdirSync(join(mount, 'data'), { recursive: true });
      execFileSync('mount', [
        '-t',
        'tmpfs',
        '-o',
        'size=2m,mode=700',
        'caisson-test',
        join(mount, 'data'),
      ]);
      engine = await Engine.open({ dataRoot: join(mount, 'data'), runRoot: join(mount, 'run') });
      small = new DetachedContainers(engine, shop.busybox, mount);
    });

    afterEach(async () => {
      rmSync(join(mount, 'data/filler'), { force: true });
      await small.cleanUp();
      await engine?.close();
      execFileSync('umount', ['-l', join(mount, 'data')]);
      await rm(mount, { recursive: true });
    });

    const fill = () => {
      const path = join(mount, 'data/filler');
      for (const block of [65_536, 4096])
        try {
          for (;;) writeFileSync(path, Buffer.alloc(block), { flag: 'a' });
        } catch (error) {
          expect((error as NodeJS.ErrnoException).code).to.equal('ENOSPC');
        }
      expect(statfsSync(join(mount, 'data')).bfree).to.equal(0);
    };

    it('A container on a full disk runs on, tells once that its log is not whole, and goes on writing when there is room', async () => {
      const container = await small.start(
        'i=0; while [ ! -e /dev/shm/end ]; do i=$((i+1)); echo "$i 0123456789012345678901234567890123456789"; sleep 0.001; done; exit 6',
        HOST_USERS,
      );
      await untilLogged(container, '10 0');
      fill();
      await eventually(async () => expect(await small.actions(container)).to.include('log_lost'));
      await holdsFor(300, () => statusIs(container, 'running'));
      expect((await container.inspect()).state.logLost).to.be.above(0);
      rmSync(join(mount, 'data/filler'));
      const then = (await logOf(container)).length;
      await eventually(async () =>
        expect((await logOf(container)).length).to.be.above(then + 1000),
      );
      // The container may end, and its commands with it, before `touch` has.
      await container.exec(['touch', '/dev/shm/end']);
      expect((await container.wait()).exitCode).to.equal(6);
      const { logLost } = (await container.inspect()).state;
      const log = await logOf(container);
      // Whole lines, in order, and what is missing is what was said to be.
      const lines = log.trimEnd().split('\n');
      const numbers = lines.map((line) => Number(/^(\d+) (0123456789){4}$/.exec(line)?.[1]));
      for (let i = 1; i < numbers.length; i++) expect(numbers[i]).to.be.above(numbers[i - 1]!);
      const missing = Array.from({ length: numbers.at(-1)! }, (_, i) => i + 1)
        .filter((number) => !numbers.includes(number))
        .reduce((sum, number) => sum + `${number} \n`.length + 40, 0);
      expect(missing).to.equal(logLost);
      expect(
        (await small.actions(container)).filter((action) => action === 'log_lost'),
      ).to.have.length(1);
    });

    it('The end of a container on a full disk is written down all the same', async () => {
      const container = await small.start('read x; exit 9', { ...HOST_USERS, openStdin: true });
      fill();
      const client = container.attach();
      client.stdin!.write('end\n');
      expect((await client).exitCode).to.equal(9);
      const { status, state } = await container.inspect();
      expect(status).to.equal('exited');
      expect(state).to.include({ exitCode: 9, error: '' });
      await container.remove();
    });
  });

  it('A supervisor is reached by a path that no socket address could hold', async () => {
    const deep = shop.path('deep', 'x'.repeat(100), 'y'.repeat(100));
    const engine = await Engine.open({ dataRoot: join(deep, 'data'), runRoot: join(deep, 'run') });
    const far = new DetachedContainers(engine, shop.busybox, deep);
    try {
      const { container, client } = await far.startAttached(['cat'], {
        openStdin: true,
        stdinOnce: true,
      });
      await client.started;
      const second = container.attach({ stdin: false });
      await second.started;
      const heard = (async () => {
        const lines: string[] = [];
        for await (const line of second) lines.push(line);
        return lines;
      })();
      client.stdin!.end('over there\n');
      expect((await client).exitCode).to.equal(0);
      expect(await heard).to.deep.equal(['over there']);
      const other: Container = await far.start(SLEEP);
      await other.stop({ timeout: 0 });
    } finally {
      await far.cleanUp();
      await engine.close();
    }
  });

  supervisors.it('A supervisor serves many clients that come and go', async () => {
    const container = await detached.start(OBEDIENT);
    await untilLogged(container, 'ready');
    const descriptors = async () =>
      (await readdir(`/proc/${await supervisorOf(container)}/fd`)).length;
    const before = await descriptors();
    for (let round = 0; round < 10; round++) {
      const clients = Array.from({ length: 20 }, () => container.attach());
      await Promise.all(clients.map((client) => client.started));
      for (const client of clients) client.detach();
    }
    // Who started it may still have been there before, and has gone since.
    await eventually(async () => expect(await descriptors()).to.be.at.most(before));
    // More than it has places for: they hold on, and it can be stopped nevertheless.
    const crowd = Array.from({ length: 40 }, () => container.attach());
    await sleep(300); // all of them try to connect: those without a place are told nothing
    await container.stop({ timeout: 5 });
    expect((await container.inspect()).state.exitCode).to.equal(7);
    for (const client of crowd) expect((await client).exitCode).to.equal(7);
  });
});
