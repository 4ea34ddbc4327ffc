/**
 * Which certificates a registry may have, and which ones are shown to it: `certs.d/HOST[:PORT]/{*.crt,*.cert,*.key}`,
 * as Docker and Podman read it.
 */
import { readdir, readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { rootCertificates } from 'node:tls';
import { isErrno } from '../../base/errno.js';
import { CaissonError } from '../../base/errors.js';

type Env = Readonly<Record<string, string | undefined>>;

export interface TlsFiles {
  readonly ca: readonly string[];
  /** Certificates of the client, each with its key. */
  readonly cert: readonly string[];
  readonly key: readonly string[];
}

/** Where distributions have their CAs, which Docker trusts, and to which an administrator adds those of an organization. */
const SYSTEM_BUNDLES = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/ca-bundle.pem',
  '/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem',
  '/etc/ssl/cert.pem',
];

/** More than any bundle has. */
const LARGEST = 16 << 20;

export function certificateDirectories(): readonly string[] {
  const own = ['containers', 'docker'].map((name) => join(homedir(), '.config', name, 'certs.d'));
  return [...own, '/etc/containers/certs.d', '/etc/docker/certs.d'];
}

/**
 * @param hosts names of the registry, as they may be below `certs.d`: with and without the port.
 * @throws ERR_REGISTRY_CONFIG for a file that cannot be read, or a certificate without its key
 */
export async function loadTlsFiles(
  hosts: readonly string[],
  directories: readonly string[],
): Promise<TlsFiles> {
  const ca: string[] = [];
  const cert: string[] = [];
  const key: string[] = [];
  const names = hosts.filter((host) => /^[\w[][\w.:[\]-]*$/.test(host));
  for (const directory of directories.flatMap((all) => names.map((name) => join(all, name)))) {
    const files = await list(directory);
    for (const file of files) {
      const path = join(directory, file);
      if (file.endsWith('.crt')) ca.push(await read(path));
      if (!file.endsWith('.cert')) continue;
      const keyFile = `${file.slice(0, -'.cert'.length)}.key`;
      if (!files.includes(keyFile))
        throw unusable(path, `has no key: ${join(directory, keyFile)} is missing`);
      cert.push(await read(path));
      key.push(await read(join(directory, keyFile)));
    }
  }
  return { ca, cert, key };
}

/** @throws ERR_REGISTRY_CONFIG for a file of `SSL_CERT_FILE` or `NODE_EXTRA_CA_CERTS` that cannot be read */
export async function systemCas(env: Env): Promise<readonly string[]> {
  const extra = env['NODE_EXTRA_CA_CERTS'] ?? '';
  const further = extra === '' ? [] : [await read(extra)];
  const chosen = env['SSL_CERT_FILE'] ?? '';
  if (chosen !== '') return [await read(chosen), ...further];
  for (const path of SYSTEM_BUNDLES) {
    const bundle = await readFile(path, 'utf8').catch(() => '');
    if (bundle !== '') return [bundle, ...further];
  }
  return [...rootCertificates, ...further];
}

async function list(directory: string): Promise<readonly string[]> {
  try {
    return (await readdir(directory)).sort();
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR', 'EACCES')) return [];
    throw unusable(directory, `cannot be read: ${(error as Error).message}`, error);
  }
}

async function read(path: string): Promise<string> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    throw unusable(path, `cannot be read: ${(error as Error).message}`, error);
  }
  if (text.length > LARGEST) throw unusable(path, 'is too large');
  return text;
}

function unusable(path: string, why: string, cause?: unknown): CaissonError {
  return new CaissonError('ERR_REGISTRY_CONFIG', `${path} ${why}`, {
    stage: 'image',
    path,
    hint: 'a directory of certs.d has the CA in *.crt, and a client’s certificate and key in NAME.cert and NAME.key',
    cause,
  });
}
