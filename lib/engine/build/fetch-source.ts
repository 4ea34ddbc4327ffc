/** ADD of a URL. */
import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join, posix } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { CaissonError, messageWithoutHint } from '../../base/errors.js';
import { newId } from '../../base/ids.js';
import { exchange } from '../../image/registry/exchange.js';
import { Transport } from '../../image/registry/transport.js';

export interface FetchedSource {
  /** On the host. */
  readonly path: string;
  /** The last component of the URL's path; empty if it ends with a slash. */
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  /** `sha256:…` */
  readonly digest: string;
  /** Milliseconds since 1970; 0 if the server does not say it. */
  readonly mtime: number;
}

/** Milliseconds without progress. */
const STALL_TIMEOUT = 60_000;

/** Proxies and certificates are those of pulls. @throws ERR_DOWNLOAD_FAILED; the signal's reason */
export async function fetchSource(
  text: string,
  directory: string,
  signal: AbortSignal | undefined,
): Promise<FetchedSource> {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw downloadFailed(text, 'is no URL');
  }
  const transport = new Transport({ env: process.env, unverified: new Set() });
  try {
    const answer = await exchange({ method: 'GET', url, signal, stallTimeout: STALL_TIMEOUT }, transport); // prettier-ignore
    if (answer.status !== 200) {
      answer.drop();
      throw downloadFailed(text, `invalid response status ${answer.status}`);
    }
    const path = join(directory, newId().slice(0, 12));
    const hash = createHash('sha256');
    const hashed = async function* (): AsyncGenerator<Uint8Array> {
      for await (const part of answer.body()) {
        hash.update(part);
        yield part;
      }
    };
    await pipeline(hashed(), createWriteStream(path, { mode: 0o600 }));
    const mtime = Date.parse(answer.headers['last-modified'] ?? '');
    return {
      path,
      name: decoded(posix.basename(url.pathname.endsWith('/') ? '' : url.pathname)),
      size: (await stat(path)).size,
      digest: `sha256:${hash.digest('hex')}`,
      mtime: Number.isNaN(mtime) ? 0 : Math.max(0, mtime),
    };
  } catch (error) {
    signal?.throwIfAborted();
    if (!(error instanceof CaissonError) || !error.code.startsWith('ERR_REGISTRY_')) throw error;
    throw downloadFailed(text, messageWithoutHint(error).replace(/^registry /, ''), error);
  } finally {
    await transport.close();
  }
}

/** A name in one directory. */
function decoded(name: string): string {
  try {
    const text = decodeURIComponent(name);
    return /[/\0]/.test(text) || text === '..' || text === '.' ? name : text;
  } catch {
    return name;
  }
}

function downloadFailed(url: string, why: string, cause?: unknown): CaissonError {
  return new CaissonError('ERR_DOWNLOAD_FAILED', `${url}: ${why}`, {
    stage: 'build',
    path: url,
    cause,
  });
}
