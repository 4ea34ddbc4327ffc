/** Programs of documents, run as a reader does who saves them as .mjs, with a registry that has the images that they pull. */
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import ts from 'typescript';
import { defaultPaths } from '../../lib/engine/store/paths.js';
import { DockerHub } from './docker-hub.js';
import { NetworkNamespace } from './network-namespace.js';
import { STRICT } from './strict-typescript.js';

const run = promisify(execFile);

/** What the comments behind `console.log` promise, in order. */
export function promisedLines(code: string): string[] {
  return [...code.matchAll(/^.*\bconsole\.log\(.*\); \/\/ (.*)$/gm)].map(([, text = '']) => text);
}

/** Of the machine: programs use the default directories. */
async function images(): Promise<string[]> {
  const { stdout } = await run('bin/caisson', ['images', '--all', '--quiet', '--no-trunc']);
  return stdout.split('\n').filter((id) => id !== '');
}

function networks(): string[] {
  const path = join(defaultPaths().dataRoot, 'networks');
  return existsSync(path) ? readdirSync(path).map((name) => join(path, name)) : [];
}

export class PastedPrograms {
  private constructor(
    private readonly directory: string,
    private readonly machine: NetworkNamespace,
    private readonly hub: DockerHub,
    private readonly known: readonly string[],
    private readonly knownNetworks: readonly string[],
  ) {}

  static async start(): Promise<PastedPrograms> {
    const known = await images();
    const knownNetworks = networks();
    const machine = await NetworkNamespace.make();
    try {
      const hub = await DockerHub.start(machine.within);
      // Within the package, so that `caisson` is found by its own name.
      mkdirSync('.cache', { recursive: true });
      const directory = await mkdtemp(join('.cache', 'programs-'));
      return new PastedPrograms(directory, machine, hub, known, knownNetworks);
    } catch (error) {
      await machine.end();
      throw error;
    }
  }

  async stop(): Promise<void> {
    await this.hub.stop();
    await this.machine.end();
    for (const path of networks().filter((each) => !this.knownNetworks.includes(each)))
      await rm(path, { recursive: true });
    const added = (await images()).filter((id) => !this.known.includes(id));
    if (added.length > 0) await run('bin/caisson', ['rmi', '--force', ...added]);
    await rm(this.directory, { recursive: true, force: true });
  }

  /** It ends well, and prints what its comments promise. */
  async works(name: string, code: string): Promise<void> {
    const stdout = await this.run(name, code);
    expect(stdout.split('\n'), code).to.include.members(promisedLines(code));
    expect(stdout.trim(), `output of\n${code}`).to.not.equal('');
  }

  /** What it prints; its working directory is empty at first. */
  async run(name: string, code: string): Promise<string> {
    const file = resolve(this.directory, `${name}.mjs`);
    await writeFile(file, code);
    const cwd = join(this.directory, `${name}-files`);
    await mkdir(cwd);
    const [program = '', ...args] = [...this.machine.within, process.execPath, file];
    const { stdout } = await run(program, args, { cwd, env: { ...process.env, ...this.hub.env } });
    return stdout;
  }

  /** What the compiler says of the programs when they are saved as .ts. */
  async compilerErrors(programs: readonly string[]): Promise<string[]> {
    const files = programs.map((_, index) => join(this.directory, `program-${index}.ts`));
    for (const [index, file] of files.entries()) await writeFile(file, programs[index]!);
    return ts
      .getPreEmitDiagnostics(ts.createProgram(files, { ...STRICT, skipLibCheck: true }))
      .map((each) => {
        const text = ts.flattenDiagnosticMessageText(each.messageText, '\n');
        const at = each.file?.getLineAndCharacterOfPosition(each.start ?? 0).line;
        return `${text}\n${at === undefined ? '' : each.file?.text.split('\n')[at]}`;
      });
  }
}
