// Packs the modules of lib/ into few files of dist/lib/bundle: main.cjs is the command line, index.mjs the library, and both read what
// they need of *.pack. Node would take longer to find and load a hundred modules than most commands take.
// docs/decisions/0030-packed-modules.md
import { build, transform } from 'esbuild';
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { posix } from 'node:path';

const OUTPUT = 'dist/lib/bundle';

/** Which modules are in one file: names of modules, and of rooms for all others of the room. The last file has the rest. */
const PACKS = {
  main: [
    ...['main', 'registry', 'report', 'command', 'args/command-spec', 'args/flag-parser'].map((name) => `cli/${name}`), // prettier-ignore
    ...['args/usage-error', 'args/help-request', 'terminal/output', 'terminal/command-signals'].map((name) => `cli/${name}`), // prettier-ignore
    ...['errors', 'errno', 'package-version', 'working-directory'].map((name) => `base/${name}`),
  ],
  // What a start needs without a network; nearly every other command needs some of it.
  start: [
    ...['base', 'cgroup', 'cgroup/limits', 'cgroup/systemd', 'host', 'native', 'oci', 'volumes'],
    ...['program', 'program/host-phase', 'program/container-phase'],
    ...['options', 'spec', 'start', 'store', 'supervisor'].map((room) => `engine/${room}`),
    ...['attach', 'create', 'inspect', 'start'].map((verb) => `engine/container/${verb}-container`),
    ...['container', 'transitions', 'tear-down-abandoned'].map((name) => `engine/container/${name}`), // prettier-ignore
    ...['engine', 'engine-context', 'running-executions', 'start-run'].map((name) => `engine/${name}`), // prettier-ignore
    ...['engine/networks/default-network', 'engine/images/ensure-image', 'index', 'info/info'],
    ...['host', 'host-fingerprint', 'host-skeleton', 'image-progress', 'rootfs', 'snapshots/resolve'].map((name) => `image/${name}`), // prettier-ignore
    ...['cli/args', 'cli/command-context', 'cli/commands/run-commands', 'cli/commands/with-default-network'], // prettier-ignore
    ...['common', 'create', 'policy', 'resource', 'run'].map((name) => `cli/flags/${name}-flags`),
    ...['cli/terminal/client', 'cli/terminal/detach-keys', 'cli/terminal/output-stream'],
  ],
  verbs: [
    'pty',
    'testing',
    'engine',
    'engine/container',
    'image',
    'image/snapshots',
    'engine/views',
    'engine/logs',
  ],
  network: ['network', 'engine/networks', ...['bridge', 'firewall', 'names', 'netlink', 'policy'].map((room) => `network/${room}`)], // prettier-ignore
  commands: ['cli', 'docker', 'info', ...['commands', 'completion', 'flags', 'format', 'template', 'terminal'].map((room) => `cli/${room}`)], // prettier-ignore
  images: [],
};

function packOf(name) {
  const packs = Object.keys(PACKS);
  const room = posix.dirname(name);
  return packs.find((pack) => PACKS[pack].includes(name)) ?? packs.find((pack) => PACKS[pack].includes(room)) ?? 'images'; // prettier-ignore
}

/** Names of modules: their paths below lib/. */
const names = readdirSync('lib', { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.ts') && !path.startsWith('loading/'))
  .map((path) => path.slice(0, -'.ts'.length))
  .sort();

/** The module as the body of a function, which loads an import when it is first used; undefined if it only has types. */
async function link(name) {
  const fail = (why) => {
    throw new Error(`lib/${name}.ts cannot be packed: ${why}`);
  };
  const source = readFileSync(`lib/${name}.ts`, 'utf8');
  // They would have to be looked up at each use: one variable of the importer would not do.
  const unlinked = /^export (let|var|default|\*).*/m.exec(source);
  if (unlinked !== null) fail(unlinked[0]);
  const { code } = await transform(source, {
    loader: 'ts',
    format: 'cjs',
    platform: 'node',
    target: 'node20',
    supported: { 'dynamic-import': false },
    define: { 'import.meta.url': '__url' },
    tsconfigRaw: { compilerOptions: { target: 'ES2022', verbatimModuleSyntax: true } },
  });
  // Helpers and a list of exports, then the module, then the list again for Node's loader of ES modules.
  const [head = '', rest] = code.split('module.exports = __toCommonJS(stdin_exports);\n');
  const [, list] = /__export\(stdin_exports, \{\n([^]*?)\n\}\);\n$/.exec(head) ?? [];
  if (list === undefined || rest === undefined) return undefined;

  const imports = new Map();
  const loading = (specifier) => {
    if (!specifier.startsWith('.')) return `require(${JSON.stringify(specifier)})`;
    const target = posix.join(posix.dirname(name), specifier).replace(/\.js$/, '');
    if (!names.includes(target)) fail(`there is no ${specifier}`);
    return `__load(${JSON.stringify(target)})`;
  };
  const body = rest
    .replace(/\/\/ Annotate the CommonJS export names[^]*$/, '')
    .replace(/^var (import_\w+) = require\("([^"]+)"\);\n/gm, (_, variable, specifier) => {
      imports.set(variable, loading(specifier));
      return '';
    })
    // The same for the module that a pack is read by.
    .replaceAll('(0, import_node_module.createRequire)(__url)', 'require')
    .replace(/__toESM\(require\("([^"]+)"\)\)/g, (_, specifier) => loading(specifier));
  const atUse = (text) =>
    text.replace(/\b(import_\w+)\./g, (all, variable) =>
      imports.has(variable) ? `(${variable} ??= ${imports.get(variable)}).` : all,
    );
  const exports = list.split('\n').map((line) => {
    const [, exported, value] = /^ {2}(\w+): \(\) => (.+?),?$/.exec(line) ?? fail(line);
    return /^\w+$/.test(value)
      ? `__exports.${exported} = ${value};\n`
      : `Object.defineProperty(__exports, '${exported}', { enumerable: true, get: () => ${atUse(value)} });\n`;
  });
  // Of `using`.
  const helpers = head
    .split(/^(?=var )/m)
    .filter((text) => body.includes('__using(') && /^var __(knownSymbol|typeError|using|callDispose)\b/.test(text)); // prettier-ignore
  const variables = imports.size === 0 ? '' : `let ${[...imports.keys()].join(', ')};\n`;
  const linked = [...helpers, variables, atUse(body), ...exports].join('');
  const left = /.*(__(toESM|export|toCommonJS|reExport)\(|\bmodule\.exports\b).*/.exec(linked);
  if (left !== null) fail(left[0]);
  return linked;
}

/** V8 reads text with other characters as UTF-16, which takes longer. */
function ascii(text) {
  return text.replace(
    /[^\x00-\x7f]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** The entries of the package (package.json, "exports"): modules, the files that export what they export, and its names. */
const entries = {
  index: { file: 'index' },
  'testing/testing': { file: 'test' },
  'pty/pty': { file: 'pty' },
};
const packed = Object.fromEntries(Object.keys(PACKS).map((pack) => [pack, []]));
for (const name of names) {
  const body = await link(name);
  if (body === undefined) continue;
  if (name in entries) entries[name].exported = [...body.matchAll(/__exports(?:, '|\.)(\w+)/g)].map(([, exported]) => exported); // prettier-ignore
  packed[packOf(name)].push({ name, text: `${JSON.stringify(name)}(__exports, __load, require, __url) {\n${ascii(body)}}` }); // prettier-ignore
}
const packs = Object.fromEntries(
  Object.entries(packed).map(([pack, members]) => [
    pack,
    {
      names: ` ${members.map(({ name }) => name).join(' ')} `,
      text: `({\n${members.map(({ text }) => text).join(',\n')}\n})`,
    },
  ]),
);

async function writeEntry(entry, file) {
  const { outputFiles } = await build({
    entryPoints: [`lib/loading/${entry}.ts`],
    external: ['dbus-native'],
    bundle: true,
    format: 'cjs',
    platform: 'node',
    target: 'node20',
    write: false,
    define: { BUILD: JSON.stringify(id), PACKS: JSON.stringify(lists) },
    logLevel: 'warning',
  });
  writeFileSync(`${OUTPUT}/${file}`, ascii(outputFiles[0].text));
}

rmSync(OUTPUT, { recursive: true, force: true });
mkdirSync(OUTPUT, { recursive: true });
const hash = createHash('sha256');
for (const [pack, { text }] of Object.entries(packs)) {
  writeFileSync(`${OUTPUT}/${pack}.pack`, `'use strict';\n${text}`);
  hash.update(text);
}
const id = hash.digest('hex').slice(0, 16);
const lists = Object.fromEntries(Object.entries(packs).map(([pack, { names: list }]) => [pack, list])); // prettier-ignore
await writeEntry('main-entry', 'main.cjs');
await writeEntry('library-entry', 'library.cjs');
// Not by `export *`: Node would read all of a CommonJS module to find the names.
for (const [name, { file, exported }] of Object.entries(entries)) {
  const { outputFiles } = await build({
    stdin: {
      contents: `
        import { createRequire } from 'node:module';
        import { leftBehind } from './left-behind.js';
        let library;
        try {
          const require = createRequire(import.meta.url);
          library = require('./library.cjs');
        } catch (cause) {
          throw leftBehind('library.cjs', cause);
        }
        export const { ${exported.join(', ')} } = library.load('${name}');`,
      resolveDir: 'lib/loading',
    },
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    write: false,
    logLevel: 'warning',
  });
  writeFileSync(`${OUTPUT}/${file}.mjs`, ascii(outputFiles[0].text));
}
