/** What comparing with Docker has found (docs/docker-parity.md), kept. */
import { expect } from 'chai';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const BIN = fileURLToPath(new URL('../../../bin/caisson', import.meta.url));

describe("Docker's words", function () {
  this.timeout(60_000);
  let dir: string;
  let roots: readonly string[];

  const caisson = (...args: string[]) => {
    const { status, stdout, stderr } = spawnSync(BIN, [...roots, ...args], { encoding: 'utf8' });
    return { status, stdout, stderr };
  };

  before(() => {
    dir = mkdtempSync(join(tmpdir(), 'caisson-words-'));
    roots = ['--data-root', join(dir, 'data'), '--run-root', join(dir, 'run')];
    const up = ['run', '-d', '--name', 'up', '-m', '64m', 'host', 'sh', '-c', 'echo a; sleep 60'];
    expect(caisson(...up).status).to.equal(0);
  });
  after(() => {
    const ids = caisson('ps', '-aq').stdout.split('\n').filter(Boolean);
    if (ids.length > 0) caisson('rm', '-f', ...ids);
    rmSync(dir, { recursive: true, force: true });
  });

  it('The flag -v makes the directory that it names', () => {
    expect(caisson('run', '--rm', '-v', `${dir}/made/deep:/x`, 'host', 'true').status).to.equal(0);
    expect(existsSync(`${dir}/made/deep`)).to.equal(true);
  });

  it('A run with -d that fails prints the id of what could not be started', () => {
    const { status, stdout } = caisson('run', '-d', 'host', '/no/such');
    expect(status).to.equal(127);
    const id = stdout.trim();
    expect(caisson('inspect', '-f', '{{.Id}} {{.State.Status}}', id).stdout).to.equal(
      `${id} created\n`,
    );
  });

  it("The flag --env-file is caisson's and not Node's", () => {
    const { status, stderr } = caisson('run', '--rm', '--env-file', '/no/such', 'host', 'true');
    expect(status).to.equal(125);
    expect(stderr).to.match(/^caisson: env-file: "\/no\/such" does not exist/);
  });

  it('Errors distinguish what cannot be read from what is not wanted', () => {
    for (const [status, ...args] of [
      [125, 'create', '-m', 'lots', 'host', 'true'],
      [125, 'create', '--ulimit', 'nosuch=1', 'host', 'true'],
      [1, 'create', '-m', '1k', 'host', 'true'],
      [1, 'create', '--restart', 'nosuch', 'host', 'true'],
      [125, 'update', '-m', 'lots', 'up'],
      [125, 'ps', '--filter', 'nonsense'],
      [1, 'ps', '--filter', 'nosuch=1'],
      [1, 'ps', '--format', '{{.Nope}}'],
      [1, 'inspect', '-f', '{{.State.Nope}}', 'up'],
      [64, 'inspect', '-f', '{{', 'up'],
      [126, 'exec', '-w', '/no/such', 'up', 'true'],
      [126, 'exec', '-u', 'nosuch', 'up', 'true'],
      [1, 'exec', 'nosuch', 'true'],
    ] as const)
      expect(caisson(...args).status, args.join(' ')).to.equal(status);
  });

  it('The command inspect shows limits and logs as Docker does', () => {
    expect(caisson('inspect', '-f', '{{json .HostConfig.RestartPolicy}}', 'up').stdout).to.equal(
      '{"Name":"no","MaximumRetryCount":0}\n',
    );
    expect(caisson('logs', '-n', '-1', 'up').stdout).to.equal('a\n');
    expect(caisson('logs', '--details', 'up').stdout).to.equal(' a\n');
    expect(caisson('version', '-f', '{{.Client.Version}}').stdout).to.match(/^\d+\.\d+\.\d+\n$/);
  });

  it('The events tell of a kill before its consequences, and of execs', () => {
    const since = String(Math.floor(Date.now() / 1000));
    caisson('run', '-d', '--name', 'told', 'host', 'sleep', '60');
    caisson('exec', 'told', 'true');
    caisson('kill', 'told');
    const until = (Date.now() / 1000 + 0.001).toFixed(3);
    const range = ['--since', since, '--until', until, '--filter', 'container=told'];
    expect(caisson('events', ...range, '--format', '{{.Action}}').stdout.split('\n')).to.deep.equal(
      ['create', 'start', 'exec_create: true ', 'exec_start: true ', 'exec_die', 'kill', 'die', ''],
    );
  });

  it('The command starts after a boot what is to start then', () => {
    const made = {
      'boot-always': 'always',
      'boot-unless': 'unless-stopped',
      'boot-stopped': 'unless-stopped',
      'boot-no': 'no',
    };
    for (const [name, policy] of Object.entries(made))
      caisson('run', '-d', '--name', name, '--restart', policy, 'host', 'sleep', '60');
    caisson('stop', '-t', '0', 'boot-stopped');
    // As if the power had failed: no process had time to write anything, and the boot id is another.
    for (const name of ['boot-always', 'boot-unless', 'boot-no']) {
      const path = caisson('inspect', '-f', '{{.LogPath}}', name).stdout.trim();
      const file = join(dirname(path), 'state.json');
      const state = JSON.parse(readFileSync(file, 'utf8')) as { supervisor: string };
      const [pid = '', start = ''] = state.supervisor.split(' ');
      process.kill(Number(pid), 'SIGKILL');
      const supervisor = `${pid} ${start} 00000000-0000-0000-0000-000000000000`;
      writeFileSync(file, JSON.stringify({ ...state, supervisor }));
    }
    const started = caisson('start', '--all', '--filter', 'should-start-on-boot=true');
    expect(started).to.deep.equal({ status: 0, stdout: 'boot-always\nboot-unless\n', stderr: '' });
    const names = caisson('ps', '-f', 'name=boot-', '--format', '{{.Names}}').stdout;
    expect(names).to.equal('boot-unless\nboot-always\n');
    expect(caisson('start', '--all', 'up').stderr).to.match(/--all and --filter exclude names/);
    expect(caisson('start').stderr).to.match(/requires at least 1 argument/);
  });

  it('Line feeds of the container are left to the container', () => {
    const command = [BIN, ...roots, 'run', '--rm', '-it', 'host', 'echo', 'line'].join(' ');
    const { stdout } = spawnSync('script', ['-qec', command, '/dev/null'], {
      encoding: 'utf8',
      input: '',
    });
    expect(stdout).to.match(/line\r\n/);
  });
});
