import { readdir, readFile, readlink } from 'node:fs/promises';
import { createHash } from 'node:crypto';
import { expect } from 'chai';
import type { Execution } from '../../lib/engine/start/execution.js';
import type { RunOptions } from '../../lib/engine/options/options.js';
import { eventually, processesOf, sleep, pidOutside } from '../support/outside.js';
import { Workshop } from '../support/workshop.js';

/** What a terminal shows, as it comes. */
class Screen {
  text = '';

  constructor(readonly execution: Execution) {
    execution.stdout!.on('data', (chunk: Buffer) => (this.text += chunk.toString('latin1')));
  }

  /** Waits until the screen shows it; then only what follows is left. */
  async until(pattern: RegExp): Promise<RegExpExecArray> {
    const match = await eventually(() => {
      const found = pattern.exec(this.text);
      if (found === null)
        throw new Error(`no ${pattern} in ${JSON.stringify(this.text.slice(-500))}`);
      return found;
    });
    this.text = this.text.slice(match.index + match[0].length);
    return match;
  }

  type(keys: string): void {
    this.execution.stdin!.write(keys);
  }
}

describe('the terminal', () => {
  let shop: Workshop;

  before(async () => {
    shop = await Workshop.open();
  });

  after(() => shop.close());

  const start = (command: string, options: RunOptions = {}) =>
    new Screen(shop.engine.run(shop.busybox, ['sh', '-c', command], { tty: true, ...options }));

  for (const [userns, init] of [
    ['auto', true],
    ['auto', false],
    ['host', true],
    ['host', false],
  ] as const) {
    it(`The terminal is one of the container’s own (userns ${userns}, init ${init})`, async () => {
      const { execution } = start(
        'for n in 0 1 2; do test -t $n && readlink /proc/self/fd/$n; done; tty; ' +
          'ls -1 /dev/pts; stat -c "%F %t,%T %u:%g %a" /dev/pts/0 /dev/console; ' +
          'echo to console >/dev/console; echo to tty >/dev/tty; echo $TERM',
        { userns, init },
      );
      const { stdout, stderr, exitCode } = await execution;
      expect(exitCode).to.equal(0);
      expect(stderr).to.equal('');
      expect(stdout.split('\r\n')).to.deep.equal([
        '/dev/pts/0',
        '/dev/pts/0',
        '/dev/pts/0',
        '/dev/pts/0',
        '0',
        'ptmx',
        'character special file 88,0 0:5 620',
        'character special file 88,0 0:5 620',
        'to console',
        'to tty',
        'xterm',
        '',
      ]);
    });
  }

  it('The terminal is none of the host’s', async () => {
    const before = await readdir('/dev/pts');
    const screen = start('echo ready; read x');
    await screen.until(/ready/);
    expect(await readdir('/dev/pts')).to.have.members(before);
    screen.type('\n');
    await screen.execution;
  });

  it('The terminal belongs to the user', async () => {
    const { execution } = start(
      'stat -c %u:%g /dev/pts/0; echo x >/dev/tty; echo y >/dev/console',
      {
        user: 'user',
      },
    );
    expect((await execution).stdout).to.equal('1000:5\r\nx\r\ny\r\n');
  });

  it('The terminal controls the session of the program', async () => {
    const { execution } = start(
      'ps -o pid,sid,tty,comm | tail -n +2; cut -d" " -f5-8 /proc/$$/stat',
    );
    const { stdout } = await execution;
    // The init leaves the caller's session (0, one outside) for one of its own beside the program.
    expect(stdout).to.match(/^ *1 +[01] \?? .*caisson-init\r\n/);
    expect(stdout).to.match(/^ *2 +2 136,0 +sh\r$/m);
    // Process group, session, terminal, and the foreground group, which is that of `cut`'s shell.
    expect(stdout).to.match(/\n2 2 34816 2\r\n$/);
  });

  it('A terminal is not there unless asked for', async () => {
    const { stdout } = await shop.engine.run(shop.busybox, [
      'sh',
      '-c',
      'test -t 0 || test -t 1 || test -t 2 || echo none; ls -A /dev/pts; ls /dev/console 2>&1; (: >/dev/tty) 2>&1; echo $TERM',
    ]);
    expect(stdout).to.match(/^none\nptmx\n.*No such file.*\n.*No such device or address\n\n$/);
  });

  describe('the size of a terminal', () => {
    it('The size is 80 by 24, or what was asked for', async () => {
      expect((await start('stty size').execution).stdout).to.equal('24 80\r\n');
      const { execution } = start('stty size', { tty: { cols: 132, rows: 50 } });
      expect((await execution).stdout).to.equal('50 132\r\n');
    });

    it('The size changes, and the program learns of it', async () => {
      const screen = start("trap 'stty size' WINCH; echo ready; while :; do sleep 0.02; done");
      await screen.until(/ready/);
      screen.execution.resize({ cols: 100, rows: 30 });
      await screen.until(/30 100\r\n/);
      screen.execution.resize({ cols: 20, rows: 999 });
      await screen.until(/999 20\r\n/);
      screen.execution.kill();
      await screen.execution;
      screen.execution.resize({ cols: 10, rows: 10 }); // too late, and no error
    });

    it('The size may be changed before there is a terminal', async () => {
      const screen = start('stty size; read x; stty size');
      screen.execution.resize({ cols: 11, rows: 12 });
      await screen.until(/\d+ \d+\r\n/);
      screen.type('\n');
      await screen.until(/12 11\r\n/);
      await screen.execution;
    });
  });

  describe('the keys of a terminal', () => {
    it('Keys are echoed, edited and read in lines', async () => {
      const screen = start(
        'read line; echo "<$line>"; stty -echo; echo silent; read line; echo "<$line>"',
      );
      screen.type('helo\x7flo\n');
      await screen.until(/hel/);
      await screen.until(/<hello>\r\nsilent\r\n/);
      screen.type('secret\n');
      const [shown] = await screen.until(/^[^]*<secret>\r\n/);
      expect(shown.match(/secret/g)!.length).to.equal(1);
      expect((await screen.execution).exitCode).to.equal(0);
    });

    it('The key ctrl-C ends what runs in the foreground, and not the shell', async () => {
      const screen = new Screen(
        shop.engine.run(shop.busybox, ['sh', '-i'], { tty: true, env: { PS1: '# ' } }),
      );
      // The shell, while it reads a line, does the echo itself: wait until it has handed over the terminal.
      const running = (program: string) =>
        eventually(async () => {
          const pids = await processesOf(screen.execution.id);
          const names = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/comm`, 'utf8')));
          expect(names).to.include(`${program}\n`);
        });
      await screen.until(/# /);
      screen.type('sleep 1000\n');
      await screen.until(/sleep 1000\r\n/);
      await running('sleep');
      screen.type('\x03');
      await screen.until(/\^C[^]*# /);
      screen.type('echo $?\n');
      await screen.until(/\r\n130\r\n/);
      screen.type('cat\n');
      await screen.until(/cat\r\n/);
      await running('cat');
      screen.type('line\n');
      await screen.until(/line\r\nline\r\n/);
      screen.type('\x04');
      await screen.until(/# /);
      screen.type('exit 7\n');
      expect((await screen.execution).exitCode).to.equal(7);
    });

    it('The key ctrl-C ends a program that is alone with it', async () => {
      const screen = new Screen(
        shop.engine.run(shop.busybox, ['sh', '-c', 'echo ready; exec sleep 1000'], { tty: true }),
      );
      await screen.until(/ready/);
      // `exec` replaces the shell, which would take the key otherwise.
      await eventually(async () => {
        const pid = await pidOutside(screen.execution.id, 2);
        expect(await readFile(`/proc/${pid}/comm`, 'utf8')).to.equal('sleep\n');
      });
      screen.type('\x03');
      expect(await screen.execution).to.include({ exitCode: 130, signal: 'SIGINT' });
    });

    it('The key ctrl-D ends the input', async () => {
      const screen = start('echo ready; wc -c');
      await screen.until(/ready\r\n/);
      screen.type('12345\n\x04');
      await screen.until(/6\r\n/);
      expect((await screen.execution).exitCode).to.equal(0);
    });

    it('Keys arrive when they were pressed before there was a terminal', async () => {
      const screen = start('read line; echo "<$line>"');
      screen.type('early\n');
      await screen.until(/<early>/);
      await screen.execution;
    });

    it('The terminal hangs up with the end of the program', async () => {
      const screen = start('echo bye; exit 4');
      screen.type('x\n'.repeat(1000));
      const { exitCode, stdout } = await screen.execution;
      expect(exitCode).to.equal(4);
      expect(stdout).to.include('bye\r\n');
      screen.type('late');
    });
  });

  describe('much input and output', () => {
    const LINES = 300_000;
    const expected = () => {
      const hash = createHash('sha256');
      let size = 0;
      for (let n = 1; n <= LINES; n++) {
        const line = `${n}\r\n`;
        hash.update(line);
        size += line.length;
      }
      return { size, digest: hash.digest('hex') };
    };

    it('Much output comes out whole', async () => {
      const { stdout, exitCode } = await start(`seq ${LINES}; exit 3`).execution;
      const { size, digest } = expected();
      expect(exitCode).to.equal(3);
      expect(stdout.length).to.equal(size);
      expect(createHash('sha256').update(stdout).digest('hex')).to.equal(digest);
    });

    it('Much output comes out whole for a slow reader', async () => {
      const { execution } = start(`seq ${LINES}; exit 3`, { stdin: 'null' });
      const hash = createHash('sha256');
      let size = 0;
      let pauses = 0;
      for await (const chunk of execution.stdout as AsyncIterable<Buffer>) {
        hash.update(chunk);
        size += chunk.length;
        if (size > (pauses + 1) * 100_000 && pauses++ < 20) await sleep(5); // a slow reader
      }
      expect({ size, digest: hash.digest('hex') }).to.deep.equal(expected());
      expect((await execution).exitCode).to.equal(3);
    });

    it('Much output comes out whole at the end of many short runs', async () => {
      const runs = Array.from(
        { length: 30 },
        (_, index) => start(`seq ${100 * index + 1}`).execution,
      );
      for (const [index, { stdout }] of (await Promise.all(runs)).entries()) {
        expect(stdout.endsWith(`${100 * index + 1}\r\n`)).to.equal(true);
        expect(stdout.split('\r\n').length).to.equal(100 * index + 2);
      }
    });

    it('A large paste goes in whole, in lines', async function () {
      this.timeout(60_000);
      const line = `${'x'.repeat(63)}\n`;
      const count = 16_384;
      const screen = start(`stty -echo; echo ready; head -n ${count} | sha256sum`, {});
      await screen.until(/ready/);
      screen.type(line.repeat(count));
      const [shown] = await screen.until(/[0-9a-f]{64}/);
      expect(shown).to.equal(createHash('sha256').update(line.repeat(count)).digest('hex'));
      await screen.execution;
    });

    it('A large paste of bytes goes in whole, to a program that takes its time', async function () {
      this.timeout(60_000);
      const data = 'abcdefgh'.repeat(40_000);
      const screen = start(
        `stty raw -echo; echo ready; sleep 0.3; head -c ${data.length} | sha256sum; stty sane`,
      );
      await screen.until(/ready/);
      screen.type(data);
      const [shown] = await screen.until(/[0-9a-f]{64}/);
      expect(shown).to.equal(createHash('sha256').update(data).digest('hex'));
      await screen.execution;
    });

    it('A large paste goes nowhere when the program does not read, and holds up nothing else', async () => {
      const screens = Array.from({ length: 6 }, () =>
        start('stty raw -echo; echo ready; sleep 1000'),
      );
      try {
        for (const screen of screens) {
          await screen.until(/ready/);
          screen.type('x'.repeat(1_000_000));
        }
        await sleep(50); // the terminals fill up: nothing tells when they are full
        // Files are read by the same threads that would wait for a blocking terminal.
        const look = Promise.all(Array.from({ length: 8 }, () => readlink('/proc/self/exe')));
        // A limit, which is not waited for where all is well.
        const first = await Promise.race([look, sleep(5000).then(() => 'held up')]);
        expect(first).not.to.equal('held up');
      } finally {
        for (const { execution } of screens) execution.kill();
      }
      for (const { execution } of screens) expect((await execution).signal).to.equal('SIGKILL');
    });
  });

  it('The terminal stays when the program closes it, and can be opened again', async () => {
    const { execution } = start(
      'echo before; exec <&- >/dev/null 2>&1; sleep 0.1; echo after >/dev/tty; echo on >/dev/console; exit 9',
    );
    const { exitCode, stdout } = await execution;
    expect(exitCode).to.equal(9);
    expect(stdout).to.equal('before\r\nafter\r\non\r\n');
  });

  it('The output of a terminal may be thrown away', async () => {
    const run = shop.engine.run(shop.busybox, ['sh', '-c', 'seq 100000; exit 6'], {
      tty: true,
      stdout: 'null',
    });
    expect(run.stdout).to.equal(undefined);
    expect(await run).to.include({ exitCode: 6, stdout: '' });
  });

  it('The terminal goes with a kill, a timeout and a limit on output', async () => {
    expect(await start('sleep 1000', { timeout: 200 }).execution).to.include({ timedOut: true });
    const flood = shop.engine.run(shop.busybox, ['yes'], { tty: true, maxOutput: 5000 });
    const result = await flood;
    expect(result).to.include({ outputTruncated: true, signal: 'SIGKILL' });
    expect(result.stdout.length).to.equal(5000);
  });

  it('A start with a terminal that failed is reported like any other', async () => {
    const error = await shop.engine.run(shop.busybox, ['/missing'], { tty: true }).then(
      () => undefined,
      (reason: unknown) => reason as { code: string },
    );
    expect(error?.code).to.equal('ERR_COMMAND_NOT_FOUND');
  });
});
