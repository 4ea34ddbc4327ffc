/** `caisson images`, `load`, `save` and the other commands of images as people type them. */
import { expect } from 'chai';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { oldDockerImage, packDirectory, writeOldDockerArchive } from '../support/archives.js';
import { repository } from '../support/paths.js';

describe('The commands of images', function () {
  this.timeout(60_000);
  const directory = mkdtempSync(join(tmpdir(), 'caisson-test-'));
  const roots = ['--data-root', join(directory, 'data'), '--run-root', join(directory, 'run')];
  const archive = writeOldDockerArchive(join(directory, 'old'), 'example/one:1', 1);
  const { id } = oldDockerImage(1);
  const short = id.slice(7, 19);

  after(() => rmSync(directory, { recursive: true, force: true }));

  function run(args: readonly string[], input: Buffer | string = '') {
    const { status, stdout, stderr } = spawnSync(
      join(repository, 'bin/caisson'),
      [...roots, ...args],
      {
        input,
        maxBuffer: 64 << 20,
      },
    );
    return { status, bytes: stdout, stdout: stdout.toString(), stderr: stderr.toString() };
  }
  /** Words in braces stay together. */
  const caisson = (line: string, input?: Buffer | string) =>
    run(line.match(/(?:\{\{.*\}\}|\S)+/g) ?? [], input);

  it('An archive is loaded from a file and from standard input, and listed in Docker’s table', () => {
    const { stdout: loaded, stderr } = caisson(`load -i ${archive}`);
    expect(stderr).to.equal('');
    expect(loaded).to.equal('Loaded image: example/one:1\n');
    expect(caisson('image load', readFileSync(archive)).stdout).to.equal(loaded);
    expect(caisson('load -q', readFileSync(archive)).stdout).to.equal(loaded);
    const lines = caisson('images').stdout.split('\n');
    expect(lines[0]).to.match(/^REPOSITORY +TAG +IMAGE ID +CREATED +SIZE$/);
    expect(lines[1]).to.match(new RegExp(`^example/one +1 +${short} +\\d+ \\w+ ago +12.3kB$`));
    expect(lines).to.have.length(3);
  });

  it('Lists have Docker’s flags', () => {
    expect(caisson('images -q').stdout).to.equal(`${short}\n`);
    expect(caisson('image ls --no-trunc --quiet').stdout).to.equal(`${id}\n`);
    expect(
      caisson('images --digests --format {{.Repository}}:{{.Tag}}@{{.Digest}}').stdout,
    ).to.equal('example/one:1@<none>\n');
    expect(caisson('images example/*').stdout).to.include('example/one');
    expect(caisson('images other').stdout.trim().split('\n')).to.have.length(1);
    expect(JSON.parse(caisson('image list --format json').stdout)).to.include({
      Containers: 'N/A',
      ID: short,
      Repository: 'example/one',
      Size: '12.3kB',
      Tag: '1',
    });
    expect(caisson('images --filter nope=1').stderr).to.include("invalid filter 'nope'");
  });

  it('Tags, the history and inspect say what the image has', () => {
    expect(caisson('tag example/one:1 two')).to.include({ status: 0, stdout: '' });
    const [shape] = JSON.parse(caisson('image inspect two').stdout) as Record<string, unknown>[];
    expect(shape).to.deep.include({
      Id: id,
      RepoTags: ['example/one:1', 'two:latest'],
      Created: '2024-02-03T04:05:06.7Z',
      Config: { Cmd: ['/bin/true'], Labels: { seed: '1' } },
      Os: 'linux',
      Size: 12_288,
    });
    expect(caisson('image inspect -f {{.Config.Cmd}} two').stdout).to.equal('[/bin/true]\n');
    expect(caisson('inspect -f {{.Id}} two').stdout).to.equal(`${id}\n`);
    expect(caisson('inspect --type image -f {{.Id}} two').stdout).to.equal(`${id}\n`);
    const missing = caisson('image inspect nothing');
    expect(missing).to.include({ status: 1, stdout: '[]\n' });
    expect(missing.stderr).to.include('No such image: nothing');
    const history = caisson('history two').stdout.split('\n');
    expect(history[0]).to.match(/^IMAGE +CREATED +CREATED BY +SIZE +COMMENT$/);
    expect(history[1]).to.match(new RegExp(`^${short} +.* ago +last +8.19kB`));
    expect(history[2]).to.match(/^<missing> +.* ago +nothing +0B/);
    expect(
      caisson('history -H=false --format {{.CreatedSince}} two').stdout.split('\n')[0],
    ).to.equal('2024-02-03T04:05:06Z');
  });

  it('Images are saved to a file and to standard output', () => {
    const file = join(directory, 'saved.tar');
    expect(caisson(`save -o ${file} two example/one:1`)).to.include({ status: 0, stderr: '' });
    expect(caisson('save two example/one:1').bytes.equals(readFileSync(file))).to.equal(true);
    expect(caisson('load', readFileSync(file)).stdout).to.equal(
      'Loaded image: two:latest\nLoaded image: example/one:1\n',
    );
    const missing = join(directory, 'missing.tar');
    expect(caisson(`save -o ${missing} nothing`).status).to.equal(1);
    expect(existsSync(missing)).to.equal(false);
    expect(caisson(`save -o ${join(directory, 'no/such')} two`).stderr).to.include('ENOENT');
  });

  it('An image is imported', () => {
    const root = join(directory, 'root.tar');
    packDirectory(join(directory, 'old'), root);
    const { stdout } = run(['import', '-c', 'CMD ["/x"]', '-m', 'a text', root, 'base']);
    expect(stdout).to.match(/^sha256:[0-9a-f]{64}\n$/);
    expect(caisson('image inspect -f {{.Config.Cmd}}{{.Id}} base').stdout).to.equal(
      `[/x]${stdout}`,
    );
    expect(caisson('import - base', readFileSync(root)).status).to.equal(0);
    writeFileSync(root, 'x');
    expect(caisson(`import ${root}`)).to.include({ status: 1, stdout: '' });
  });

  it('Names and images are removed, and what remains is pruned', () => {
    expect(caisson('rmi two').stdout).to.equal('Untagged: two:latest\n');
    expect(caisson('image rm example/one:1').stdout).to.match(
      new RegExp(`^Untagged: example/one:1\nDeleted: ${id}\n(?:Deleted: sha256:\\w{64}\n){2}$`),
    );
    const gone = caisson('rmi two');
    expect(gone.status).to.equal(1);
    expect(gone.stderr).to.include('No such image: two');
    expect(caisson('rmi -f two').status).to.equal(0);
    expect(caisson('image prune', 'n\n').stdout).to.include('Are you sure you want to continue?');
    const pruned = caisson('image prune -af').stdout;
    expect(pruned).to.match(/^Deleted Images:\nuntagged: base:latest\ndeleted: sha256:/);
    expect(pruned).to.match(/\nTotal reclaimed space: [\d.]+kB\n$/);
    expect(caisson('images -q').stdout).to.equal('');
    expect(caisson('events --since 0 --until 0s').stdout).to.match(/ image untag sha256:\w+ \(name=two:latest\)\n/); // prettier-ignore
  });
});
