// Run by scripts/package-matrix: node main.mjs TARBALL TOOLS [NAME…]
import { execFileSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { availableParallelism, loadavg } from 'node:os';
import { dirname, join } from 'node:path';
import { installers, warningsOf } from './installers.mjs';
import { packagesBelow, Project } from './project.mjs';
import { situations } from './situations.mjs';

const [tarball, tools, ...names] = process.argv.slice(2);
const repository = join(import.meta.dirname, '../..');
const DOCUMENT = join(repository, 'docs/installing.md');
const MOST_SECONDS = 3;
const MOST_PACKAGES = 12;

const work = mkdtempSync(join(dirname(tarball), 'matrix-'));
process.on('exit', () => rmSync(work, { recursive: true, force: true }));
const read = (file, ...args) => execFileSync(file, args, { encoding: 'utf8' });
const registry = read('npm', 'config', 'get', 'registry').trim();
const nodeOf = (version) => read(join(repository, 'scripts/node-version'), version).trim();
const project = (version) => new Project(work, nodeOf(version), registry);
const packed = read('tar', '-tzf', tarball).trim().split('\n').map((path) => path.replace('package/', '')).sort(); // prettier-ignore
const known = installers(tools, tarball);

/** What an installer has made of the tarball, and a container of that. */
function install(installer) {
  const place = project(installer.node);
  for (const [name, text] of Object.entries(installer.files ?? {})) place.write(name, text);
  place.run(['sh', '-c', '! command -v cc gcc g++ c++ clang make cmake python3']);
  const { stdout, stderr, seconds } = place.run(installer.command, installer);
  const warnings = warningsOf(stdout + stderr);
  if (warnings.length > 0) throw new Error(`warnings:\n${warnings.join('\n')}`);

  const { runner = ['node'], directory } = { ...installer, directory: place.directory };
  place.write('where.cjs', `console.log(require.resolve('caisson/package.json'))`);
  const root = dirname(place.run([...runner, 'where.cjs']).stdout.trim());
  const files = readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1))
    // Marks of Yarn and bun have a dot.
    .filter((path) => !/^(node_modules\/|\.)/.test(path));
  if (files.sort().join() !== packed.join()) throw new Error(`${root} has other files than the tarball: ${files.filter((path) => !packed.includes(path))}`); // prettier-ignore

  const modules = join(directory, 'node_modules');
  const packages = existsSync(modules) ? packagesBelow(modules) : [];
  for (const path of packages) {
    const { name, scripts = {} } = JSON.parse(readFileSync(path, 'utf8'));
    const script = ['preinstall', 'install', 'postinstall'].find((key) => key in scripts);
    if (script !== undefined || existsSync(join(dirname(path), 'binding.gyp')))
      throw new Error(`${name} has ${script ?? 'a binding.gyp'}`);
  }
  if (packages.length > MOST_PACKAGES) throw new Error(`${packages.length} packages`);
  place.take('start.mjs');
  const started = place.run([...runner, 'start.mjs']).stdout;
  if (!started.includes('works')) throw new Error(started);
  const again = installer.isNpm ? repeat(place, installer) : undefined;
  return { place, seconds, again, packages: packages.length };
}

/** In another directory, with what the cache has now. A machine that does other things as well cannot say what it takes. */
function repeat(place, installer) {
  let best = Infinity;
  for (let i = 0; i < 3 && best > MOST_SECONDS; i++) {
    const cwd = join(place.root, `again-${i}`);
    mkdirSync(cwd);
    writeFileSync(join(cwd, 'package.json'), '{ "private": true }');
    best = Math.min(best, place.run(installer.command, { ...installer, cwd }).seconds);
  }
  const isBusy = loadavg()[0] > availableParallelism();
  if (best > MOST_SECONDS && !isBusy) throw new Error(`takes ${best.toFixed(1)} s`);
  return best;
}

async function attempt(name, test) {
  process.stdout.write(`${name}: `);
  try {
    const result = await test();
    console.log('✔');
    return result;
  } catch (error) {
    process.exitCode = 1;
    console.log(`failed: ${error.message}`);
    return undefined;
  }
}

const wanted = (name) => names.length === 0 || names.some((part) => name.includes(part));
const versionOf = ({ version }) => JSON.parse(readFileSync(join(tools, version, 'package.json'), 'utf8')).version; // prettier-ignore
const time = (seconds) => (seconds === undefined ? '' : `${seconds.toFixed(1)} s`);
const installed = [];
for (const installer of known.filter(({ name }) => wanted(name))) {
  const done = await attempt(installer.name, () => install(installer));
  if (done === undefined) continue;
  rmSync(done.place.root, { recursive: true });
  installed.push([installer.name, versionOf(installer), installer.node, done.packages || '', time(done.seconds), time(done.again)]); // prettier-ignore
}

const rows = [];
const selected = situations(tools).filter(({ name }) => wanted(name));
// One installation for all that need no other.
const base = project('24');
if (selected.length > 0) base.run(known.find(({ name }) => name === 'npm 11').command);
for (const { name, nodes, test, isError = false, installer } of selected) {
  const seen = [];
  for (const node of nodes) {
    const place = project(node);
    if (installer === undefined)
      cpSync(join(base.directory, 'node_modules'), join(place.directory, 'node_modules'), { recursive: true, verbatimSymlinks: true }); // prettier-ignore
    const chosen = known.find((other) => other.name === installer);
    for (const [file, text] of Object.entries(chosen?.files ?? {})) place.write(file, text);
    place.take('start.mjs', 'server.mjs', 'server.cjs', 'read-error.mjs', 'read-error.cjs', 'sea.cjs', 'sea-one-file.cjs'); // prettier-ignore
    const done = await attempt(`${name}, Node ${node}`, async () => {
      await test(place, node, chosen);
      return true;
    });
    if (done) seen.push(node);
    rmSync(place.root, { recursive: true });
  }
  rows.push([name, seen.join(', '), isError ? 'the error names the remedy' : 'works']);
}

function table(head, lines) {
  const all = [head, ...lines].map((line) => line.map(String));
  const widths = head.map((_, at) => Math.max(3, ...all.map((line) => line[at].length)));
  const write = (line) => `| ${line.map((cell, at) => cell.padEnd(widths[at])).join(' | ')} |`;
  return [write(all[0]), write(widths.map((width) => '-'.repeat(width))), ...all.slice(1).map(write)].join('\n'); // prettier-ignore
}

if (names.length === 0 && process.exitCode !== 1) {
  const text = readFileSync(DOCUMENT, 'utf8');
  const put = (where, content) => (all) =>
    all.replace(new RegExp(`(<!-- ${where} -->\n)[^]*?(<!-- end -->)`), `$1\n${content}\n\n$2`);
  const changed = [
    put('installers', table(['installer', 'version', 'Node', 'packages', 'first', 'again'], installed)), // prettier-ignore
    put('situations', table(['program', 'Node', 'result'], rows)),
  ].reduce((all, change) => change(all), text);
  writeFileSync(DOCUMENT, changed);
}
