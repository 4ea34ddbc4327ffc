/**
 * What a user reads where the addon cannot be loaded. Each test makes the situation, from a copy of the package as npm would
 * have installed it, and reads the error in a process of its own.
 */
import { expect } from 'chai';
import { build, type Format } from 'esbuild';
import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { addonPath } from '../../lib/native/load.js';
import { readElf } from '../../lib/native/elf.js';
import { libcOfInterpreter, libcOfProcess } from '../../lib/native/find-native.js';
import { setUpFreshDirectory } from '../support/fresh-directory.js';
import { needsRoot } from '../support/needs.js';
import { repository } from '../support/paths.js';

const run = promisify(execFile);

const OTHER_ARCHITECTURE = process.arch === 'x64' ? 'arm64' : 'x64';
const OTHER_MACHINE = { x64: 62, arm64: 183 }[OTHER_ARCHITECTURE];
const MACHINE_AT = 18; // e_machine, elf(5)
const PERMISSION =
  Number(process.versions.node.split('.')[0]) >= 23 ? '--permission' : '--experimental-permission';

interface Read {
  readonly name: string;
  readonly code: string;
  readonly message: string;
  readonly path?: string;
  readonly hint: string;
}

describe('loading the addon', () => {
  let directory: string;
  let root: string;
  let addon: string;

  setUpFreshDirectory((path) => (directory = path));
  beforeEach(() => {
    root = join(directory, 'node_modules/caisson');
    const native = join(root, `prebuilds/linux-${process.arch}`);
    addon = join(native, `caisson.${libcOfProcess()}.node`);
    mkdirSync(native, { recursive: true });
    cpSync(join(repository, 'package.json'), join(root, 'package.json'));
    for (const room of ['native', 'base'])
      cpSync(join(repository, 'dist/lib', room), join(root, 'dist/lib', room), { recursive: true });
    cpSync(addonPath(), addon);
    for (const name of ['caisson-init', 'caisson-archive'])
      cpSync(join(dirname(addonPath()), name), join(native, name));
  });

  /** What a process of Node with these options says after it has tried to load the addon. */
  async function load(
    options: {
      execArgv?: string[];
      env?: NodeJS.ProcessEnv;
      before?: string;
      command?: string[];
    } = {},
  ): Promise<Read | 'loaded'> {
    const program =
      `${options.before ?? ''}; import(${JSON.stringify(join(root, 'dist/lib/native/load.js'))})` +
      `.then(({ loadNative }) => { loadNative(); console.log('"loaded"'); })` +
      `.catch(({ name, code, message, path, hint }) => console.log(JSON.stringify({ name, code, message, path, hint })))`;
    const node = [process.execPath, ...(options.execArgv ?? []), '-e', program];
    const [file = '', ...args] = [...(options.command ?? []), ...node];
    const env = {
      ...process.env,
      CAISSON_NATIVE: undefined,
      NODE_OPTIONS: undefined,
      ...options.env,
    };
    const { stdout } = await run(file, args, { env });
    return JSON.parse(stdout) as Read | 'loaded';
  }

  function refused(read: Read | 'loaded'): Read {
    if (read === 'loaded') throw new Error('it was loaded');
    expect(read).to.include({ name: 'CaissonError', code: 'ERR_NATIVE_LOAD' });
    expect(read.message.endsWith(` (${read.hint})`), read.message).to.equal(true);
    return read;
  }

  it('The addon is the one of the running program’s architecture and C library', async () => {
    expect(await load()).to.equal('loaded');
    expect(readElf(process.execPath)?.architecture).to.equal(process.arch);
    expect(libcOfInterpreter('/lib/ld-musl-x86_64.so.1')).to.equal('musl');
    expect(libcOfInterpreter('/lib/ld-linux-aarch64.so.1')).to.equal('glibc');
    expect(libcOfInterpreter('/nix/store/musl-tools/lib64/ld-linux-x86-64.so.2')).to.equal('glibc');
  });

  it('An architecture that caisson has no binaries for is named', async () => {
    const before = `Object.defineProperty(process, 'arch', { value: 'riscv64' })`;
    const { message, hint } = refused(await load({ before }));
    expect(message).to.include('caisson has no binaries for linux-riscv64');
    expect(hint).to.include('x64 and arm64').and.to.include('CAISSON_NATIVE');
  });

  it('A node_modules that was copied from another platform is named, with what it has', async () => {
    const other = join(root, `prebuilds/linux-${OTHER_ARCHITECTURE}/caisson.musl.node`);
    mkdirSync(dirname(other), { recursive: true });
    cpSync(addon, other);
    rmSync(addon);
    const { message, path, hint } = refused(await load());
    expect(path).to.equal(addon);
    expect(message).to.include(addon);
    expect(message).to.include(`this package has linux-${OTHER_ARCHITECTURE}/caisson.musl.node`);
    expect(hint).to.include('another platform').and.to.include('install the package again');
  });

  it('An addon of another architecture is named as such', async () => {
    const bytes = readFileSync(addon);
    bytes.writeUInt16LE(OTHER_MACHINE, MACHINE_AT);
    writeFileSync(addon, bytes);
    const { message, hint } = refused(await load());
    expect(message).to.include(
      `it is for ${OTHER_ARCHITECTURE} with ${libcOfProcess()}, and this process is for ${process.arch}`,
    );
    expect(hint).to.include('install the package again');
  });

  it('An addon of the other C library is named as such', async () => {
    // The name of the library that it needs, as musl has it.
    const bytes = readFileSync(addon);
    bytes.fill(
      0,
      bytes.indexOf('libc.so.6\0') + 'libc.so'.length,
      bytes.indexOf('libc.so.6\0') + 9,
    );
    writeFileSync(addon, bytes);
    const { message } = refused(await load());
    expect(message).to.include(
      `it is for ${process.arch} with musl, and this process is for ${process.arch} with glibc`,
    );
  });

  it('A damaged addon is named as such', async () => {
    writeFileSync(addon, 'version https://git-lfs.github.com/spec/v1\n');
    const { message, hint } = refused(await load());
    expect(message).to.include('it is not a program for 64-bit Linux');
    expect(hint).to.include('install the package again');
  });

  it('A package without binaries, and one without a program beside the addon, is incomplete', async () => {
    rmSync(join(dirname(addon), 'caisson-init'));
    const program = refused(await load());
    expect(program.path).to.equal(join(dirname(addon), 'caisson-init'));
    expect(program.message).to.include('caisson-init is missing');
    rmSync(join(root, 'prebuilds'), { recursive: true });
    const { message, hint } = refused(await load());
    expect(message).to.include('the package is there without its binaries');
    expect(hint).to.equal('install it again, or copy its directory whole');
  });

  needsRoot('a mount').it(
    'A node_modules on a filesystem with noexec is named as such',
    async () => {
      const script =
        'mount -t tmpfs -o noexec tmpfs "$0/mnt" && cp -R "$0/all/." "$0/mnt" && exec "$@"';
      const below = join(directory, 'noexec');
      mkdirSync(join(below, 'mnt'), { recursive: true });
      cpSync(root, join(below, 'all'), { recursive: true });
      root = join(below, 'mnt');
      const read = refused(
        await load({ command: ['unshare', '--mount', 'sh', '-c', script, below] }),
      );
      expect(read.path).to.equal(
        join(root, `prebuilds/linux-${process.arch}/caisson.${libcOfProcess()}.node`),
      );
      expect(read.message).to.include('its filesystem is mounted with noexec');
      expect(read.hint).to.include('mount it without noexec').and.to.include('CAISSON_NATIVE');
      // The remedy.
      expect(
        await load({
          command: ['unshare', '--mount', 'sh', '-c', script, below],
          env: { CAISSON_NATIVE: dirname(addonPath()) },
        }),
      ).to.equal('loaded');
    },
  );

  it('Node’s permissions without --allow-addons are named, and that option is the remedy', async () => {
    const execArgv = [PERMISSION, '--allow-fs-read=*'];
    const { message, hint } = refused(await load({ execArgv }));
    expect(message).to.include('Node runs with --permission and without --allow-addons');
    expect(hint).to.include('--allow-addons, --allow-child-process and --allow-worker');
    // Releases of Node before 22 have no such option: addons are always refused there.
    if (process.allowedNodeEnvironmentFlags.has('--allow-addons'))
      expect(await load({ execArgv: [...execArgv, '--allow-addons'] })).to.equal('loaded');
  });

  it('The option --no-addons is named', async () => {
    const { message, hint } = refused(await load({ execArgv: ['--no-addons'] }));
    expect(message).to.include('Node runs with --no-addons');
    expect(hint).to.include('start it without that option');
  });

  it('CAISSON_NATIVE names another directory, and the error names it where the addon is not there', async () => {
    const elsewhere = join(directory, 'elsewhere');
    cpSync(dirname(addon), elsewhere, { recursive: true });
    cpSync(addon, join(elsewhere, 'caisson.node'));
    rmSync(join(root, 'prebuilds'), { recursive: true });
    expect(await load({ env: { CAISSON_NATIVE: elsewhere } })).to.equal('loaded');
    const nowhere = join(directory, 'nowhere');
    const { message, path, hint } = refused(await load({ env: { CAISSON_NATIVE: nowhere } }));
    expect(path).to.equal(join(nowhere, 'caisson.node'));
    expect(message).to.include(`\`CAISSON_NATIVE\` is ${nowhere}`);
    expect(hint).to.include('caisson.node, caisson-init and caisson-archive');
  });

  it('A package in an archive of Yarn is named as such', async () => {
    // For the kernel: a file where the path has a directory. scripts/package-matrix does it with Yarn itself.
    writeFileSync(join(directory, 'caisson.zip'), '');
    const inside = join(directory, 'caisson.zip/node_modules/caisson');
    const { message, hint } = refused(await load({ env: { CAISSON_NATIVE: inside } }));
    expect(message).to.include('it is in an archive of Yarn');
    expect(hint).to.include('`unplugged: false`').and.to.include('nodeLinker');
  });

  it('An addon that needs a newer glibc is named as such', async () => {
    const bytes = readFileSync(addon);
    const version = /GLIBC_2\.3\d/.exec(bytes.toString('latin1'))?.[0] ?? '';
    const newer = `${version.slice(0, -2)}99`;
    for (let at = bytes.indexOf(version); at !== -1; at = bytes.indexOf(version, at + 1))
      bytes.write(newer, at);
    // vna_hash of the version, elf(5): the loader compares it before the name.
    const hash = Buffer.alloc(4);
    hash.writeUInt32LE(elfHash(version));
    for (let at = bytes.indexOf(hash); at !== -1; at = bytes.indexOf(hash, at + 1))
      bytes.writeUInt32LE(elfHash(newer), at);
    writeFileSync(addon, bytes);
    const { message, hint } = refused(await load());
    expect(message).to.include(`this machine's glibc is older than ${newer}`);
    expect(hint).to.include('glibc 2.28 or newer, or musl');
  });

  it('A bundler that has left only the binaries behind is named', async () => {
    const bundled = join(directory, 'app/server/out');
    cpSync(join(repository, 'dist/lib/bundle'), bundled, { recursive: true });
    const program = `import(${JSON.stringify(join(bundled, 'index.mjs'))}).then(({ Engine }) => Engine.open())
      .catch(({ name, code, message, path, hint }) => console.log(JSON.stringify({ name, code, message, path, hint })))`;
    const env = { ...process.env, CAISSON_NATIVE: undefined };
    const { stdout } = await run(process.execPath, ['-e', program], { env });
    const { message, hint } = refused(JSON.parse(stdout) as Read | 'loaded');
    expect(message).to.include('a bundler has included the code of caisson, and not its binaries');
    expect(hint).to.include('exclude `caisson` from the bundle');
  });

  for (const [format, extension] of [
    ['esm', 'mjs'],
    ['cjs', 'cjs'],
  ] as const) {
    it(`A bundle of the format ${format} says that files were left behind, and works with the remedy`, async () => {
      cpSync(join(repository, 'dist/lib/bundle'), join(root, 'dist/lib/bundle'), {
        recursive: true,
      });
      symlinkSync(
        join(repository, 'node_modules/dbus-native'),
        join(directory, 'node_modules/dbus-native'),
      );
      const env = { ...process.env, CAISSON_NATIVE: undefined };
      const { stdout } = await run(process.execPath, [await bundle(format, extension)], { env });
      const { message, hint } = refused(JSON.parse(stdout) as Read | 'loaded');
      expect(message).to.include('a bundler has included the code of caisson');
      expect(hint).to.include('--external:caisson').and.to.include('serverExternalPackages');
      const remedied = await bundle(format, extension, ['caisson']);
      expect((await run(process.execPath, [remedied], { env })).stdout).to.equal('"loaded"\n');
    });
  }

  async function bundle(
    format: Format,
    extension: string,
    external: string[] = [],
  ): Promise<string> {
    const entry = join(directory, 'server.ts');
    writeFileSync(
      entry,
      `const roots = { dataRoot: ${JSON.stringify(join(directory, 'data'))}, runRoot: ${JSON.stringify(join(directory, 'run'))} };
      import('caisson')
        .then(({ Engine }) => Engine.open(roots))
        .then((engine) => { console.log('"loaded"'); return engine.close(); })
        .catch(({ name, code, message, path, hint }) => console.log(JSON.stringify({ name, code, message, path, hint })));`,
    );
    const outfile = join(directory, `app/server/out/main.${extension}`);
    await build({
      entryPoints: [entry],
      outfile,
      format,
      external,
      bundle: true,
      platform: 'node',
      logLevel: 'error',
      logOverride: { 'empty-import-meta': 'silent' },
    });
    return outfile;
  }
});

/** The hash function of ELF, elf(5). */
function elfHash(name: string): number {
  let hash = 0;
  for (const byte of Buffer.from(name)) {
    hash = (hash << 4) + byte;
    hash ^= (hash >>> 24) & 0xf0;
    hash &= 0x0fffffff;
  }
  return hash;
}
