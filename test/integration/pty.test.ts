/** `caisson/pty`: programs of this machine on terminals, looked at from inside and outside. */
import { spawn as spawnProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { expect } from 'chai';
import { type Pty, spawn } from '../../lib/pty/pty.js';
import { eventually } from '../support/outside.js';
import { rejectionOf } from '../support/rejection.js';

const sh = (script: string, options = {}) => spawn('sh', ['-c', script], options);

/** All that it shows; terminals end lines with \r\n. */
async function shown(terminal: Pty): Promise<string> {
  return (await text(terminal.stream)).replaceAll('\r\n', '\n');
}

/** Descriptors of this process that are sockets or terminals. */
const descriptors = () =>
  readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return /socket:|pts|ptmx|pidfd/.test(readlinkSync(`/proc/self/fd/${fd}`));
    } catch {
      return false; // of the listing itself
    }
  }).length;

const children = () => readFileSync(`/proc/self/task/${process.pid}/children`, 'utf8').trim();

describe('Programs on a terminal: caisson/pty', () => {
  it('A program has a terminal of its own, with the size, directory and environment that were asked for', async () => {
    const terminal = await sh(
      'tty; stty size; pwd; echo "$A"; ps -o pid=,sid=,tpgid= -p $$ | tr -s " "; exit 3',
      {
        cols: 101,
        rows: 31,
        cwd: tmpdir(),
        env: { A: 'b', PATH: process.env['PATH'] },
      },
    );
    const [tty, size, cwd, variable, ids] = (await shown(terminal)).split('\n');
    expect(tty).to.match(/^\/dev\/pts\/\d+$/);
    expect([size, cwd, variable]).to.deep.equal(['31 101', tmpdir(), 'b']);
    const { pid } = terminal;
    expect(ids?.trim()).to.equal(`${pid} ${pid} ${pid}`);
    expect(await terminal.exited).to.deep.equal({ exitCode: 3, signal: null });
  });

  it('What is typed arrives, with control characters, and sizes change while it runs', async () => {
    const terminal = await sh('stty -echo; trap "stty size" WINCH; trap "echo interrupted; exit 4" INT; echo ready; while :; do read line && echo "got $line"; done'); // prettier-ignore
    const lines = createInterface(terminal.stream)[Symbol.asyncIterator]();
    const next = async () => ((await lines.next()).value as string).trim();
    expect(await next()).to.equal('ready');
    terminal.stream.write('hello\n');
    expect(await next()).to.equal('got hello');
    terminal.resize(132, 43);
    terminal.stream.write('again\n'); // dash runs the trap when `read` has returned
    expect([await next(), await next()].sort()).to.deep.equal(['43 132', 'got again']);
    terminal.stream.write('\u0003\n');
    expect(await next()).to.equal('interrupted');
    expect(await terminal.exited).to.deep.equal({ exitCode: 4, signal: null });
  });

  it('Much output arrives whole, also when the program has ended before it is read', async () => {
    const terminal = await sh('stty -opost; seq 1 200000');
    const size = () => terminal.stream.readableLength;
    terminal.stream.once('readable', () => undefined); // reads until its buffer is full
    await eventually(() => expect(size()).to.be.above(0));
    const all = await text(terminal.stream);
    expect(all.split('\n')).to.have.length(200_001);
    expect(all.endsWith('199999\n200000\n')).to.equal(true);
    expect(await terminal.exited).to.deep.equal({ exitCode: 0, signal: null });
  });

  it('Much input arrives whole while the program shows as much', async () => {
    const terminal = await sh(
      'stty raw -echo; echo ready; head -c 3000000 | od -An -v -tu1 -w1 | md5sum',
    );
    const input = Buffer.alloc(3_000_000, 'abcdefghijklm');
    const began = once(terminal.stream, 'data');
    await began;
    terminal.stream.write(input);
    const said = await text(terminal.stream);
    const { createHash } = await import('node:crypto');
    const lines = [...input].map((byte) => `${String(byte).padStart(4)}\n`).join('');
    expect(said).to.include(createHash('md5').update(lines).digest('hex'));
  });

  it('A signal ends the program, and a program that it leaves behind does not hold up the end', async () => {
    const terminal = await sh('trap "" HUP; sleep 300 & echo $!; sleep 300');
    const [chunk] = (await once(terminal.stream, 'data')) as [Buffer];
    const left = Number(chunk.toString());
    terminal.kill('SIGTERM');
    expect(await terminal.exited).to.deep.equal({ exitCode: null, signal: 'SIGTERM' });
    expect(existsSync(`/proc/${left}`)).to.equal(true);
    process.kill(left, 'SIGKILL');
    terminal.kill(); // of what has ended: nothing
  });

  it('A destroyed stream hangs the terminal up', async () => {
    const terminal = await sh('echo ready; sleep 300');
    await once(terminal.stream, 'data');
    terminal.stream.destroy();
    expect((await terminal.exited).signal).to.equal('SIGHUP');
  });

  it('The programs of a terminal are hung up when this process is killed', async () => {
    const program = `import { spawn } from ${JSON.stringify(new URL('../../lib/pty/pty.js', import.meta.url).href)};
      const terminal = await spawn('sh', ['-c', 'echo ready; sleep 300']);
      terminal.stream.once('data', () => console.log(terminal.pid));`;
    const child = spawnProcess(process.execPath, ['--input-type=module', '-e', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let pid = 0;
    for await (const line of createInterface(child.stdout)) {
      pid = Number(line);
      break;
    }
    expect(existsSync(`/proc/${pid}`)).to.equal(true);
    child.kill('SIGKILL');
    await eventually(() => expect(existsSync(`/proc/${pid}`)).to.equal(false));
  });

  it('What cannot be started is a typed error, and nothing is left of it', async () => {
    const before = descriptors();
    const error = async (...args: Parameters<typeof spawn>) => rejectionOf(spawn(...args));
    expect(await error('no-such-program')).to.include({
      code: 'ERR_COMMAND_NOT_FOUND',
      exitCode: 127,
    });
    expect(await error('/no/such/program')).to.include({
      code: 'ERR_COMMAND_NOT_FOUND',
      errno: 'ENOENT',
    });
    expect(await error('/etc/passwd')).to.include({
      code: 'ERR_COMMAND_NOT_EXECUTABLE',
      errno: 'EACCES',
    });
    expect(await error('sh', [], { env: { PATH: '/nowhere' } })).to.include({
      code: 'ERR_COMMAND_NOT_FOUND',
    });
    for (const [options, path] of [
      [{ cols: 0 }, 'cols'],
      [{ rows: 70_000 }, 'rows'],
      [{ cwd: '/no/such/directory' }, 'cwd'],
      [{ cwd: 'relative' }, 'cwd'],
      [{ env: { 'A=B': 'c' } }, 'env'],
      [{ env: { A: 'b\0' } }, 'env'],
    ] as const)
      expect(await error('sh', [], options)).to.include({ code: 'ERR_INVALID_OPTION', path });
    expect((await error('sh', ['a\0b'])).path).to.equal('args');
    await eventually(() => expect([descriptors(), children()]).to.deep.equal([before, '']));
  });

  it('Many terminals, one after the other and at once, leave nothing', async () => {
    const before = descriptors();
    for (let round = 0; round < 10; round++)
      await Promise.all(
        Array.from({ length: 20 }, async (_, number) => {
          const terminal = await sh(`echo ${number}`);
          expect(await shown(terminal)).to.equal(`${number}\n`);
          await terminal.exited;
        }),
      );
    await eventually(() => expect([descriptors(), children()]).to.deep.equal([before, '']));
  });
});
