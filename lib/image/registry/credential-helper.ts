/** Docker's credential helpers: `docker-credential-NAME get`, with the registry on its standard input. */
import { spawn } from 'node:child_process';
import { isRecord } from '../../base/check.js';
import { CaissonError } from '../../base/errors.js';
import { parseJson } from '../../base/storage.js';
import { printable } from './registry-errors.js';

type Env = Readonly<Record<string, string | undefined>>;

export interface HelperAnswer {
  /** `<token>`: the secret is an identity token. */
  readonly username: string;
  readonly secret: string;
}

const LARGEST_ANSWER = 64 * 1024;
/** Milliseconds: a helper may ask the user to unlock a key ring. */
const TIMEOUT = 60_000;
/** What helpers print, in place of an answer, if they have nothing. */
const NOTHING = /credentials not found|no credentials server URL|no credentials username/i;

/**
 * @param server what `get` and `erase` are for; `store` takes `{ ServerURL, Username, Secret }` as JSON.
 * @returns undefined if the helper has nothing, and for `store` and `erase`
 * @throws ERR_REGISTRY_CONFIG
 */
export async function askHelper(
  name: string,
  verb: 'get' | 'store' | 'erase',
  input: string,
  env: Env,
): Promise<HelperAnswer | undefined> {
  const program = `docker-credential-${name}`;
  if (!/^[\w.-]+$/.test(name)) throw failed(program, 'has a name that is no name of a program');
  const { code, output, errors } = await runHelper(program, verb, input, env);
  if (code !== 0) {
    const said = printable(output.trim() === '' ? errors : output);
    if (NOTHING.test(said) && verb !== 'store') return undefined;
    throw failed(program, `has failed with ${code}: ${said === '' ? 'it has said nothing' : said}`);
  }
  if (verb !== 'get') return undefined;
  const answer = parseJson(output);
  const { Username: username, Secret: secret } = (isRecord(answer) ? answer : {}) as Readonly<
    Record<string, unknown>
  >;
  if (typeof username !== 'string' || typeof secret !== 'string')
    throw failed(program, 'has answered with something other than Username and Secret');
  return { username, secret };
}

interface Outcome {
  readonly code: number | string;
  readonly output: string;
  readonly errors: string;
}

function runHelper(program: string, verb: string, input: string, env: Env): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, [verb], { stdio: ['pipe', 'pipe', 'pipe'], env: { ...env } });
    const texts = ['', ''];
    const collect = (which: 0 | 1) => (chunk: Buffer) => {
      texts[which] += chunk.toString('utf8');
      if ((texts[which]?.length ?? 0) > LARGEST_ANSWER) {
        child.kill('SIGKILL');
        reject(failed(program, 'has answered with more than 64 KiB'));
      }
    };
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      reject(failed(program, `has not answered within ${TIMEOUT / 1000} s`));
    }, TIMEOUT);
    child.stdout.on('data', collect(0));
    child.stderr.on('data', collect(1));
    child.once('error', (cause) => {
      clearTimeout(timer);
      reject(failed(program, `cannot be run: ${cause.message}`, cause));
    });
    child.once('close', (code, signal) => {
      clearTimeout(timer);
      resolve({ code: code ?? signal ?? '', output: texts[0] ?? '', errors: texts[1] ?? '' });
    });
    // It may exit without having read it.
    child.stdin.on('error', () => undefined);
    child.stdin.end(input);
  });
}

function failed(program: string, why: string, cause?: unknown): CaissonError {
  return new CaissonError('ERR_REGISTRY_CONFIG', `the credential helper ${program} ${why}`, {
    stage: 'image',
    path: program,
    hint: 'credHelpers and credsStore of the configuration file name the helpers; they are programs in PATH',
    cause,
  });
}
