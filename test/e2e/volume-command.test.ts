/** `caisson volume` as people type it. */
import { expect } from 'chai';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { repository } from '../support/paths.js';

describe('caisson volume', function () {
  this.timeout(60_000);
  const directory = mkdtempSync(join(tmpdir(), 'caisson-test-'));
  const roots = ['--data-root', join(directory, 'data'), '--run-root', join(directory, 'run')];

  after(() => rmSync(directory, { recursive: true, force: true }));

  function volume(line: string, input = '') {
    return caisson(`volume ${line}`, input);
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

  afterEach(() => {
    const ids = caisson('ps -aq').stdout.split('\n').filter(Boolean).join(' ');
    if (ids !== '') caisson(`rm -fv ${ids}`);
    volume('prune -af');
  });

  it('Volumes are listed in Docker’s table', () => {
    expect(volume('ls').stdout).to.equal('DRIVER    VOLUME NAME\n');
    expect(volume('create web-10').stdout).to.equal('web-10\n');
    volume('create web-9 --label a=b');
    expect(volume('ls').stdout).to.equal(
      'DRIVER    VOLUME NAME\nlocal     web-9\nlocal     web-10\n',
    );
    expect(volume('list -q --filter label=a').stdout).to.equal('web-9\n');
    const { stdout } = volume('ls --format json -f name=web-9');
    expect(JSON.parse(stdout)).to.deep.equal({
      Availability: 'N/A',
      Driver: 'local',
      Group: 'N/A',
      Labels: 'a=b',
      Links: 'N/A',
      Mountpoint: join(directory, 'data/volumes/web-9/_data'),
      Name: 'web-9',
      Scope: 'local',
      Size: 'N/A',
      Status: 'N/A',
    });
    expect(volume('ls --format {{.Name}}:{{.Label "a"}}').stdout).to.equal('web-9:b\nweb-10:\n');
  });

  it('The command inspect prints what Docker prints', () => {
    volume('create -d local --label a=b -o type=tmpfs -o device=tmpfs -o o=size=1m data');
    const [shape] = JSON.parse(volume('inspect data').stdout) as Record<string, unknown>[];
    expect(shape).to.have.all.keys('CreatedAt Driver Labels Mountpoint Name Options Scope'.split(' ')); // prettier-ignore
    expect(shape).to.deep.include({
      Driver: 'local',
      Labels: { a: 'b' },
      Name: 'data',
      Options: { type: 'tmpfs', device: 'tmpfs', o: 'size=1m' },
      Scope: 'local',
    });
    expect(shape?.['CreatedAt']).to.match(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
    expect(volume('inspect -f {{.Name}} data').stdout).to.equal('data\n');
    expect(caisson('inspect --type volume -f {{.Driver}} data').stdout).to.equal('local\n');
    expect(caisson('inspect -f {{.Driver}} data').stdout).to.equal('local\n');
    const name = volume('create').stdout.trim();
    expect(name).to.match(/^[0-9a-f]{64}$/);
    const labels = volume(`inspect -f {{json .Labels}} ${name}`);
    expect(labels.stdout).to.equal('{"com.docker.volume.anonymous":""}\n');
  });

  it('Errors are those of Docker, with its exit code', () => {
    volume('create data');
    const id = caisson('create -v data:/data host true').stdout.trim();
    const errors: readonly (readonly [string, RegExp])[] = [
      ['inspect nope', /get nope: no such volume/],
      ['rm nope', /get nope: no such volume/],
      ['rm data', new RegExp(`remove data: volume is in use - \\[${id}\\]`)],
      ['create x', /too short for the name of a volume/],
      ['create .x', /not the name of a volume/],
      ['create -d nfs data', /"nfs" is not supported/],
      ['create -o size=1g data2', /quota/],
      ['create -o type=tmpfs data2', /missing required option/],
      ['ls -f nope=x', /invalid filter 'nope'/],
    ];
    for (const [line, text] of errors) {
      const { status, stderr } = volume(line);
      expect(stderr, line).to.match(text);
      expect(status, line).to.equal(1);
    }
    const { stdout, status } = volume('rm -f nope');
    expect([stdout, status]).to.deep.equal(['nope\n', 0]);
  });

  it('The command prune asks, and removes the anonymous volumes, or all', () => {
    volume('create data');
    const name = volume('create').stdout.trim();
    const asked = volume('prune', 'n\n');
    expect(asked.stdout).to.match(
      /^WARNING! This will remove anonymous local volumes not used by at least one container\.\n/,
    );
    expect(volume('ls -q').stdout.split('\n')).to.include(name);
    expect(volume('prune', 'y\n').stdout).to.match(
      new RegExp(`Deleted Volumes:\n${name}\n\nTotal reclaimed space: \\S+\n$`),
    );
    expect(volume('prune -f').stdout).to.equal('Total reclaimed space: 0B\n');
    expect(volume('prune -af --filter label!=keep').stdout).to.match(/^Deleted Volumes:\ndata\n/);
  });

  it('A container has volumes by their names, and without any', () => {
    const id = caisson('create --name box -v data:/data:ro -v /anon --mount type=volume,src=more,dst=/more host true').stdout.trim(); // prettier-ignore
    expect(caisson('ps -aq --no-trunc --filter volume=more').stdout).to.equal(`${id}\n`);
    expect(caisson('ps -aq --filter volume=nope').stdout).to.equal('');
    const { stdout } = caisson('inspect -f {{range .Mounts}}{{.Type}},{{.Name}},{{.Destination}},{{.Driver}},{{.Mode}},{{.RW}};{{end}} box'); // prettier-ignore
    expect(stdout).to.match(/^volume,data,\/data,local,ro,false;volume,[0-9a-f]{64},\/anon,local,,true;volume,more,\/more,local,z,true;\n$/); // prettier-ignore
    expect(caisson('inspect -f {{json .HostConfig.Binds}}{{json .Config.Volumes}} box').stdout).to.equal('["data:/data:ro"]{"/anon":{}}\n'); // prettier-ignore
    caisson('rm -v box');
    expect(volume('ls -q').stdout).to.equal('data\nmore\n');
  });
});
