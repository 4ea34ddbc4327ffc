// A directory with a project of its own, in which commands find node and sh, and nothing else.
import { spawnSync } from 'node:child_process';
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';

const HERE = import.meta.dirname;

export class Project {
  /** @param node the path of the program */
  constructor(parent, node, registry) {
    this.root = mkdtempSync(join(parent, 'project-'));
    this.directory = join(this.root, 'project');
    for (const name of ['project', 'home', 'bin']) mkdirSync(join(this.root, name));
    symlinkSync(node, join(this.root, 'bin/node'));
    symlinkSync('/bin/sh', join(this.root, 'bin/sh'));
    this.write('package.json', { name: 'project', version: '1.0.0', license: 'UNLICENSED', private: true }); // prettier-ignore
    this.env = {
      PATH: join(this.root, 'bin'),
      HOME: join(this.root, 'home'),
      NODE_EXTRA_CA_CERTS: process.env.NODE_EXTRA_CA_CERTS ?? '',
      npm_config_registry: registry,
      YARN_NPM_REGISTRY_SERVER: registry,
      BUN_CONFIG_REGISTRY: registry,
      YARN_ENABLE_TELEMETRY: '0',
      npm_config_update_notifier: 'false',
    };
  }

  write(name, content) {
    writeFileSync(join(this.directory, name), typeof content === 'string' ? content : JSON.stringify(content)); // prettier-ignore
  }

  /** The programs of this directory. */
  take(...names) {
    for (const name of names) cpSync(join(HERE, name), join(this.directory, name));
  }

  /** What it has written, and how long it took. Throws where it fails. */
  run([program, ...args], { env = {}, cwd = this.directory } = {}) {
    const began = performance.now();
    const file = program === 'node' ? join(this.root, 'bin/node') : program;
    const { status, signal, stdout, stderr, error } = spawnSync(file, args, {
      cwd,
      env: { ...this.env, ...env },
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: 120_000,
    });
    const seconds = (performance.now() - began) / 1000;
    if (status !== 0)
      throw new Error(`${args[0]}: ${error?.message ?? `ended with ${status ?? signal}`}\n${stdout}${stderr}`); // prettier-ignore
    return { stdout, stderr, seconds };
  }
}

/** The directories of packages in a node_modules, wherever its installer has put them: "name@version". */
export function packagesBelow(directory, found = new Map()) {
  for (const entry of readdirSync(directory, { recursive: true, encoding: 'utf8' }))
    if (/(^|\/)node_modules\/(@[^/]+\/)?[^/]+\/package\.json$/.test(`node_modules/${entry}`))
      found.set(realpathSync(join(directory, entry)), entry);
  return [...found.keys()];
}
