// What programs are made of the package: each throws where it does not work, or where the error is not the one that names the remedy.
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';

const PERMISSION = ['--permission', '--allow-child-process', '--allow-worker', '--allow-fs-read=*', '--allow-fs-write=*']; // prettier-ignore
const WRITES = ['/var/lib/caisson', '/run/caisson', '/sys/fs/cgroup'].map((path) => `--allow-fs-write=${path}`); // prettier-ignore
const ADDONS = '--allow-addons';

function expect(output, wanted) {
  if (!output.includes(wanted)) throw new Error(`expected ${wanted}, not ${output}`);
}

/** Of read-error.* */
function expectError(output, ...wanted) {
  expectCode(output, 'ERR_NATIVE_LOAD', ...wanted);
}

function expectCode(output, code, ...wanted) {
  if (!output.startsWith('{')) throw new Error(`expected an error, not ${output}`);
  const error = JSON.parse(output);
  if (error.name !== 'CaissonError' || error.code !== code) throw new Error(output);
  for (const text of wanted) expect(error.message, text);
  if (!error.message.endsWith(` (${error.hint})`)) throw new Error(`no remedy in ${output}`);
}

/**
 * name, releases of Node, and a function of a project that has the package installed.
 *
 * @param tools the directory of node_modules with what package.json names
 */
export function situations(tools) {
  const load = createRequire(join(tools, 'none.js'));
  const LEFT = 'a bundler has included the code of caisson';

  async function esbuild(project, entry, output, format, external) {
    await load('esbuild').build({
      absWorkingDir: project.directory,
      entryPoints: [entry],
      outfile: join(project.directory, output),
      external,
      format,
      bundle: true,
      platform: 'node',
      logLevel: 'error',
    });
  }

  function webpack(project, entry, output, isModule, external) {
    const externals = external ? { caisson: `${isModule ? 'module' : 'commonjs'} caisson` } : {};
    return new Promise((resolve, reject) =>
      load('webpack')(
        {
          mode: 'production',
          target: 'node20',
          context: project.directory,
          entry: `./${entry}`,
          externals,
          ...(isModule ? { experiments: { outputModule: true } } : {}),
          output: { path: join(project.directory, dirname(output)), filename: output.split('/').at(-1), module: isModule }, // prettier-ignore
        },
        (error, stats) => {
          if (error || stats.hasErrors()) reject(error ?? new Error(stats.toString()));
          else resolve();
        },
      ),
    );
  }

  async function traced(project, entry) {
    const { nodeFileTrace } = await import(pathToFileURL(load.resolve('@vercel/nft')));
    const { fileList } = await nodeFileTrace([entry], { base: project.directory, processCwd: project.directory }); // prettier-ignore
    return [...fileList];
  }

  /** The path of the application. */
  async function sea(project, main, node, assets = {}) {
    project.write('sea.json', { main, output: node === '26' ? 'app/app' : 'blob', assets, disableExperimentalSEAWarning: true }); // prettier-ignore
    mkdirSync(join(project.directory, 'app'), { recursive: true });
    const app = join(project.directory, 'app/app');
    if (node === '26') {
      project.run(['node', '--build-sea', 'sea.json']);
      return app;
    }
    project.run(['node', '--experimental-sea-config', 'sea.json']);
    cpSync(execFileSync('realpath', [join(project.root, 'bin/node')], { encoding: 'utf8' }).trim(), app); // prettier-ignore
    execFileSync(
      process.execPath,
      [
        ...[load.resolve('postject/dist/cli.js'), app, 'NODE_SEA_BLOB', join(project.directory, 'blob')], // prettier-ignore
        ...['--sentinel-fuse', 'NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2'],
      ],
      { stdio: 'ignore' },
    );
    return app;
  }

  return [
    {
      name: '`import`, in the main thread and in a worker',
      nodes: ['20.19.0', '20', '22.12.0', '22', '24', '26'],
      test: (project) => expect(project.run(['node', 'start.mjs']).stdout, 'works'),
    },
    {
      name: '`require`',
      nodes: ['20.19.0', '20', '22.12.0', '22', '24', '26'],
      test(project, node) {
        const { stdout, stderr } = project.run(['node', 'server.cjs']);
        expect(stdout, 'works');
        // The first release of the line that could do it warns that it is new.
        if (stderr !== '' && node !== '22.12.0') throw new Error(stderr);
      },
    },
    {
      name: '`node --permission`',
      nodes: ['22', '24', '26'],
      test: (project) =>
        expect(project.run(['node', ...PERMISSION, ADDONS, 'start.mjs']).stdout, 'works'),
    },
    {
      name: '`node --permission`, with narrow permissions',
      nodes: ['22', '24', '26'],
      test: (project) =>
        expect(project.run(['node', '--permission', ADDONS, '--allow-fs-read=*', ...WRITES, 'server.mjs']).stdout, 'works'), // prettier-ignore
    },
    {
      name: '`node --permission`, without `--allow-fs-write`',
      nodes: ['22', '24', '26'],
      isError: true,
      test: (project) =>
        expectCode(project.run(['node', '--permission', ADDONS, '--allow-fs-read=*', 'read-error.mjs']).stdout, 'ERR_NO_PRIVILEGES', 'do not allow FileSystemWrite', '--allow-fs-write'), // prettier-ignore
    },
    {
      name: '`node --permission`, without `--allow-addons`',
      nodes: ['22', '24', '26'],
      isError: true,
      test: (project) =>
        expectError(project.run(['node', ...PERMISSION, 'read-error.mjs']).stdout, 'without --allow-addons'), // prettier-ignore
    },
    ...[
      ['esm', 'mjs'],
      ['cjs', 'cjs'],
    ].flatMap(([format, extension]) => [
      {
        name: `esbuild, \`--format=${format} --external:caisson\``,
        nodes: ['24'],
        async test(project) {
          await esbuild(project, `server.${extension}`, `out/server.${extension}`, format, ['caisson']); // prettier-ignore
          expect(project.run(['node', `out/server.${extension}`]).stdout, 'works');
        },
      },
      {
        name: `esbuild, \`--format=${format}\`, caisson included`,
        nodes: ['24'],
        isError: true,
        async test(project) {
          await esbuild(project, `read-error.${extension}`, `out/server.${extension}`, format, []);
          expectError(project.run(['node', `out/server.${extension}`]).stdout, LEFT, '--external:caisson'); // prettier-ignore
        },
      },
      {
        name: `webpack, ${format === 'esm' ? 'a module' : 'CommonJS'}, \`externals\``,
        nodes: ['24'],
        async test(project) {
          await webpack(project, `server.${extension}`, `out/server.${extension}`, format === 'esm', true); // prettier-ignore
          expect(project.run(['node', `out/server.${extension}`]).stdout, 'works');
        },
      },
    ]),
    {
      name: 'webpack, CommonJS, caisson included',
      nodes: ['24'],
      isError: true,
      async test(project) {
        await webpack(project, 'read-error.cjs', 'out/server.cjs', false, false);
        expectError(project.run(['node', 'out/server.cjs']).stdout, LEFT, 'externals');
      },
    },
    {
      name: 'the files that `@vercel/nft` (Next.js) lists, copied elsewhere',
      nodes: ['24'],
      async test(project) {
        const copy = join(project.root, 'traced');
        for (const file of await traced(project, join(project.directory, 'server.mjs')))
          cpSync(join(project.directory, file), join(copy, file));
        rmSync(join(project.directory, 'node_modules'), { recursive: true });
        expect(project.run(['node', 'server.mjs'], { cwd: copy }).stdout, 'works');
      },
    },
    {
      name: 'a single executable application, `node_modules` beside it',
      nodes: ['22', '24', '26'],
      async test(project, node) {
        expect(project.run([await sea(project, 'sea.cjs', node)]).stdout, 'works');
      },
    },
    {
      name: 'a single executable application, one file',
      nodes: ['22', '24', '26'],
      async test(project, node) {
        const files = await traced(project, join(project.directory, 'server.mjs'));
        const assets = files.filter((file) => file.startsWith('node_modules/'));
        const app = await sea(project, 'sea-one-file.cjs', node, Object.fromEntries(assets.map((file) => [file, file]))); // prettier-ignore
        rmSync(join(project.directory, 'node_modules'), { recursive: true });
        expect(project.run([app]).stdout, 'works');
      },
    },
    {
      name: 'a single executable application, caisson included',
      nodes: ['24'],
      isError: true,
      async test(project, node) {
        await esbuild(project, 'read-error.cjs', 'bundle.cjs', 'cjs', []);
        expectError(project.run([await sea(project, 'bundle.cjs', node)]).stdout, LEFT, 'createRequire(process.execPath)'); // prettier-ignore
      },
    },
    {
      name: 'yarn, pnp, `unplugged: false`',
      nodes: ['22'],
      isError: true,
      installer: 'yarn, pnp',
      test(project, _node, { command, runner }) {
        project.write('package.json', {
          ...{ name: 'project', version: '1.0.0', private: true },
          dependencies: { caisson: command.at(-1).slice('caisson@'.length) },
          dependenciesMeta: { caisson: { unplugged: false } },
        });
        project.run([...command.slice(0, 2), 'install']);
        expectError(project.run([...runner, 'read-error.mjs']).stdout, 'in an archive of Yarn', 'dependenciesMeta'); // prettier-ignore
      },
    },
  ];
}
