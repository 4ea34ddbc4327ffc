/**
 * Credentials for registries, from the files of Docker (`config.json`) and Podman (`auth.json`), and from the helpers
 * that these files name.
 */
import { homedir } from 'node:os';
import { join } from 'node:path';
import { isRecord } from '../../base/check.js';
import { CaissonError } from '../../base/errors.js';
import { parseJson, readIfThere } from '../../base/storage.js';
import { askHelper } from './credential-helper.js';

export type Credentials =
  | { readonly kind: 'password'; readonly username: string; readonly password: string }
  /** For new tokens (OAuth 2, refresh token). */
  | { readonly kind: 'identity-token'; readonly token: string }
  /** Sent to the registry as it is. */
  | { readonly kind: 'registry-token'; readonly token: string };

type Env = Readonly<Record<string, string | undefined>>;

/** The key of Docker's own registry in these files, from a time before the second version of the protocol. */
export const INDEX_SERVER = 'https://index.docker.io/v1/';

export interface AuthFile {
  readonly path: string;
  readonly auths: Readonly<Record<string, unknown>>;
  readonly credHelpers: Readonly<Record<string, unknown>>;
  readonly credsStore: string | undefined;
  /** Everything in it, for a changed one. */
  readonly content: Readonly<Record<string, unknown>>;
}

/** In the order in which they are asked. One that REGISTRY_AUTH_FILE names is the only one. */
export function authFilePaths(env: Env): readonly string[] {
  const named = env['REGISTRY_AUTH_FILE'] ?? '';
  if (named !== '') return [named];
  const user = homedir();
  const docker = env['DOCKER_CONFIG'] ?? '';
  const runtime = env['XDG_RUNTIME_DIR'] ?? '';
  const config = env['XDG_CONFIG_HOME'] ?? '';
  return [
    join(docker === '' ? join(user, '.docker') : docker, 'config.json'),
    runtime === ''
      ? `/run/containers/${process.getuid?.() ?? 0}/auth.json`
      : join(runtime, 'containers', 'auth.json'),
    join(config === '' ? join(user, '.config') : config, 'containers', 'auth.json'),
  ];
}

/**
 * @param host with the port, as in a name: `docker.io`, `localhost:5000`.
 * @param path of the repository: Podman's files may have credentials for a part of a registry.
 * @throws ERR_REGISTRY_CONFIG
 */
export async function findCredentials(
  host: string,
  path: string,
  env: Env,
): Promise<Credentials | undefined> {
  for (const file of authFilePaths(env)) {
    const config = readAuthFile(file);
    const found = config === undefined ? undefined : await findIn(config, host, path, env);
    if (found !== undefined) return found;
  }
  return undefined;
}

/**
 * Undefined where there is none.
 *
 * @throws ERR_REGISTRY_CONFIG
 */
export function readAuthFile(path: string): AuthFile | undefined {
  let text: string | undefined;
  try {
    text = readIfThere(path);
  } catch (cause) {
    throw unusable(path, `cannot be read: ${(cause as Error).message}`, cause);
  }
  if (text === undefined) return undefined;
  const content = text.trim() === '' ? {} : parseJson(text);
  if (!isRecord(content)) throw unusable(path, 'is not a JSON object');
  const { auths = {}, credHelpers = {}, credsStore } = content as Record<string, unknown>;
  if (!isRecord(auths)) throw unusable(path, 'has auths that are not an object');
  if (!isRecord(credHelpers)) throw unusable(path, 'has credHelpers that are not an object');
  return {
    path,
    auths: auths as Record<string, unknown>,
    credHelpers: credHelpers as Record<string, unknown>,
    credsStore: typeof credsStore === 'string' && credsStore !== '' ? credsStore : undefined,
    content: content as Record<string, unknown>,
  };
}

/** The helper that has the credentials of a registry. */
export function helperFor({ credHelpers, credsStore }: AuthFile, host: string): string | undefined {
  const own = credHelpers[host] ?? (host === 'docker.io' ? credHelpers[INDEX_SERVER] : undefined);
  return typeof own === 'string' && own !== '' ? own : credsStore;
}

/** The name of a registry as a key of the files. */
export function keyOf(host: string): string {
  return host === 'docker.io' ? INDEX_SERVER : host;
}

/** Whether a key of the files is that of the registry as a whole. */
export function isKeyOf(key: string, host: string): boolean {
  return key === host || hostOf(key) === host;
}

async function findIn(
  config: AuthFile,
  host: string,
  path: string,
  env: Env,
): Promise<Credentials | undefined> {
  const helper = helperFor(config, host);
  if (helper !== undefined) {
    const answer = await askHelper(helper, 'get', keyOf(host), env);
    const { username, secret } = answer ?? {};
    if (username === '<token>' && secret !== undefined) return { kind: 'identity-token', token: secret }; // prettier-ignore
    if (username !== undefined && secret !== undefined && username + secret !== '')
      return { kind: 'password', username, password: secret };
  }
  for (const key of keysFor(host, path)) {
    const entry = Object.entries(config.auths).find(
      ([name]) => name === key || hostOf(name) === key,
    );
    const found = entry === undefined ? undefined : parseEntry(entry[1], config.path, key);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** From the most specific one: `host/a/b`, `host/a`, `host`. */
function keysFor(host: string, path: string): readonly string[] {
  const parts = path === '' ? [] : path.split('/');
  const keys = parts.map((_, i) => [host, ...parts.slice(0, parts.length - i)].join('/'));
  return [...keys, host];
}

/** Keys may be URLs: of `https://localhost:5000/v2/`, `localhost:5000`. */
function hostOf(key: string): string {
  if (key === INDEX_SERVER) return 'docker.io';
  const bare = key.replace(/^https?:\/\//, '');
  // Without a scheme, a path is one of Podman's.
  const host = bare === key && !/\/v[12]\/?$/.test(key) ? bare : (bare.split('/')[0] ?? '');
  return host === 'index.docker.io' || host === 'registry-1.docker.io' ? 'docker.io' : host;
}

function parseEntry(entry: unknown, path: string, key: string): Credentials | undefined {
  if (!isRecord(entry)) return undefined;
  const { auth, username, password, identitytoken, registrytoken } = entry as Record<
    string,
    unknown
  >;
  if (typeof identitytoken === 'string' && identitytoken !== '')
    return { kind: 'identity-token', token: identitytoken };
  if (typeof registrytoken === 'string' && registrytoken !== '')
    return { kind: 'registry-token', token: registrytoken };
  if (typeof auth === 'string' && auth !== '') {
    const text = Buffer.from(auth, 'base64').toString('utf8');
    const at = text.indexOf(':');
    if (at < 0)
      throw unusable(path, `has an auth of ${key} that is not the base64 of USER:PASSWORD`);
    // Docker once padded the password with NUL.
    const secret = text.slice(at + 1).replace(/\0+$/, '');
    return { kind: 'password', username: text.slice(0, at), password: secret };
  }
  return typeof username === 'string' && typeof password === 'string' && username !== ''
    ? { kind: 'password', username, password }
    : undefined;
}

function unusable(path: string, why: string, cause?: unknown): CaissonError {
  return new CaissonError('ERR_REGISTRY_CONFIG', `${path} ${why}`, {
    stage: 'image',
    path,
    hint: 'it is the file of `docker login` and `podman login`; correct or remove it',
    cause,
  });
}
