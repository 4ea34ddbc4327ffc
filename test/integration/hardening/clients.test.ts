/** What ends a client of the command line: its reader, its terminal, its disk, and signals. */
import { expect } from 'chai';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { Engine } from '../../../lib/index.js';
import { eventually } from '../../support/outside.js';
import { repository } from '../../support/paths.js';
import { slowness } from '../../support/slowness.js';
import { skip } from '../../support/skip.js';

const BIN = join(repository, 'bin/caisson');
const HOME = join(tmpdir(), `caisson-clients-${process.pid}`);
const PLACES = ['--data-root', join(HOME, 'data'), '--run-root', join(HOME, 'run')];
const CAISSON = [BIN, ...PLACES].join(' ');

/** How a client ended: by a signal, or with a code. */
type Ending = NodeJS.Signals | number;

class Client {
  output = '';
  readonly ended: Promise<Ending>;

  constructor(private readonly child: ChildProcess) {
    running.add(this);
    for (const stream of [child.stdout, child.stderr])
      stream?.on('data', (chunk: Buffer) => (this.output += chunk.toString()));
    this.ended = new Promise((resolve) =>
      child.on('close', (code, signal) => {
        running.delete(this);
        resolve(signal ?? code ?? -1);
      }),
    );
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  kill(signal: NodeJS.Signals, pid = this.pid): void {
    process.kill(pid, signal);
  }

  end(): void {
    this.child.kill('SIGKILL');
  }

  async said(text: string): Promise<void> {
    await eventually(() => expect(this.output).to.include(text));
  }
}

const running = new Set<Client>();

function client(args: readonly string[]): Client {
  return new Client(spawn(BIN, [...PLACES, ...args], { stdio: ['pipe', 'pipe', 'pipe'] }));
}

let terminals = 0;

/** In a terminal, whose settings before and after are told. The pid is the client's own, not that of script(1). */
async function inTerminal(args: readonly string[]): Promise<{ screen: Client; pid: number }> {
  const file = join(HOME, `terminal${terminals++}`);
  const words = args.map((word) => `'${word}'`).join(' ');
  writeFileSync(`${file}.sh`, `echo $$ >${file}.pid; exec ${CAISSON} ${words}`);
  const line = `stty -g; sh ${file}.sh; code=$?; stty -g; exit $code`;
  const screen = new Client(
    spawn('script', ['-qefc', line, '/dev/null'], { stdio: ['pipe', 'pipe', 'pipe'] }),
  );
  const pid = await eventually(() => {
    const found = Number(readFileSync(`${file}.pid`, 'utf8'));
    expect(found).to.be.greaterThan(0);
    return found;
  });
  return { screen, pid };
}

function sh(line: string): { status: number | null; stdout: string; stderr: string } {
  return spawnSync('bash', ['-c', line], {
    encoding: 'utf8',
    timeout: 15_000 * slowness,
    killSignal: 'SIGKILL',
    env: { ...process.env, c: CAISSON },
  });
}

const states = () => sh('$c ps -a --format "{{.Names}} {{.State}}"').stdout;

/** Until the process has a handler for it. */
function catches(pid: number, signal: NodeJS.Signals): Promise<void> {
  return eventually(() => {
    const mask = /^SigCgt:\t(\w+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? '0';
    const bit = 1n << BigInt(constants.signals[signal] - 1);
    expect((BigInt(`0x${mask}`) & bit) !== 0n, `${pid} catches ${signal}`).to.equal(true);
  });
}

describe('clients of the command line', () => {
  before(function () {
    if (process.geteuid?.() !== 0)
      skip(this, 'needs root: the command line has root’s directories');
    mkdirSync(HOME, { mode: 0o700 });
  });

  afterEach(() => {
    for (const left of running) left.end();
    sh('$c ps -aq | xargs -r $c rm -f');
  });

  after(() => rmSync(HOME, { recursive: true, force: true }));

  it('C1: a client whose reader leaves ends by SIGPIPE, and with --rm its container ends too', () => {
    const firstLine = (command: string) => {
      const { stdout, status } = sh(`set -o pipefail; $c ${command} | head -n1`);
      return { stdout, status };
    };
    const ended = { stdout: 'y\n', status: 128 + constants.signals.SIGPIPE };
    expect(firstLine('run --rm host yes')).to.deep.equal(ended);
    expect(states()).to.equal('');
    expect(firstLine('run --name stays host yes')).to.deep.equal(ended);
    expect(states()).to.equal('stays running\n');
    for (const command of ['attach stays', 'logs -f stays', 'exec stays yes'])
      expect(firstLine(command), command).to.deep.equal(ended);
  });

  it('C1: a client ends whose disk is full or whose terminal hangs up, and with --rm its container ends too', async () => {
    expect(sh('$c run --rm host yes >/dev/full').status).to.equal(1);
    expect(sh(`ulimit -f 8000; $c run --rm host yes >${HOME}/small`).status).to.equal(1);
    expect(states()).to.equal('');
    const withKeys = await inTerminal(['run', '--rm', '-it', 'host', 'cat']);
    const without = await inTerminal(['run', '--rm', 'host', 'sleep', '1000']);
    await eventually(() => expect(states().match(/running/g)).to.have.length(2));
    for (const { screen } of [withKeys, without]) screen.end();
    await eventually(() => expect(states()).to.equal(''));
  });

  it('C10: no command ends well when standard output cannot be written', async () => {
    sh('$c run -d --name box host sh -c "echo line; sleep 1000"; $c create --name old host true');
    const commands = [
      ...['--help', '--version', 'run --help', 'version', 'version --format json', 'info'],
      ...['completion bash', 'explain run host true', 'ps', 'ps -q', 'ps -a --format json'],
      ...['inspect box', 'inspect -f {{.Id}} box', 'logs box', 'stats --no-stream', 'top box'],
      ...['events --since 1h --until 0s', 'exec box echo', 'update -m 64m box', 'wait old'],
      ...['run --rm host echo', 'run -d host true', 'create host true', 'start old'],
    ];
    const failed = await Promise.all(
      commands.map(async (command) => {
        const tried = new Client(spawn('sh', ['-c', `exec ${CAISSON} ${command} >/dev/full`]));
        return `${command}: ${await tried.ended} ${tried.output}`;
      }),
    );
    const message = '1 caisson: standard output cannot be written: ENOSPC\n';
    expect(failed).to.deep.equal(commands.map((command) => `${command}: ${message}`));
    // What was asked for is done all the same.
    expect(sh('$c rm -f box old >/dev/full').status).to.equal(1);
    expect(states()).not.to.match(/^(box|old) /m);
  });

  it('C11: every client passes signals on, with a terminal and without', async function () {
    // Its clients are told of each signal in turn, which takes minutes where processors are emulated.
    if (slowness > 1) skip(this, 'this machine is too slow');
    const passed = ['HUP', 'INT', 'QUIT', 'TERM', 'CONT', 'USR1', 'USR2', 'ALRM', 'VTALRM'];
    const signals = [...passed, 'PROF', 'IO', 'PWR', 'STKFLT'].map((name) => `SIG${name}`);
    const numbers = signals.map((name) => constants.signals[name as NodeJS.Signals]);
    const program = `for s in ${numbers.join(' ')}; do trap "echo got-$s-" $s; done; while :; do echo alive; sleep 0.1; done`;
    const argv = ['host', 'sh', '-c', program];
    sh(`$c create --name idle ${argv.slice(0, 3).join(' ')} '${program}'`);
    sh(`$c create -it --name idle-t ${argv.slice(0, 3).join(' ')} '${program}'`);
    sh(`$c run -d --name busy ${argv.slice(0, 3).join(' ')} '${program}'`);
    sh(`$c run -dit --name busy-t ${argv.slice(0, 3).join(' ')} '${program}'`);
    const plain = [
      ['run', '--name', 'own', ...argv],
      ['start', '-a', 'idle'],
      ['attach', 'busy'],
    ];
    const withTerminal = [
      ['run', '-it', '--name', 'own-t', ...argv],
      ['start', '-ai', 'idle-t'],
      ['attach', 'busy-t'],
    ];
    const clients: { screen: Client; pid: number; name: string }[] = [];
    for (const words of plain) {
      const screen = client(words);
      clients.push({ screen, pid: screen.pid, name: words.slice(0, 2).join(' ') });
    }
    for (const words of withTerminal)
      clients.push({ ...(await inTerminal(words)), name: words.slice(0, 2).join(' ') });
    await Promise.all(
      clients.map(async ({ screen, pid }) => {
        await screen.said('alive');
        for (const signal of signals) screen.kill(signal as NodeJS.Signals, pid);
        for (const number of numbers) await screen.said(`got-${number}-`);
      }),
    );
    sh('$c kill own own-t idle idle-t busy busy-t');
    expect(await Promise.all(clients.map(({ screen }) => screen.ended))).to.deep.equal(
      clients.map(() => 137),
    );
  });

  it('C11: other commands take no notice of harmless signals, end by the others, and put the terminal back', async () => {
    sh('$c run -d --name box host sh -c "echo line; exec sleep 1000"');
    sh('$c run -d --name deaf --stop-timeout -1 host sleep 1000');
    const harmless = ['USR1', 'USR2', 'ALRM', 'VTALRM', 'PROF', 'IO', 'PWR', 'STKFLT'];
    const others = ['XCPU', 'XFSZ', 'WINCH', 'URG', 'CHLD', 'CONT'];
    const quiet = [...harmless, ...others].map((name) => `SIG${name}` as NodeJS.Signals);
    const table: readonly (readonly [string, string, Readonly<Record<string, Ending>>])[] = [
      [
        'exec box sh -c "echo on; exec sleep 99"',
        'on',
        { HUP: 'SIGHUP', INT: 'SIGINT', QUIT: 'SIGQUIT', TERM: 'SIGTERM' },
      ],
      [
        'exec -it box sh -c "echo on; exec sleep 99"',
        'on',
        { HUP: 129, INT: 130, QUIT: 131, TERM: 143 },
      ],
      [
        'run --sig-proxy=false -it --rm host sh -c "echo on; sleep 99"',
        'on',
        { HUP: 129, INT: 1, QUIT: 131, TERM: 1 },
      ],
      ['logs -f box', 'line', { INT: 0, TERM: 0 }],
      ['events --since 1h', 'container', { INT: 0, TERM: 0 }],
      ['stats', 'NAME', { INT: 0, TERM: 0 }],
      ['wait box', '', { HUP: 'SIGHUP', QUIT: 'SIGQUIT' }],
      ['stop deaf', '', { HUP: 'SIGHUP', QUIT: 'SIGQUIT' }],
    ];
    const attempts = table.flatMap(([command, sign, endings]) =>
      Object.entries(endings).map(([name, ending]) => ({ command, sign, name, ending })),
    );
    const failures = await Promise.all(
      attempts.map(async ({ command, sign, name, ending }) => {
        const tty = command.includes('-it');
        const words = (command.match(/"[^"]*"|\S+/g) ?? []).map((word) => word.replaceAll('"', ''));
        const started = tty ? await inTerminal(words) : undefined;
        const screen = started?.screen ?? client(words);
        const pid = started?.pid ?? screen.pid;
        await catches(pid, 'SIGUSR2');
        await screen.said(sign);
        for (const signal of quiet) screen.kill(signal, pid);
        // INT and TERM end a client that does not proxy only when they come for the third time.
        for (let times = ending === 1 ? 3 : 1; times > 0; times--) {
          screen.kill(`SIG${name}` as NodeJS.Signals, pid);
          if (times > 1) await eventually(() => expect(pending(pid)).to.equal(0n));
        }
        const ended = await screen.ended;
        const modes = screen.output.match(/[0-9a-f]+(?::[0-9a-f]+){20,}/g) ?? [];
        const restored = !tty || (modes.length === 2 && modes[0] === modes[1]);
        if (ended === ending && restored) return [];
        return [`${command}, ${name}: ${ended}, ${restored ? '' : 'terminal not '}restored`];
      }),
    );
    expect(failures.flat()).to.deep.equal([]);
    // Each exec has ended what it had begun, and only the clients of a container that runs with --rm end it.
    await eventually(() => expect(sh('$c top box').stdout.match(/sleep/g)).to.have.length(1));
    expect(states().split('\n').sort()).to.deep.equal(['', 'box running', 'deaf running']);
  });

  it('Statistics leave out containers that are removed meanwhile', async () => {
    const [, dataRoot = '', , runRoot = ''] = PLACES;
    const engine = await Engine.open({ dataRoot, runRoot });
    try {
      sh('$c run -d --name stays host sleep 1000');
      const clients = Array.from({ length: 4 }, () => client(['stats', '--all', '--no-stream']));
      const ended = Promise.all(clients.map((each) => each.ended));
      let over = false;
      void ended.then(() => (over = true));
      const replaceContainers = async () => {
        while (!over) await (await engine.create('host', ['true'])).remove();
      };
      await Promise.all([replaceContainers(), replaceContainers(), replaceContainers()]);
      expect(await ended, clients.map(({ output }) => output).join('')).to.deep.equal([0, 0, 0, 0]);
      for (const { output } of clients) expect(output).to.include('stays');
    } finally {
      await engine.close();
    }
  });

  it("C11: USR1 does not open Node's inspector in any command, at any time", async function () {
    // A client that is signalled without a pause hardly gets on where processors are emulated.
    if (slowness > 1) skip(this, 'this machine is too slow');
    const commands = ['run --rm host sleep 0.2', 'ps', 'events --since 1s --until 1s', 'version'];
    for (const command of commands) {
      const tried = client(command.split(' '));
      await catches(tried.pid, 'SIGUSR1');
      let over = false;
      void tried.ended.then(() => (over = true));
      while (!over) {
        try {
          tried.kill('SIGUSR1');
        } catch {
          break;
        }
        await new Promise((resolve) => setTimeout(resolve, 1)); // a signal for each millisecond
      }
      expect(await tried.ended, tried.output).to.equal(0);
      expect(tried.output).not.to.include('Debugger listening');
    }
  });
});

/** Signals that are on their way to the process. */
function pending(pid: number): bigint {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return BigInt(`0x${/^ShdPnd:\t(\w+)$/m.exec(status)?.[1] ?? '0'}`);
}
