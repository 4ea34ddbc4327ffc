/** `bin/caisson` as people type it, on real containers of the `host` image. */
import { expect } from 'chai';
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { skip } from '../support/skip.js';

const BIN = fileURLToPath(new URL('../../../bin/caisson', import.meta.url));

interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** What is kept is kept here, and goes with the last test. */
const HOME = mkdtempSync(join(tmpdir(), 'caisson-cli-home-'));
const PLACES = ['--data-root', join(HOME, 'data'), '--run-root', join(HOME, 'run')];

after(() => {
  const left = caisson(['ps', '-aq']).stdout.split('\n').filter(Boolean);
  if (left.length > 0) caisson(['rm', '-f', ...left]);
  rmSync(HOME, { recursive: true, force: true });
});

function caisson(args: readonly string[], input = '', env: NodeJS.ProcessEnv = process.env): Ended {
  const { status, stdout, stderr } = spawnSync(BIN, [...PLACES, ...args], {
    input,
    env,
    encoding: 'utf8',
    maxBuffer: 2 ** 26,
  });
  return { status, stdout, stderr };
}

/** The same with a terminal around it, whose output is all in one. */
function inTerminal(command: string): Ended {
  const { status, stdout, stderr } = spawnSync(
    'script',
    ['-qec', `stty cols 101 rows 33; ${command}`, '/dev/null'],
    { encoding: 'utf8', input: '' },
  );
  return { status, stdout: stdout.replace(/\r+\n/g, '\n'), stderr };
}

describe('caisson: the command itself', () => {
  it('The command shows its help, and the help of its commands', () => {
    for (const args of [
      [],
      ['--help'],
      ['help'],
      ['run', '--help'],
      ['explain', 'run', '--help'],
      ['version', '--help'],
    ]) {
      const { status, stdout } = caisson(args);
      expect(status, args.join(' ')).to.equal(0);
      expect(stdout).to.match(/^Usage: caisson/);
    }
    expect(caisson([]).stdout).to.include('Examples:');
  });

  it('The command prints its version', () => {
    expect(caisson(['--version']).stdout).to.match(/^caisson version \d+\.\d+\.\d+\n$/);
    expect(JSON.parse(caisson(['version', '--format', 'json']).stdout)).to.include.keys(
      'version',
      'node',
      'kernel',
    );
  });

  it('The command prints the script by which shells complete words', () => {
    const { status, stdout } = caisson(['completion', 'bash']);
    expect(status).to.equal(0);
    const script = `${stdout}\nCOMP_WORDS=(caisson run --res) COMP_CWORD=2; _caisson; echo "\${COMPREPLY[@]}"`;
    expect(spawnSync('bash', ['-c', script], { encoding: 'utf8' }).stdout).to.equal('--restart\n');
  });

  it('The commands of containers may have the word container before them', () => {
    expect(caisson(['container', 'run', '--rm', 'host', 'echo', 'hi'])).to.deep.include({
      status: 0,
      stdout: 'hi\n',
    });
    expect(caisson(['container', '--help']).stdout).to.match(/^Usage: caisson container COMMAND/);
  });

  it('The command makes cgroups itself where that is asked for, also on a machine with systemd', () => {
    const make = ['--cgroup-manager', 'cgroupfs', 'create', 'host', 'true'];
    const id = caisson(make).stdout.trim();
    expect(readFileSync(join(HOME, 'data/containers', id, 'config.json'), 'utf8')).not.to.include(
      'cgroupSlice',
    );
    expect(caisson(['start', '-a', id])).to.deep.include({ status: 0, stderr: '' });
    expect(caisson(['rm', id])).to.deep.include({ status: 0 });
  });

  it("The command ends with Docker's codes for mistakes", () => {
    expect(caisson(['nope'])).to.deep.include({ status: 1 });
    expect(caisson(['system', 'nope'])).to.deep.include({ status: 1 });
    expect(caisson(['run'])).to.deep.include({ status: 1 });
    expect(caisson(['--nope'])).to.deep.include({ status: 125 });
    expect(caisson(['--cgroup-manager', 'nope', 'ps'])).to.deep.include({ status: 125 });
    expect(caisson(['run', '--nope', 'host'])).to.deep.include({ status: 125 });
    expect(caisson(['run', '-P', 'host'])).to.deep.include({ status: 125 });
    expect(caisson(['create', '-p', 'nonsense', 'host'])).to.deep.include({ status: 125 });
    expect(caisson(['container', 'nope'])).to.deep.include({ status: 1 });
    expect(caisson(['completion', 'csh'])).to.deep.include({ status: 125 });
    expect(caisson(['completion'])).to.deep.include({ status: 1 });
    expect(caisson(['run', '-d', '-a', 'stdout', 'host'])).to.deep.include({ status: 125 });
    const { status, stderr } = caisson(['run', '-m']);
    expect(status).to.equal(125);
    expect(stderr).to.match(
      /^caisson: flag needs an argument: 'm' in -m\n\nUsage: {2}caisson run /,
    );
  });
});

describe('caisson run', () => {
  let dir: string;

  before(function () {
    if (process.geteuid?.() !== 0)
      skip(this, 'needs root: the command line has root’s directories');
    dir = mkdtempSync(join(tmpdir(), 'caisson-cli-'));
  });

  after(() => {
    if (dir !== undefined) rmSync(dir, { recursive: true });
  });

  it('A run passes on what the program writes and how it ends', () => {
    const ended = caisson(['run', '--rm', 'host', 'sh', '-c', 'echo out; echo err >&2; exit 7']);
    expect(ended).to.deep.equal({ status: 7, stdout: 'out\n', stderr: 'err\n' });
    expect(
      caisson(['run', 'host', 'sh', '-c', 'kill -9 $$ ; kill -TERM 1; exit 3']).status,
    ).to.equal(3);
    expect(caisson(['run', '--init', 'host', 'sh', '-c', 'kill -9 $$']).status).to.equal(137);
  });

  it('A run ends with 125, 126 or 127 when it cannot start, and leaves no cidfile without a container', () => {
    const cid = join(dir, 'failed');
    for (const [status, args] of [
      [125, ['-m', '1x', 'host', 'true']],
      [125, ['-m', '1k', 'host', 'true']],
      [125, ['--cpuset-cpus', '4095', 'host', 'true']],
      [125, ['-u', 'no-such-user', 'host', 'true']],
      [125, ['--mount', 'type=bind,source=/no/such/source,target=/x', 'host', 'true']],
      [125, ['-e', '=x', 'host', 'true']],
      [125, ['-h', 'a b', 'host', 'true']],
      [125, ['--pull', 'never', 'no-such-image', 'true']],
      [125, ['--rootfs', '/no/such/root', 'true']],
      [126, ['host', '/etc']],
      [127, ['host', 'no-such-command']],
    ] as const) {
      const ended = caisson(['run', '--rm', '--cidfile', cid, ...args]);
      expect(ended.status, args.join(' ')).to.equal(status);
      expect(ended.stderr, args.join(' ')).to.match(/^caisson: /);
      expect(existsSync(cid), args.join(' ')).to.equal(false);
    }
  });

  it('A run writes the id to a new file only', () => {
    const cid = join(dir, 'cid');
    const { stdout } = caisson(['run', '--cidfile', cid, 'host', 'hostname']);
    const id = readFileSync(cid, 'utf8');
    expect(id).to.match(/^[0-9a-f]{64}$/);
    expect(stdout).to.equal(`${id.slice(0, 12)}\n`);
    expect(caisson(['run', '--cidfile', cid, 'host', 'true'])).to.deep.include({ status: 125 });
    expect(readFileSync(cid, 'utf8')).to.equal(id);
  });

  it('A run gives the program its input with -i only', () => {
    expect(caisson(['run', '-i', 'host', 'cat'], 'hello').stdout).to.equal('hello');
    expect(caisson(['run', 'host', 'cat'], 'hello').stdout).to.equal('');
    expect(
      caisson(['run', '-a', 'stderr', 'host', 'sh', '-c', 'echo out; echo err >&2']),
    ).to.deep.include({
      stdout: '',
      stderr: 'err\n',
    });
  });

  it('The program has the environment that was asked for and nothing else', () => {
    const file = join(dir, 'vars');
    writeFileSync(file, '# comment\nFROM_FILE=1\nFROM_CALLER\n');
    const env = { ...process.env, FROM_CALLER: 'c', SECRET: 's', NAMED: 'n' };
    const { stdout } = caisson(
      ['run', '--env-file', file, '-e', 'NAMED', '-e', 'A=b c', 'host', 'env'],
      '',
      env,
    );
    const names = stdout.trim().split('\n').sort();
    expect(names.filter((line) => !/^(?:PATH|HOSTNAME|HOME)=/.test(line))).to.deep.equal([
      'A=b c',
      'FROM_CALLER=c',
      'FROM_FILE=1',
      'NAMED=n',
    ]);
  });

  it("A run binds a directory that is named relative to the caller's", () => {
    mkdirSync(join(dir, 'src'));
    writeFileSync(join(dir, 'src', 'file'), 'content');
    const { stdout, status } = spawnSync(
      BIN,
      [
        ...PLACES,
        'run',
        '-v',
        './src:/mnt/src:ro',
        'host',
        'sh',
        '-c',
        'cat /mnt/src/file; touch /mnt/src/x',
      ],
      {
        cwd: dir,
        encoding: 'utf8',
      },
    );
    expect(stdout).to.equal('content');
    expect(status).to.equal(1);
  });

  it('A program does not take pipes for a terminal, and loses no output', () => {
    expect(caisson(['run', 'host', 'sh', '-c', 'test -t 1 || echo pipe']).stdout).to.equal(
      'pipe\n',
    );
    expect(caisson(['run', 'host', 'seq', '1', '200000']).stdout).to.have.length(1_288_895);
  });

  it('A run passes signals on', async () => {
    const child = spawn(BIN, [
      ...PLACES,
      'run',
      'host',
      'sh',
      '-c',
      'trap "echo got; exit 5" USR1; echo ready; while :; do sleep 0.1; done',
    ]);
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString();
      if (output === 'ready\n') child.kill('SIGUSR1');
    });
    const status = await new Promise((resolve) => child.on('close', resolve));
    expect(status).to.equal(5);
    expect(output).to.equal('ready\ngot\n');
  });

  it('A health check runs in the container as its flags say', async () => {
    const flags = ['--health-cmd', 'test ! -e /tmp/ill', '--health-interval', '100ms'];
    const more = ['--health-retries', '1', '--health-timeout', '10s', '--name', 'patient'];
    expect(caisson(['run', '-d', ...flags, ...more, 'host', 'sleep', '1000']).status).to.equal(0);
    const list = (health: string) =>
      caisson(['ps', '--filter', `health=${health}`, '--format', '{{.Names}} {{.Status}}']).stdout;
    const until = async (health: string) => {
      for (let look = 0; list(health) === '' && look < 100; look++)
        await new Promise((resolve) => setTimeout(resolve, 50)); // between two looks
      return list(health);
    };
    expect(await until('healthy')).to.match(/^patient Up .* \(healthy\)\n$/);
    expect(list('none')).to.equal('');
    expect(caisson(['exec', 'patient', 'touch', '/tmp/ill']).status).to.equal(0);
    expect(await until('unhealthy')).to.match(/^patient Up .* \(unhealthy\)\n$/);
    const format = '{{.State.Health.Status}} {{json .Config.Healthcheck}}';
    expect(caisson(['inspect', '--format', format, 'patient']).stdout).to.equal(
      'unhealthy {"Test":["CMD-SHELL","test ! -e /tmp/ill"],"Interval":100000000,' +
        '"Timeout":10000000000,"Retries":1}\n',
    );
    expect(caisson(['rm', '-f', 'patient']).status).to.equal(0);
    const refused = caisson(['run', '--rm', '--no-healthcheck', ...flags, 'host', 'true']);
    expect(refused.status).to.equal(125);
    expect(refused.stderr).to.include('--no-healthcheck conflicts with --health-* options');
  });

  it('A run draws the timeline on stderr', () => {
    const { stdout, stderr } = caisson(['run', '--trace', 'host', 'echo', 'x']);
    expect(stdout).to.equal('x\n');
    expect(stderr).to.match(/in all\n$/);
  });

  it('The command explain shows the steps and runs nothing', () => {
    const { status, stdout } = caisson([
      'explain',
      'run',
      '-m',
      '64m',
      '-h',
      'box',
      'host',
      'true',
    ]);
    expect(status).to.equal(0);
    expect(stdout).to.match(/box/);
    expect(stdout).to.match(/67108864/);
  });
});

describe('caisson run -t', () => {
  before(function () {
    if (process.geteuid?.() !== 0)
      skip(this, 'needs root: the command line has root’s directories');
  });

  it("A run with -t gives the program a terminal of its own, of the caller's size", () => {
    const { status, stdout } = inTerminal(
      `${BIN} ${PLACES.join(' ')} run -t host sh -c 'tty; stty size; exit 4'`,
    );
    expect(stdout).to.equal('/dev/pts/0\n33 101\n');
    expect(status).to.equal(4);
  });

  it("A run with -t restores the caller's terminal at its end", () => {
    const { stdout } = inTerminal(
      `stty -g; ${BIN} ${PLACES.join(' ')} run -it host true; stty -g; ${BIN} ${PLACES.join(' ')} run -it host no-such >/dev/null; stty -g`,
    );
    const states = stdout.match(/[0-9a-f]+(?::[0-9a-f]+){20,}/g) ?? [];
    expect(states).to.have.length(3);
    expect(new Set(states).size).to.equal(1);
  });

  it('The flags -it are refused without a terminal', () => {
    const { status, stderr } = caisson(['run', '-it', 'host', 'sh']);
    // As Docker, and unlike its other failures before the start.
    expect(status).to.equal(1);
    expect(stderr).to.include('the input device is not a TTY');
  });

  it('A run without -t does not pass the terminal itself on', () => {
    const { stdout } = inTerminal(
      `${BIN} ${PLACES.join(' ')} run host sh -c 'test -t 1 || echo none; test -t 0 || echo none'`,
    );
    expect(stdout).to.equal('none\nnone\n');
  });
});
