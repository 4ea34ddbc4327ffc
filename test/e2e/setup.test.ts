/** What has to be installed is said before it is, and only by commands that are for it. */
import { expect } from 'chai';
import { spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

describe('scripts/setup', () => {
  /** Before the commands of this machine: a compiler that finds no headers, and an apt-get that fails and says so. */
  let commands: string;

  before(async () => {
    commands = await mkdtemp(join(tmpdir(), 'caisson-commands-'));
    const script = (name: string, text: string) =>
      writeFile(join(commands, name), `#!/bin/sh\n${text}\n`, { mode: 0o755 });
    await script('g++', 'exit 1');
    await script('apt-get', 'echo "apt-get was called: $*" >&2; exit 1');
    await script('sudo', 'exec "$@"');
  });
  after(() => rm(commands, { recursive: true, force: true }));

  function run(command: string, ...args: readonly string[]) {
    const env = { ...process.env, PATH: `${commands}:${process.env['PATH']}` };
    const { status, stdout, stderr } = spawnSync(command, args, { env, encoding: 'utf8' });
    return { status, output: stdout + stderr };
  }

  it('Setup names the packages that it will install before it calls apt-get', () => {
    const { status, output } = run('scripts/setup', '--dev', '--tools-only');
    expect(output).to.match(
      /will install Debian packages.*: libseccomp-dev libc6-dev zlib1g-dev libzstd-dev\n(.*\n)*apt-get was called/,
    );
    expect(status).to.equal(1);
  });

  it('A check names what is missing and what installs it, and installs nothing', () => {
    const { status, output } = run('scripts/setup', '--check', '--dev');
    expect(output).to.match(
      /^missing Debian packages: libseccomp-dev libc6-dev zlib1g-dev libzstd-dev\n/,
    );
    expect(output).to.include('`npm run setup`').and.include('scripts/test');
    expect(output).not.to.include('apt-get was called');
    expect(status).to.equal(1);
  });

  it('A check succeeds silently where nothing is missing', () => {
    const { status, stdout, stderr } = spawnSync('scripts/setup', ['--check', '--dev'], {
      encoding: 'utf8',
    });
    expect({ status, output: stdout + stderr }).to.deep.equal({ status: 0, output: '' });
  });

  for (const name of ['test', 'lint', 'format'])
    it(`The command npm run ${name} fails with what is missing and does not install it`, () => {
      const { status, output } = run('npm', 'run', '--silent', name);
      expect(output).to.include(
        'missing Debian packages: libseccomp-dev libc6-dev zlib1g-dev libzstd-dev',
      );
      expect(output).not.to.include('apt-get was called');
      expect(status).to.equal(1);
    });
});
