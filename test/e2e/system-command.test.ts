/** `caisson system` as people type it. */
import { expect } from 'chai';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { oldDockerImage, writeOldDockerArchive } from '../support/archives.js';
import { repository } from '../support/paths.js';

describe('caisson system', function () {
  this.timeout(60_000);
  const directory = mkdtempSync(join(tmpdir(), 'caisson-test-'));
  const roots = ['--data-root', join(directory, 'data'), '--run-root', join(directory, 'run')];
  const archive = writeOldDockerArchive(join(directory, 'old'), 'example/one:1', 1);
  const { id } = oldDockerImage(1);

  after(() => rmSync(directory, { recursive: true, force: true }));

  /** Words in braces stay together. */
  function caisson(line: string, input = '') {
    const words = line.match(/(?:\{\{.*\}\}|\S)+/g) ?? [];
    const { status, stdout, stderr } = spawnSync(
      join(repository, 'bin/caisson'),
      [...roots, ...words],
      { input, encoding: 'utf8' },
    );
    return { status, stdout, stderr };
  }

  it('The command df has Docker’s table, and one line for each kind as JSON', () => {
    expect(caisson('system df')).to.deep.equal({
      status: 0,
      stdout:
        'TYPE            TOTAL     ACTIVE    SIZE      RECLAIMABLE\n' +
        'Images          0         0         0B        0B\n' +
        'Containers      0         0         0B        0B\n' +
        'Local Volumes   0         0         0B        0B\n' +
        'Build Cache     0         0         0B        0B\n',
      stderr: '',
    });
    caisson(`load -i ${archive}`);
    caisson('volume create data');
    expect(caisson('system df').stdout).to.match(
      /\nImages {10}1 {9}0 {9}(\d\d\.\d\dkB) {3}\1 \(100%\)\n/,
    );
    const container = caisson('create -v data:/data example/one:1').stdout.trim();
    expect(caisson('system df').stdout).to.match(
      /\nImages {10}1 {9}1 {9}\d\d\.\d\dkB {3}0B \(0%\)\nContainers {6}1 {9}0 {9}0B {8}0B\nLocal Volumes {3}1 {9}1 /,
    );
    const lines = caisson('system df --format json').stdout.trim().split('\n');
    expect(lines.map((line) => (JSON.parse(line) as { Type: string }).Type)).to.deep.equal([
      'Images',
      'Containers',
      'Local Volumes',
      'Build Cache',
    ]);
    expect(Object.keys(JSON.parse(lines[0] ?? '') as object)).to.deep.equal(
      'Active Reclaimable Size TotalCount Type'.split(' '),
    );
    expect(caisson('system df --format {{.Type}}={{.TotalCount}}').stdout).to.equal(
      'Images=1\nContainers=1\nLocal Volumes=1\nBuild Cache=0\n',
    );
    caisson(`rm ${container}`);
  });

  it('With --verbose it lists each image, container and volume', () => {
    const container = caisson('create -v data:/data --name box example/one:1').stdout.trim();
    const tables = caisson('system df -v').stdout.split('\n\n');
    expect(tables.map((table) => table.split('\n')[0]?.replaceAll(/ {2,}/g, '|'))).to.deep.equal([
      'Images space usage:',
      'REPOSITORY|TAG|IMAGE ID|CREATED|SIZE|SHARED SIZE|UNIQUE SIZE|CONTAINERS',
      'Containers space usage:',
      'CONTAINER ID|IMAGE|COMMAND|LOCAL VOLUMES|SIZE|CREATED|STATUS|NAMES',
      'Local Volumes space usage:',
      'VOLUME NAME|LINKS|SIZE',
      'Build cache usage: 0B',
      'CACHE ID|CACHE TYPE|SIZE|CREATED|LAST USED|USAGE|SHARED',
    ]);
    expect(tables[1]).to.match(
      new RegExp(
        `\nexample/one +1 +${id.slice(7, 19)} +.* ago +\\d\\d\\.\\dkB +0B +\\d\\d\\.\\d\\dkB +1$`,
      ),
    );
    expect(tables[3]).to.match(new RegExp(`\n${container.slice(0, 12)} +example/one:1 +.* +1 +0B +.* +Created +box$`)); // prettier-ignore
    expect(tables[5]).to.match(/\ndata {10}1 {9}0B$/);
    const json = JSON.parse(caisson('system df -v --format json').stdout) as Record<
      string,
      Record<string, string>[]
    >;
    expect(Object.keys(json)).to.deep.equal(['Images', 'Containers', 'Volumes', 'BuildCache']);
    expect(json['Images']?.[0]).to.include({ ID: id, Containers: '1', SharedSize: '0B' });
    expect(json['Containers']?.[0]).to.include({ ID: container, Names: 'box', Size: '0B' });
    expect(json['Volumes']?.[0]).to.include({ Name: 'data', Links: '1', Size: '0B' });
    expect(caisson('system df -v --format {{range .Images}}{{.Repository}}{{end}}').stdout).to.equal('example/one'); // prettier-ignore
    caisson('rm box');
  });

  it('The command prune asks with Docker’s words, and removes what is not in use', () => {
    const container = caisson('create host true').stdout.trim();
    const volume = caisson('volume create').stdout.trim();
    caisson('network create net');
    const asked = caisson('system prune --volumes --filter label!=keep', 'n\n');
    expect(asked).to.deep.equal({
      status: 0,
      stdout:
        'WARNING! This will remove:\n' +
        '  - all stopped containers\n' +
        '  - all networks not used by at least one container\n' +
        '  - all anonymous volumes not used by at least one container\n' +
        '  - all dangling images\n' +
        '  - unused build cache\n' +
        '\n' +
        '  Items to be pruned will be filtered with:\n' +
        '  - label!=keep\n' +
        '\n' +
        'Are you sure you want to continue? [y/N] ',
      stderr: '',
    });
    expect(caisson('ps -aq --no-trunc').stdout).to.equal(`${container}\n`);
    const pruned = caisson('system prune --volumes', 'y\n').stdout;
    expect(pruned.slice(pruned.indexOf('[y/N] '))).to.match(
      new RegExp(
        `^\\[y/N\\] Deleted Containers:\n${container}\n\nDeleted Networks:\nnet\n\nDeleted Volumes:\n${volume}\n\nTotal reclaimed space: \\S+B\n$`,
      ),
    );
    const { stdout } = caisson('system prune -af');
    expect(stdout).to.match(new RegExp(`^Deleted Images:\nuntagged: example/one:1\ndeleted: ${id}\n(?:deleted: .*\n){2}\nTotal reclaimed space: \\d\\d\\.\\d\\dkB\n$`)); // prettier-ignore
    expect(caisson('volume ls -q').stdout).to.equal('data\n');
    expect(caisson('system prune -f').stdout).to.equal('Total reclaimed space: 0B\n');
  });

  it('Errors are those of Docker, with its exit code', () => {
    for (const [line, code, text] of [
      ['prune -f --volumes --filter until=1h', 1, /the "until" filter is not supported/],
      ['prune -f --filter nope=1', 1, /invalid filter 'nope'/],
      ['prune -f --filter nope', 125, /filter/],
      ['prune x', 1, /accepts no arguments/],
      ['df --format {{.Nope}}', 1, /Nope/],
      ['df -v --format {{.Nope', 1, /unclosed action/],
      ['nope', 1, /unknown command: caisson system nope/],
    ] as const) {
      const { status, stderr } = caisson(`system ${line}`);
      expect(stderr, line).to.match(text);
      expect(status, line).to.equal(code);
    }
  });

  it('The group has the commands info and events, too', () => {
    expect(caisson('system info --format json').status).to.equal(0);
    expect(caisson('system events --since 0 --until 0s').stdout).to.include('volume create');
    expect(caisson('system --help').stdout).to.match(/^Usage: caisson system COMMAND/);
  });
});
