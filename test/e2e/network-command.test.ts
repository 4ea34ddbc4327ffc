/** `caisson network` as people type it. */
import { expect } from 'chai';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { needsRoot } from '../support/needs.js';
import { fixture, repository } from '../support/paths.js';

const rights = needsRoot('networks with a bridge');

rights.describe('caisson network', () => {
  const directory = mkdtempSync(join(tmpdir(), 'caisson-test-'));
  const roots = ['--data-root', join(directory, 'data'), '--run-root', join(directory, 'run')];

  after(() => rmSync(directory, { recursive: true, force: true }));

  function network(line: string, input = '') {
    return caisson(`network ${line}`, input);
  }

  /** Words in braces stay together. */
  function caisson(line: string, input = '') {
    const words = line.match(/(?:\{\{.*\}\}|\S)+/g) ?? [];
    const args = [...roots, ...words];
    const { status, stdout, stderr } = spawnSync(join(repository, 'bin/caisson'), args, {
      input,
      encoding: 'utf8',
    });
    return { status, stdout, stderr };
  }

  it('Networks are listed in Docker’s table', () => {
    const { stdout, status } = network('ls');
    expect(status).to.equal(0);
    const lines = stdout.trimEnd().split('\n');
    expect(lines[0]).to.equal('NETWORK ID     NAME      DRIVER    SCOPE');
    expect(lines.slice(1).map((line) => line.replace(/^\w{12} +/, ''))).to.deep.equal([
      'bridge    bridge    local',
      'host      host      local',
      'none      null      local',
    ]);
    expect(network('list --no-trunc -q').stdout).to.match(/^(?:[0-9a-f]{64}\n){3}$/);
  });

  it('A network has what its flags say', () => {
    const flags =
      '--subnet 10.213.0.0/16 --gateway 10.213.0.9 --ip-range 10.213.4.0/24 --aux-address a=10.213.0.5 --ipv6 ' +
      '--internal --attachable --label x=y -o com.docker.network.driver.mtu=1400 -d bridge';
    const { stdout, stderr } = network(`create ${flags} web`);
    expect(stderr).to.equal('');
    expect(stdout).to.match(/^[0-9a-f]{64}\n$/);
    const [shape] = JSON.parse(network('inspect web').stdout) as Record<string, unknown>[];
    expect(shape).to.deep.include({
      Name: 'web',
      Id: stdout.trim(),
      EnableIPv6: true,
      Internal: true,
      Attachable: true,
      Labels: { x: 'y' },
      Options: { 'com.docker.network.driver.mtu': '1400' },
    });
    const ipam = network('inspect -f {{range .IPAM.Config}}{{.Subnet}},{{.IPRange}},{{.Gateway}};{{end}} web'); // prettier-ignore
    expect(ipam.stdout).to.match(/^10\.213\.0\.0\/16,10\.213\.4\.0\/24,10\.213\.0\.9;fd[0-9a-f:]+::\/64,,fd[0-9a-f:]+::1;\n$/); // prettier-ignore
    expect(network('rm web').stdout).to.equal('web\n');
  });

  it('Errors are those of Docker, with its exit code', () => {
    network('create web');
    const errors: readonly (readonly [string, RegExp])[] = [
      ['create web', /^caisson: network with name web already exists\n/],
      ['create bridge', /^caisson: operation is not permitted on predefined bridge network\n/],
      ['create a b', /^caisson: "caisson network create" requires exactly 1 argument\n/],
      ['create --gateway 10.1.0.1 x', /every ip-range or gateway must have a corresponding subnet/],
      ['create --subnet 10.1.0.1/16 x', /it should be 10\.1\.0\.0\/16/],
      ['inspect nope', /^caisson: network nope not found\n/],
      ['rm nope', /^caisson: network nope not found\n/],
      ['rm none', /^caisson: none is a pre-defined network and cannot be removed\n/],
      ['ls --filter x=1', /^caisson: invalid filter 'x'\n/],
      ['ls --format {{.Nope}}', /can't evaluate field Nope/],
      ['inspect -f {{.Nope}} web', /can't evaluate field Nope/],
      ['connect web box', /^caisson: No such container: box\n/],
    ];
    for (const [line, text] of errors) {
      const { status, stderr } = network(line);
      expect(stderr, line).to.match(text);
      expect(status, line).to.equal(1);
    }
    expect(network('create --scope local x').status).to.equal(125);
    expect(network('rm -f nope')).to.deep.equal({ status: 0, stdout: '', stderr: '' });
    expect(network('rm web nope').stdout).to.equal('web\n');
  });

  it('The command inspect finds networks, too, after containers and if the type says so', () => {
    network('create web');
    expect(caisson('inspect -f {{.Name}} web').stdout).to.equal('web\n');
    expect(caisson('inspect --type network -f {{.Driver}} none').stdout).to.equal('null\n');
    const asked: readonly (readonly [string, RegExp])[] = [
      ['inspect --type container web', /^caisson: No such container: web\n/],
      ['container inspect web', /^caisson: No such container: web\n/],
      ['inspect nope', /^caisson: No such container: nope\n/],
      ['inspect --type network nope', /^caisson: network nope not found\n/],
      ['inspect --type secret web', /^caisson: "secret" is not a known type of object/],
    ];
    for (const [line, text] of asked) {
      const { status, stderr } = caisson(line);
      expect(stderr, line).to.match(text);
      expect(status, line).to.equal(1);
    }
    network('rm web');
  });

  it('A container on the network of the host, or on none, names it with its id', () => {
    const NETWORK_ID = '-f {{range .NetworkSettings.Networks}}{{.NetworkID}}{{end}}';
    for (const name of ['host', 'none']) {
      expect(caisson(`create --network ${name} --name on-${name} host true`).status).to.equal(0);
      const { stdout } = network(`inspect -f {{.Id}} ${name}`);
      expect(stdout).to.match(/^[0-9a-f]{64}\n$/);
      expect(caisson(`inspect ${NETWORK_ID} on-${name}`).stdout).to.equal(stdout);
      expect(caisson(`rm on-${name}`).status).to.equal(0);
    }
  });

  it('The word network alone prints the help as an error, and a malformed template ends with 64', () => {
    const help = caisson('network');
    expect(help).to.deep.include({ status: 0, stdout: '' });
    expect(help.stderr).to.match(/^Usage: caisson network COMMAND/);
    expect(caisson('network --help').stdout).to.equal(help.stderr);
    const malformed = network('inspect -f {{ none');
    expect(malformed).to.deep.include({ status: 64, stdout: '' });
    expect(malformed.stderr).to.match(/^caisson: template parsing error: /);
  });

  it('Addresses that a killed process has claimed are freed by prune', () => {
    network('create web');
    const fixtureArgs = [
      fixture('claim-addresses'),
      join(directory, 'data'),
      join(directory, 'run'),
      'web',
      '3',
    ];
    expect(spawnSync(process.execPath, fixtureArgs, { encoding: 'utf8' }).status).to.equal(0);
    const [id = ''] = readdirSync(join(directory, 'run/networks')).filter(
      (name) => name.length === 64,
    );
    const claims = () => readdirSync(join(directory, 'run/networks', id));
    expect(claims()).to.have.length(3);
    const prune = [...roots, 'prune', '-f'];
    const { status, stdout } = spawnSync(join(repository, 'bin/caisson'), prune, { encoding: 'utf8' }); // prettier-ignore
    expect({ status, stdout }).to.deep.equal({ status: 0, stdout: 'Total reclaimed space: 0B\n' });
    expect(claims()).to.deep.equal([]);
    network('rm web');
  });

  it('Unused networks are pruned after a question', () => {
    network('create one');
    network('create two');
    const { stdout, status } = network('prune', 'n\n');
    expect(stdout).to.equal(
      'WARNING! This will remove all custom networks not used by at least one container.\nAre you sure you want to continue? [y/N] ',
    );
    expect(status).to.equal(0);
    expect(network('prune', 'y\n').stdout).to.match(/\[y\/N\] Deleted Networks:\n(?:one\ntwo|two\none)\n\n$/); // prettier-ignore
    expect(network('prune -f')).to.deep.equal({ status: 0, stdout: '', stderr: '' });
    expect(network('ls -q --filter type=custom').stdout).to.equal('');
  });
});
