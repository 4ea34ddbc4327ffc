/** What V8 has compiled is code: it is read only where no other user can have written it. */
import { expect } from 'chai';
import {
  chmodSync,
  chownSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cacheRoot, CodeCache } from '../../../lib/loading/code-cache.js';
import { skip } from '../../support/skip.js';

const SOURCE = '({ double(number) { return 2 * number; } })';

describe('the code that V8 has compiled', () => {
  let root: string;
  let directory: string;
  /** V8 compiles nothing twice in one process, if the name of the file is the same. */
  let runs = 0;

  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'caisson-test-'));
    directory = join(root, 'code/version');
  });

  afterEach(() => rmSync(root, { recursive: true, force: true }));

  /** A process that runs the command; whether V8 took what was kept, undefined if there was nothing. */
  function runCommand(command = 'ps', from = directory): boolean | undefined {
    const cache = new CodeCache(from);
    const scripts = [
      cache.compile('main', 'cli/main', SOURCE, `${++runs}-main.pack`),
      cache.compile('start', `cli/${command}`, SOURCE, `${++runs}-start.pack`),
    ];
    for (const script of scripts) {
      const program = script.runInThisContext() as { double(number: number): number };
      expect(program.double(4)).to.equal(8);
    }
    cache.save();
    const rejected = scripts[1]?.cachedDataRejected;
    return rejected === undefined ? undefined : !rejected;
  }

  const file = (name = 'cli-ps.start') => join(directory, name);

  it('The next process of the same command takes it', () => {
    expect(runCommand()).to.equal(undefined);
    expect(runCommand()).to.equal(true);
  });

  it('Each command has its own, but for the first pack, which all have', () => {
    runCommand('ps');
    runCommand('run');
    expect(readdirSync(directory).sort()).to.deep.equal(['cli-ps.start', 'cli-run.start', 'main']);
  });

  it('A damaged one is refused by V8 and replaced', () => {
    runCommand();
    writeFileSync(file(), readFileSync(file()).subarray(0, 100));
    expect(runCommand()).to.equal(false);
    expect(runCommand()).to.equal(true);
  });

  it('Nothing is read or written in a directory that others can enter', () => {
    runCommand();
    rmSync(file('main'));
    chmodSync(directory, 0o755);
    expect(runCommand()).to.equal(undefined);
    expect(readdirSync(directory)).to.deep.equal(['cli-ps.start']);
  });

  it('Nothing is read or written where a link takes the place of the directory', () => {
    runCommand();
    renameSync(directory, join(root, 'elsewhere'));
    symlinkSync(join(root, 'elsewhere'), directory);
    expect(runCommand()).to.equal(undefined);
  });

  it('A link, a directory and a file that others can write are not read', () => {
    runCommand();
    renameSync(file(), join(root, 'kept'));
    symlinkSync(join(root, 'kept'), file());
    expect(runCommand()).to.equal(undefined);
    // It was replaced, and what the link led to was not written to.
    expect(runCommand()).to.equal(true);
    chmodSync(file(), 0o620);
    expect(runCommand()).to.equal(undefined);
    rmSync(file());
    mkdirSync(file());
    expect(runCommand()).to.equal(undefined);
  });

  it('What belongs to another user is not read', function () {
    if (process.geteuid?.() !== 0) skip(this, 'only root can give a file to another user');
    runCommand();
    chownSync(file(), 12_345, 12_345);
    expect(runCommand()).to.equal(undefined);
    expect(runCommand()).to.equal(true);
    chownSync(directory, 12_345, 12_345);
    expect(runCommand()).to.equal(undefined);
  });

  it('A command runs where nothing can be kept', () => {
    writeFileSync(join(root, 'code'), '');
    expect(runCommand()).to.equal(undefined);
    expect(readFileSync(join(root, 'code'), 'utf8')).to.equal('');
  });

  it('Of many versions, those that were used last are kept', () => {
    for (let version = 0; version < 12; version++) {
      const path = join(root, 'code', `${version}`);
      mkdirSync(path, { recursive: true, mode: 0o700 });
      utimesSync(path, 1000 + version, 1000 + version);
    }
    runCommand();
    const left = readdirSync(join(root, 'code')).sort();
    expect(left).to.deep.equal(['10', '11', '5', '6', '7', '8', '9', 'version']);
  });

  it('A file of the same name is not written through, but replaced', () => {
    runCommand();
    linkSync(file(), join(root, 'link'));
    const before = readFileSync(join(root, 'link'));
    chmodSync(file(), 0o660);
    expect(runCommand()).to.equal(undefined);
    expect(readFileSync(join(root, 'link'))).to.deep.equal(before);
    expect(runCommand()).to.equal(true);
  });

  it('Where it is does not follow from the environment for root', () => {
    const env = { HOME: '/home/one', XDG_CACHE_HOME: '/tmp/cache' };
    expect(cacheRoot(env, 0)).to.equal('/var/cache/caisson');
    expect(cacheRoot(env, 1000)).to.equal('/tmp/cache/caisson');
    expect(cacheRoot({ HOME: '/home/one' }, 1000)).to.equal('/home/one/.cache/caisson');
    expect(cacheRoot({ HOME: '/home/one', XDG_CACHE_HOME: 'relative' }, 1000)).to.equal(
      '/home/one/.cache/caisson',
    );
    expect(cacheRoot({}, 1000)).to.equal(undefined);
    expect(cacheRoot({ HOME: '.' }, 1000)).to.equal(undefined);
  });
});
