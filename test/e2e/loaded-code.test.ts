/** Most of a short command's time is the code that it loads: counted here, because times depend on the machine. */
import { expect } from 'chai';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { LoadedCode } from '../integration/fixtures/loaded-code.js';
import { fixture, repository } from '../support/paths.js';

const BUNDLE = join(repository, 'dist/lib/bundle');

/** Node's modules that take long to load, and that no short command needs. */
const SLOW = ['child_process', 'dgram', 'dns', 'http', 'https', 'readline', 'tls', 'zlib'];

describe('the code that is loaded', function () {
  this.timeout(60_000);
  const directory = mkdtempSync(join(tmpdir(), 'caisson-test-'));
  const roots = ['--data-root', join(directory, 'data'), '--run-root', join(directory, 'run')];

  before(() => {
    // What is done for the first container of a data root is no measure.
    execFileSync(join(repository, 'bin/caisson'), [...roots, ...RUN]);
  });

  after(() => rmSync(directory, { recursive: true, force: true }));

  const RUN = ['run', '--rm', '--network', 'none', 'host', 'true'];

  /** By a program of Node with these arguments. */
  function loadedBy(...args: readonly string[]): LoadedCode & { bytes: number } {
    const output = join(directory, 'loaded.json');
    execFileSync(process.execPath, ['--import', fixture('loaded-code'), ...args], {
      env: { ...process.env, LOADED: output },
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    const loaded = JSON.parse(readFileSync(output, 'utf8')) as LoadedCode;
    const bytes = loaded.packs.reduce((sum, pack) => sum + statSync(`${BUNDLE}/${pack}.pack`).size, 0); // prettier-ignore
    return { ...loaded, bytes };
  }

  const command = (...words: readonly string[]) => loadedBy(join(repository, 'bin/caisson'), ...words); // prettier-ignore

  it('The version takes 50 KB, ten modules, and none of Node’s', () => {
    const { builtins, packs, modules, bytes } = command('--version');
    expect(packs).to.deep.equal(['main']);
    expect(bytes).to.be.below(50_000);
    expect(modules).to.include('cli/main').and.have.length.below(11);
    expect(builtins).to.deep.equal([]);
  });

  it('The help takes no module of the engine', () => {
    const { packs, modules } = command('--help');
    expect(packs).to.have.members(['main', 'start', 'commands']);
    expect(modules.filter((name) => /^(engine|network|image|native)\//.test(name))).to.deep.equal(
      [],
    );
  });

  it('A list of containers takes 45 modules, and neither streams nor sockets of Node', () => {
    const { builtins, packs, modules } = command(...roots, 'ps');
    expect(packs).to.have.members(['main', 'start', 'verbs', 'commands']);
    expect(modules).to.include('engine/container/list-containers').and.have.length.below(46);
    for (const name of [...SLOW, 'crypto', 'net', 'stream', 'worker_threads'])
      expect(builtins).to.not.include(name);
  });

  it('A run without a network takes two of the packs, and 180 of the modules', () => {
    const { builtins, packs, modules, bytes } = command(...roots, ...RUN);
    expect(packs).to.deep.equal(['main', 'start']);
    expect(bytes).to.be.below(900_000);
    expect(modules).to.include('engine/supervisor/start-detached').and.have.length.below(181);
    expect(modules.filter((name) => /^(network|build|info)\//.test(name))).to.deep.equal([]);
    for (const name of SLOW) expect(builtins).to.not.include(name);
  });

  it('The library takes the same pack for a run', () => {
    const program = join(directory, 'program.mjs');
    writeFileSync(
      program,
      `import { Engine } from '${BUNDLE}/index.mjs';
      const engine = await Engine.open(${JSON.stringify({ dataRoot: roots[1], runRoot: roots[3] })});
      await engine.run('host', ['true']);
      await engine.close();`,
    );
    const { builtins, packs, modules } = loadedBy(program);
    expect(packs).to.deep.equal(['start', 'main']);
    expect(modules).to.include('engine/start/execution').and.have.length.below(181);
    for (const name of SLOW) expect(builtins).to.not.include(name);
  });

  it('The packs are ASCII: they are read as Latin-1, and V8 would take other text as UTF-16', () => {
    const packs = readdirSync(BUNDLE).filter((name) => name.endsWith('.pack'));
    expect(packs).to.include('images.pack');
    for (const pack of packs)
      expect(
        readFileSync(join(BUNDLE, pack)).every((byte) => byte < 0x80),
        pack,
      ).to.equal(true);
  });
});
