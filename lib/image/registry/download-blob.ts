/** The download of a blob: its size and digest are checked as it arrives, and after a break it continues where it was. */
import { createHash, type Hash } from 'node:crypto';
import { CaissonError } from '../../base/errors.js';
import type { Descriptor } from '../manifest.js';
import type { HttpAnswer } from './exchange.js';
import { aborted, protocolError } from './registry-errors.js';
import type { RegistrySession } from './registry-session.js';
import { passing, waitToRetry } from './retry.js';
import type { BlobSink, TransferOptions } from './transfer.js';

/** A repository in one registry. */
export interface Endpoint {
  readonly session: RegistrySession;
  /** Of the repository, in that registry. */
  readonly path: string;
}

/** Bytes after which an interruption counts as a new one: what comes in smaller pieces is not continued for ever. */
const PROGRESS = 64 * 1024;

/**
 * @param endpoints mirrors, and the registry as the last one: what one does not have, or fails to send, the next one may.
 * @throws ERR_DIGEST_MISMATCH, ERR_REGISTRY_*, ERR_NO_SUCH_IMAGE, ERR_RATE_LIMITED, ERR_ABORTED; what the sink throws
 */
export async function downloadBlob(
  endpoints: readonly Endpoint[],
  descriptor: Descriptor,
  sink: BlobSink,
  options: TransferOptions,
): Promise<void> {
  const { size, digest } = descriptor;
  const { signal } = options;
  if (sink.offset > size) await sink.reset();
  let continued = sink.offset > 0;
  const own = sink.digest === undefined;
  let hash = own ? await hashOf(descriptor, sink, signal) : undefined;
  let failures = 0;
  let index = 0;
  const restart = async () => {
    await sink.reset();
    if (own) hash = newHash(descriptor);
  };
  for (;;) {
    const endpoint = endpoints[index];
    if (endpoint === undefined) throw new Error('no endpoint');
    const before = sink.offset;
    try {
      if (sink.offset < size)
        await fetchRest(
          endpoint,
          descriptor,
          sink,
          (bytes) => hash?.update(bytes),
          restart,
          options,
        );
      const algorithm = digest.slice(0, digest.indexOf(':'));
      const found = hash === undefined ? await sink.digest?.() : `${algorithm}:${hash.digest('hex')}`; // prettier-ignore
      if (found === digest) return;
      await restart();
      // What an earlier process has left may be wrong, rather than what the registry has sent.
      if (continued) {
        continued = false;
        continue;
      }
      throw mismatch(endpoint, descriptor, 'has another digest');
    } catch (error) {
      if (isMismatch(error)) {
        await restart();
        continued = false;
      }
      if (index < endpoints.length - 1 && isRegistryError(error)) {
        index++;
        continue;
      }
      if (sink.offset - before >= PROGRESS) failures = 0;
      await waitToRetry(error, ++failures + 1, endpoint.session.retries, signal);
    }
  }
}

/** Requests what the sink does not have, and writes it there until it is complete or the connection ends. */
async function fetchRest(
  { session, path }: Endpoint,
  descriptor: Descriptor,
  sink: BlobSink,
  take: (bytes: Uint8Array) => void,
  restart: () => Promise<void>,
  { signal, onProgress }: TransferOptions,
): Promise<void> {
  const { digest, size } = descriptor;
  const from = sink.offset;
  const answer = await session.request({
    method: 'GET',
    path: `/v2/${path}/blobs/${digest}`,
    scope: `repository:${path}:pull`,
    what: `blob ${digest}`,
    headers: from > 0 ? { range: `bytes=${from}-` } : {},
    accept: [416],
    signal,
    once: true,
  });
  try {
    if (from > 0 && answer.status !== 206) {
      // It does not know ranges, or not this one.
      await restart();
      if (answer.status === 416)
        throw passing(
          protocolError(session.host, `blob ${digest}: it refuses the range from ${from}`),
        );
    }
    checkLength(answer, sink.offset, { session, path }, descriptor);
    for await (const chunk of answer.body()) {
      if (sink.offset + chunk.length > size)
        throw mismatch({ session, path }, descriptor, 'is longer');
      take(chunk);
      await sink.write(chunk);
      onProgress?.(sink.offset, size);
      if (signal?.aborted === true) throw aborted();
    }
  } finally {
    answer.drop();
  }
  if (sink.offset < size)
    throw passing(protocolError(session.host, `blob ${digest} ends after ${sink.offset} of ${size} bytes`)); // prettier-ignore
}

function checkLength(
  { status, headers }: HttpAnswer,
  offset: number,
  endpoint: Endpoint,
  descriptor: Descriptor,
): void {
  const length = headers['content-length'];
  if (length !== undefined && Number(length) !== descriptor.size - offset)
    throw mismatch(endpoint, descriptor, `has ${offset + Number(length)} bytes`);
  if (status !== 206) return;
  const range = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(headers['content-range'] ?? '');
  if (range === null || Number(range[1]) !== offset)
    throw protocolError(endpoint.session.host, 'it has sent another range than was requested');
  if (range[2] !== '*' && Number(range[2]) !== descriptor.size)
    throw mismatch(endpoint, descriptor, `has ${range[2]} bytes`);
}

function newHash({ digest }: Descriptor): Hash {
  return createHash(digest.slice(0, digest.indexOf(':')));
}

async function hashOf(
  descriptor: Descriptor,
  sink: BlobSink,
  signal: AbortSignal | undefined,
): Promise<Hash> {
  const hash = newHash(descriptor);
  if (sink.offset === 0) return hash;
  for await (const chunk of sink.read()) {
    hash.update(chunk);
    if (signal?.aborted === true) throw aborted();
  }
  return hash;
}

function mismatch(
  { session: { host }, path }: Endpoint,
  { digest, size }: Descriptor,
  why: string,
): CaissonError {
  return new CaissonError(
    'ERR_DIGEST_MISMATCH',
    `registry ${host}: blob ${digest} ${why}; the manifest says ${size} bytes with this digest`,
    {
      stage: 'image',
      path: `${host}/${path}`,
      hint: 'the registry, or a proxy on the way, has damaged or replaced it',
    },
  );
}

function isMismatch(error: unknown): boolean {
  return error instanceof CaissonError && error.code === 'ERR_DIGEST_MISMATCH';
}

/** A failure of the registry, rather than of the caller's file or signal. */
export function isRegistryError(error: unknown): boolean {
  return (
    error instanceof CaissonError &&
    (error.code.startsWith("ERR_REGISTRY_") ||
      ['ERR_NO_SUCH_IMAGE', 'ERR_RATE_LIMITED', 'ERR_DIGEST_MISMATCH', 'ERR_INVALID_MANIFEST'].includes(error.code)) // prettier-ignore
  );
}
