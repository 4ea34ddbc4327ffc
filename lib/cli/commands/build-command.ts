/** `caisson build`. */
import { readFile, writeFile } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { PassThrough, type Readable } from 'node:stream';
import { invalid } from '../../base/check.js';
import { CaissonError } from '../../base/errors.js';
import { storageError } from '../../base/storage.js';
import type { BuildOptions } from '../../engine/build/build-options.js';
import { isArchiveStart } from '../../engine/build/context-sources.js';
import type { Engine } from '../../engine/engine.js';
import type { CommandLine } from '../args/command-line.js';
import { networksOfEnvironment, processContext } from '../args/run-invocation.js';
import { BUILD, parseSecret } from '../flags/build-flags.js';
import { print } from '../report.js';
import { BuildLines, excerpt } from '../terminal/build-lines.js';
import { endOnSignals } from '../terminal/command-signals.js';
import { contextCommand } from './context-command.js';
import { withDefaultNetwork } from './with-default-network.js';

export const build = contextCommand(BUILD, async (line, context) => {
  const input = await inputOf(line);
  const quiet = line.has('quiet') || line.value('progress') === 'quiet';
  const engine = await context.engine();
  const lines = new BuildLines((text) => print(2, text));
  const abort = new AbortController();
  const signals = endOnSignals();
  signals.ended.catch((reason: unknown) => abort.abort(reason));
  try {
    const image = await engine.build(input.context, {
      ...(await optionsOf(line, engine)),
      ...input.dockerfile,
      signal: abort.signal,
      ...(quiet ? {} : { onProgress: lines.show }),
    });
    const file = line.value('iidfile');
    if (file !== undefined) await writeId(file, image.id);
    if (quiet) print(1, `${image.id}\n`);
    return 0;
  } catch (error) {
    lines.flush();
    if (error instanceof CaissonError) await showLine(error, input);
    throw error;
  } finally {
    signals.release();
  }
});

interface Input {
  readonly context: string | Readable | undefined;
  readonly dockerfile: Pick<BuildOptions, 'file' | 'dockerfile'>;
}

/** @throws ERR_INVALID_OPTION */
async function inputOf(line: CommandLine): Promise<Input> {
  const [path = ''] = line.args;
  const file = line.value('file');
  if (path === '-') {
    if (file === '-') throw invalid('file', file, 'is standard input, and so is the build context');
    return standardInput(file);
  }
  if (file === '-') return { context: path, dockerfile: { dockerfile: await textOf(process.stdin) } }; // prettier-ignore
  return { context: path, dockerfile: file === undefined ? {} : { file: resolve(file) } };
}

/** A Dockerfile alone, or a tar archive with one. */
async function standardInput(file: string | undefined): Promise<Input> {
  const stream = new PassThrough();
  const chunks = process.stdin[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  const first: Buffer[] = [];
  let ended = false;
  for (let size = 0; size < 512 && !ended;) {
    const next = await chunks.next();
    if (next.done === true) ended = true;
    else size += first[first.push(next.value) - 1]!.length;
  }
  const feed = async () => {
    for (const part of first) stream.write(part);
    for (let next = await chunks.next(); next.done !== true; next = await chunks.next())
      if (!stream.write(next.value)) await new Promise((done) => stream.once('drain', done));
    stream.end();
  };
  void feed().catch((error: unknown) => stream.destroy(error as Error));
  if (isArchiveStart(Buffer.concat(first)))
    return { context: stream, dockerfile: file === undefined ? {} : { file } };
  if (file !== undefined)
    throw invalid('file', file, 'is one Dockerfile, and standard input is another one');
  return { context: undefined, dockerfile: { dockerfile: await textOf(stream) } };
}

async function textOf(stream: NodeJS.ReadableStream): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of stream) parts.push(part as Buffer);
  return Buffer.concat(parts).toString('utf8');
}

async function optionsOf(line: CommandLine, engine: Engine): Promise<BuildOptions> {
  const { env } = processContext();
  const asked = line.value('network') ?? networksOfEnvironment(env)?.[0];
  const own = asked === undefined || asked === 'default' ? {} : { network: asked };
  const { network } = await withDefaultNetwork(engine, own);
  const several = (name: string) => (line.values(name).length > 0 ? line.values(name) : undefined);
  return {
    network,
    addHost: several('add-host'),
    cgroupParent: line.value('cgroup-parent'),
    shmSize: line.value('shm-size'),
    ulimits: several('ulimit'),
    tags: line.values('tag'),
    buildArgs: Object.fromEntries(line.values('build-arg').map((text) => pair(text, env))),
    labels: Object.fromEntries(line.values('label').map((text) => pair(text, {}))) as Record<string, string>, // prettier-ignore
    secrets: await secretsOf(line.values('secret'), env),
    target: line.value('target'),
    noCache: line.has('no-cache'),
    pull: line.has('pull'),
    platform: line.value('platform'),
  };
}

async function secretsOf(
  texts: readonly string[],
  env: NodeJS.ProcessEnv,
): Promise<Record<string, string | Uint8Array>> {
  const secrets: Record<string, string | Uint8Array> = {};
  for (const text of texts) {
    const { id, file, env: name } = parseSecret(text);
    const value = name === undefined ? (file === undefined ? env[id] : undefined) : env[name];
    if (name !== undefined && value === undefined)
      throw invalid('secret', text, `names the variable ${name}, which is not set`);
    if (value !== undefined) secrets[id] = value;
    else secrets[id] = await readSecret(file ?? id);
  }
  return secrets;
}

async function readSecret(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw invalid('secret', path, `cannot be read: ${code ?? String(cause)}`);
  }
}

/** A name alone has the value of the environment. */
function pair(text: string, env: NodeJS.ProcessEnv): [name: string, value: string | undefined] {
  const equals = text.indexOf('=');
  return equals < 0 ? [text, env[text]] : [text.slice(0, equals), text.slice(equals + 1)];
}

async function writeId(path: string, id: string): Promise<void> {
  try {
    await writeFile(path, id, { mode: 0o644 });
  } catch (cause) {
    const found = storageError(path, cause);
    if (found instanceof CaissonError) throw found;
    const { code } = cause as NodeJS.ErrnoException;
    throw invalid('iidfile', path, `cannot be written: ${code ?? String(cause)}`);
  }
}

/** Where in the Dockerfile an error is. */
async function showLine({ path }: CaissonError, { context, dockerfile }: Input): Promise<void> {
  const line = /^Dockerfile:(\d+)$/.exec(path ?? '')?.[1];
  if (line === undefined) return;
  const file = dockerfile.file ?? (typeof context === 'string' ? join(context, 'Dockerfile') : undefined); // prettier-ignore
  const text = dockerfile.dockerfile ?? (file === undefined || typeof context === 'object' ? undefined : await readFile(file, 'utf8').catch(() => undefined)); // prettier-ignore
  if (text === undefined) return;
  print(2, excerpt(text, file === undefined ? 'Dockerfile' : basename(file), Number(line)));
}
