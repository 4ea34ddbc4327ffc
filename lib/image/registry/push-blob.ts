/** The upload of a blob: in one request, or in pieces, each of which can be sent again. */
import { CaissonError } from '../../base/errors.js';
import type { Descriptor } from '../manifest.js';
import type { Endpoint } from './download-blob.js';
import { checkedLocation, type HttpAnswer } from './exchange.js';
import { protocolError } from './registry-errors.js';
import { isPassing, waitToRetry } from './retry.js';
import type { BlobSource, TransferOptions } from './transfer.js';

/** Bytes. A blob that is not larger is sent in one request; a larger one in pieces of this size. */
const PIECE = 32 << 20;
/** Milliseconds: the registry may have to hash or move the blob before it answers. */
const ANSWER_TIMEOUT = 600_000;

export type PushResult = 'exists' | 'mounted' | 'uploaded';

/** Whether the repository has the blob. */
export async function hasBlob(
  { session, path }: Endpoint,
  { digest, size }: Descriptor,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const answer = await session.request({
    method: 'HEAD',
    path: `/v2/${path}/blobs/${digest}`,
    scope: pushScope(path),
    what: `blob ${digest}`,
    accept: [404],
    signal,
  });
  answer.drop();
  const length = answer.headers['content-length'];
  return answer.status === 200 && (length === undefined || Number(length) === size);
}

/**
 * Takes a blob over from another repository of the registry, without its bytes.
 *
 * @param from path of that repository.
 * @returns false if the registry does not do that
 */
export async function mountBlob(
  { session, path }: Endpoint,
  digest: string,
  from: string,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const query = new URLSearchParams({ mount: digest, from });
  const answer = await session.request({
    method: 'POST',
    path: `/v2/${path}/blobs/uploads/?${query.toString()}`,
    scope: `${pushScope(path)} repository:${from}:pull`,
    what: `blob ${digest}`,
    accept: [401, 403, 404, 405],
    signal,
  });
  answer.drop();
  if (answer.status === 201) return true;
  // It has begun an upload instead.
  if (answer.status === 202) await cancel({ session, path }, locationOf(answer));
  return false;
}

/** @throws ERR_REGISTRY_*, ERR_DIGEST_MISMATCH, ERR_RATE_LIMITED, ERR_ABORTED; what the source throws */
export async function uploadBlob(
  endpoint: Endpoint,
  descriptor: Descriptor,
  source: BlobSource,
  options: TransferOptions,
  piece = PIECE,
): Promise<void> {
  const { session } = endpoint;
  let state: Upload | undefined;
  for (let failures = 0; ;) {
    const before = state?.offset ?? 0;
    try {
      state ??= await begin(endpoint, descriptor, piece, options.signal);
      while (!(await sendNext(endpoint, descriptor, source, state, options)));
      return;
    } catch (error) {
      if (!isPassing(error)) {
        if (state !== undefined) await cancel(endpoint, state.location);
        throw error;
      }
      // Of a piece that was interrupted the registry has an unknown part. An upload in one request begins again.
      const known =
        state === undefined ? undefined : await offsetOf(endpoint, state, options.signal);
      state = known;
      if ((known?.offset ?? 0) > before) failures = 0;
      await waitToRetry(error, ++failures + 1, session.retries, options.signal);
    }
  }
}

interface Upload {
  /** Where the next piece goes. */
  location: URL;
  offset: number;
  readonly piece: number;
}

async function begin(
  { session, path }: Endpoint,
  { digest }: Descriptor,
  piece: number,
  signal: AbortSignal | undefined,
): Promise<Upload> {
  const answer = await session.request({
    method: 'POST',
    path: `/v2/${path}/blobs/uploads/`,
    scope: pushScope(path),
    what: `blob ${digest}`,
    signal,
    once: true,
  });
  answer.drop();
  if (answer.status !== 202) throw protocolError(session.host, `it begins no upload: ${answer.status}`); // prettier-ignore
  const least = Number(answer.headers['oci-chunk-min-length'] ?? 0);
  return {
    location: locationOf(answer),
    offset: 0,
    piece: Number.isSafeInteger(least) ? Math.max(piece, least) : piece,
  };
}

/** @returns whether the blob is complete */
async function sendNext(
  { session, path }: Endpoint,
  { digest, size }: Descriptor,
  source: BlobSource,
  state: Upload,
  { signal, onProgress }: TransferOptions,
): Promise<boolean> {
  const { offset, piece } = state;
  const length = Math.min(piece, size - offset);
  const whole = offset === 0 && length === size;
  const last = whole || length === 0;
  const url = new URL(state.location);
  if (last) url.searchParams.set('digest', digest);
  const answer = await session.request({
    method: last ? 'PUT' : 'PATCH',
    path: url,
    scope: pushScope(path),
    what: `blob ${digest}`,
    headers: {
      'content-type': 'application/octet-stream',
      ...(last ? {} : { 'content-range': `${offset}-${offset + length - 1}` }),
    },
    content: () => ({
      length,
      bytes: part(source, offset, length, (sent) => onProgress?.(offset + sent, size)),
    }),
    accept: [400],
    answerTimeout: ANSWER_TIMEOUT,
    signal,
    once: true,
  });
  if (answer.status === 400) {
    answer.drop();
    throw new CaissonError('ERR_DIGEST_MISMATCH', `registry ${session.host}: it refuses blob ${digest}`, {
      stage: 'image',
      path: `${session.host}/${path}`,
      hint: 'its bytes do not have this digest, or were damaged on the way',
    }); // prettier-ignore
  }
  answer.drop();
  if (last) return true;
  state.location = locationOf(answer);
  state.offset = offset + length;
  return false;
}

/** How much of it the registry has; undefined if the upload has to begin again. */
async function offsetOf(
  { session, path }: Endpoint,
  state: Upload,
  signal: AbortSignal | undefined,
): Promise<Upload | undefined> {
  const answer = await session
    .request({
      method: 'GET',
      path: state.location,
      scope: pushScope(path),
      what: 'upload',
      signal,
      once: true,
    })
    .catch(() => undefined);
  answer?.drop();
  const range = /^(?:bytes=)?0-(\d+)$/.exec(headerOf(answer, 'range'));
  if (answer?.status !== 204 || range === null) return undefined;
  // `0-0` is also the answer for no bytes at all.
  const offset = Number(range[1]) === 0 ? 0 : Number(range[1]) + 1;
  if (offset === 0 || answer.headers.location === undefined) return undefined;
  return { ...state, location: locationOf(answer), offset };
}

async function cancel({ session, path }: Endpoint, location: URL): Promise<void> {
  const answer = await session
    .request({
      method: 'DELETE',
      path: location,
      scope: pushScope(path),
      what: 'upload',
      once: true,
    })
    .catch(() => undefined);
  answer?.drop();
}

/** From one byte on, as many as belong to the request: what the source has too much or too little of is an error here. */
async function* part(
  source: BlobSource,
  offset: number,
  length: number,
  sent: (bytes: number) => void,
): AsyncGenerator<Uint8Array> {
  let left = length;
  for await (const chunk of length === 0 ? [] : source.read(offset)) {
    const taken = chunk.length > left ? chunk.subarray(0, left) : chunk;
    left -= taken.length;
    if (taken.length > 0) yield taken;
    sent(length - left);
    if (left === 0) return;
  }
  if (left > 0)
    throw new CaissonError('ERR_DIGEST_MISMATCH', `the blob ends ${left} bytes before its size`, {
      stage: 'image',
      hint: 'the file in the store is damaged; pull or build the image again',
    });
}

function locationOf({ headers, url }: HttpAnswer): URL {
  return checkedLocation(headers.location, url);
}

function headerOf(answer: HttpAnswer | undefined, name: string): string {
  const value = answer?.headers[name];
  return typeof value === 'string' ? value : '';
}

export function pushScope(path: string): string {
  return `repository:${path}:pull,push`;
}
