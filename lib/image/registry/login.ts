/** Logging in to a registry, and out: the credentials are tried, and kept where `docker login` keeps them. */
import { lstatSync, mkdirSync, readlinkSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { isErrno } from '../../base/errno.js';
import { CaissonError } from '../../base/errors.js';
import { StagedFile, storageError } from '../../base/storage.js';
import { askHelper } from './credential-helper.js';
import {
  authFilePaths,
  helperFor,
  isKeyOf,
  keyOf,
  readAuthFile,
  type AuthFile,
} from './credentials.js';
import { RegistryClient, type RegistryOptions } from './registry-client.js';

export interface LoginOptions extends Omit<RegistryOptions, 'credentials'> {
  readonly username: string;
  readonly password: string;
  readonly signal?: AbortSignal | undefined;
}

export interface LoginResult {
  /** The file that has the credentials; undefined if a helper has them. */
  readonly file: string | undefined;
  readonly helper: string | undefined;
}

/**
 * The host of a registry as it is written in names; Docker's own, if the text is empty or its old address.
 *
 * @param server may be a URL.
 * @throws ERR_INVALID_REFERENCE
 */
export function registryHost(server: string): string {
  const host = server.replace(/^https?:\/\//, '').replace(/\/.*$/s, '');
  if (['', 'index.docker.io', 'registry-1.docker.io', 'docker.io'].includes(host))
    return 'docker.io';
  if (/^(?:[\w.-]+|\[[\da-fA-F:]+\])(?::\d{1,5})?$/.test(host)) return host;
  throw new CaissonError('ERR_INVALID_REFERENCE', `${JSON.stringify(server.slice(0, 300))} is not a registry`, {
    stage: 'image',
    path: server.slice(0, 300),
    hint: 'a registry is HOST[:PORT]',
  }); // prettier-ignore
}

/**
 * @param host of `registryHost`.
 * @throws ERR_REGISTRY_UNAUTHORIZED, other ERR_REGISTRY_*, ERR_STORAGE
 */
export async function login(host: string, options: LoginOptions): Promise<LoginResult> {
  const { username, password, signal, env = process.env, ...others } = options;
  const client = await RegistryClient.open(
    { domain: host, path: 'login' },
    { ...others, env, credentials: { kind: 'password', username, password } },
  );
  try {
    await client.ping({ signal });
  } finally {
    await client.close();
  }
  const { file, config } = authFile(env);
  const helper = config === undefined ? undefined : helperFor(config, host);
  if (helper !== undefined) {
    const entry = { ServerURL: keyOf(host), Username: username, Secret: password };
    await askHelper(helper, 'store', JSON.stringify(entry), env);
    return { file: undefined, helper };
  }
  const auth = Buffer.from(`${username}:${password}`).toString('base64');
  await writeAuths(file, config, { ...without(config, host), [keyOf(host)]: { auth } });
  return { file, helper: undefined };
}

/**
 * @returns whether there were credentials
 * @throws ERR_REGISTRY_CONFIG, ERR_STORAGE
 */
export async function logout(
  host: string,
  env: Readonly<Record<string, string | undefined>> = process.env,
): Promise<boolean> {
  const { file, config } = authFile(env);
  if (config === undefined) return false;
  const helper = helperFor(config, host);
  const known = helper !== undefined && (await askHelper(helper, 'get', keyOf(host), env)) !== undefined; // prettier-ignore
  if (helper !== undefined && known) await askHelper(helper, 'erase', keyOf(host), env);
  const auths = without(config, host);
  const had = Object.keys(auths).length < Object.keys(config.auths).length;
  if (had) await writeAuths(file, config, auths);
  return had || known;
}

/** The file that is written: the one that is read first. */
function authFile(env: Readonly<Record<string, string | undefined>>): {
  readonly file: string;
  readonly config: AuthFile | undefined;
} {
  const [file = ''] = authFilePaths(env);
  return { file, config: readAuthFile(file) };
}

function without(config: AuthFile | undefined, host: string): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    Object.entries(config?.auths ?? {}).filter(([key]) => !isKeyOf(key, host)),
  );
}

/** With everything else that the file has; only its owner may read it. */
async function writeAuths(
  file: string,
  config: AuthFile | undefined,
  auths: Readonly<Record<string, unknown>>,
): Promise<void> {
  const path = followLink(file);
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  } catch (error) {
    throw storageError(dirname(path), error);
  }
  const text = `${JSON.stringify({ ...config?.content, auths }, undefined, '\t')}\n`;
  await (await StagedFile.write(path, text)).commit();
}

/** The file may be a link to one that is kept elsewhere, which is then replaced, rather than the link. */
function followLink(file: string): string {
  try {
    return lstatSync(file).isSymbolicLink() ? resolve(dirname(file), readlinkSync(file)) : file;
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return file;
    throw storageError(file, error);
  }
}
