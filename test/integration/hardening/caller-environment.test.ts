/** The working directory and the environment of a caller: relative, empty, missing, removed. */
import { expect } from 'chai';
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Engine } from '../../../lib/engine/engine.js';
import { defaultPaths } from '../../../lib/engine/store/paths.js';
import { CaissonError } from '../../../lib/base/errors.js';
import { repository } from '../../support/paths.js';

const BIN = join(repository, 'bin/caisson');

describe("the caller's environment", () => {
  let home: string;
  let roots: string;

  beforeEach(() => {
    home = mkdtempSync(join(tmpdir(), 'caisson-around-'));
    roots = `--data-root ${home}/data --run-root ${home}/run`;
  });
  afterEach(() => rmSync(home, { recursive: true, force: true }));

  /** The last line of what it says. */
  function gone(command: string): Promise<string> {
    return new Promise((resolve) => {
      const line = `mkdir -p ${home}/gone; cd ${home}/gone; rmdir ${home}/gone; exec ${BIN} ${command}`;
      const child = spawn('bash', ['-c', line], { stdio: ['ignore', 'pipe', 'pipe'] });
      let output = '';
      for (const stream of [child.stdout, child.stderr])
        stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
      child.on('close', (code) => {
        // The shell that starts the command line has its own word about the directory.
        const said = output
          .split('\n')
          .filter((text) => text !== '' && !/getcwd|shell-init/.test(text));
        resolve(`${code} ${said.join(' ')}`);
      });
    });
  }

  it('C13: data and run roots may be relative to the working directory', async () => {
    const line = `cd ${home} && ${BIN} --data-root data --run-root ./run run --rm host echo here`;
    const { stdout, stderr } = spawnSync('sh', ['-c', line], { encoding: 'utf8' });
    expect(stdout + stderr).to.equal('here\n');
    const before = process.cwd();
    process.chdir(home);
    try {
      await using engine = await Engine.open({ dataRoot: 'data', runRoot: 'run' });
      process.chdir('/');
      expect((await engine.run('host', ['echo', 'here'])).stdout).to.equal('here\n');
      expect(existsSync(join(home, 'data/containers'))).to.equal(true);
    } finally {
      process.chdir(before);
    }
    for (const wrong of ['', '/dev/null/x', 'a\0b'])
      await Engine.open({ dataRoot: wrong, runRoot: join(home, 'run') }).then(
        (engine) => engine.close().then(() => expect.fail(`${JSON.stringify(wrong)} was taken`)),
        (error: unknown) => expect(error, JSON.stringify(wrong)).to.be.instanceOf(CaissonError),
      );
  });

  it('C22: commands work in a working directory that was removed, and relative paths are clear errors', async () => {
    const relative = 'is relative, and the working directory does not exist any more';
    const table: Readonly<Record<string, string>> = {
      'run --rm host echo well': '0 well',
      'create --name box host true': '0 ID',
      'explain run host true': '0',
      'ps -q': '0',
      'run -v ./x:/x host': `125 caisson: volume: "./x" ${relative}`,
      'run --rootfs x true': `125 caisson: invalid --rootfs: "x" ${relative}`,
      'run --env-file x host': `125 caisson: invalid --env-file: "x" ${relative}`,
      'create --cidfile x host': `125 caisson: invalid --cidfile: "x" ${relative}`,
    };
    const found: Record<string, string> = {};
    for (const command of Object.keys(table)) {
      const said = (await gone(`${roots} ${command}`)).replace(/[0-9a-f]{64}/, 'ID');
      found[command] =
        command.startsWith('explain') || command === 'ps -q' ? said.slice(0, 1) : said;
    }
    expect(found).to.deep.equal(table);
    expect(await gone(`--data-root d ps`)).to.equal(`125 caisson: --data-root: "d" ${relative}`);
  });

  it('C22: HOME, TMPDIR and XDG directories that are missing, empty or relative are not used', () => {
    const names = ['HOME', 'TMPDIR', 'XDG_DATA_HOME', 'XDG_RUNTIME_DIR'] as const;
    const before = Object.fromEntries(names.map((name) => [name, process.env[name]]));
    const { geteuid } = process;
    const set = (name: string, value: string | undefined): void => {
      if (value === undefined) Reflect.deleteProperty(process.env, name);
      else process.env[name] = value;
    };
    try {
      process.geteuid = () => 65_533;
      for (const value of [undefined, '', 'relative']) {
        for (const name of names) set(name, value);
        const { dataRoot } = defaultPaths({ runRoot: '/run' });
        expect(dataRoot).to.match(/^\/.*\/\.local\/share\/caisson$/);
      }
      set('HOME', '/h');
      expect(defaultPaths({ runRoot: '/run' }).dataRoot).to.equal('/h/.local/share/caisson');
      set('TMPDIR', join(home, 'not-there'));
      expect(() => defaultPaths()).to.throw(
        CaissonError,
        'not-there/caisson-65533 cannot be made: ENOENT',
      );
    } finally {
      if (geteuid !== undefined) process.geteuid = geteuid;
      for (const name of names) set(name, before[name]);
    }
    for (const setting of [
      '-u HOME -u TMPDIR',
      'HOME= TMPDIR=',
      'HOME=nosuch TMPDIR=nosuch',
      '-u PATH',
    ])
      expect(
        spawnSync('sh', ['-c', `env ${setting} ${BIN} ${roots} run --rm host echo well`], {
          encoding: 'utf8',
        }).stdout,
        setting,
      ).to.equal('well\n');
  });
});
