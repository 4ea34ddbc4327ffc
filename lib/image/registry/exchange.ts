/**
 * One HTTP request and its answer, on node:http and node:https: Node's fetch has neither proxies nor CAs of one host
 * (docs/decisions/0026-images.md).
 */
import {
  request as httpRequest,
  type ClientRequest,
  type IncomingHttpHeaders,
  type IncomingMessage,
} from 'node:http';
import { request as httpsRequest } from 'node:https';
import { onAbort } from '../../base/abort-signals.js';
import { CaissonError } from '../../base/errors.js';
import {
  aborted,
  connectionError,
  isCertificateError,
  protocolError,
  unreachable,
} from './registry-errors.js';
import { passing } from './retry.js';
import { StallWatch } from './stall-watch.js';
import type { Transport } from './transport.js';

export interface HttpRequest {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly url: URL;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** With its length: registries refuse bodies without one. */
  readonly body?: { readonly length: number; readonly bytes: AsyncIterable<Uint8Array> } | undefined; // prettier-ignore
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds without progress. */
  readonly stallTimeout: number;
  /** Milliseconds from the end of the body to the answer, if it is longer: a registry may have to move a large blob. */
  readonly answerTimeout?: number | undefined;
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** Where it came from, after redirects. */
  readonly url: URL;
  /** To be read once, to its end, or dropped. Throws as `exchange` does; an answer that ends early is such an error. */
  body(): AsyncIterable<Uint8Array>;
  /** Closes the connection, if there is more to read. */
  drop(): void;
}

const MOST_REDIRECTS = 5;
/** Milliseconds for the rest of an answer that is of no interest. */
const DROP_TIMEOUT = 2000;
/** Bytes. */
const SHORT = 16_384;
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

/** Whether a failed connection had got as far as TLS: before that, http may be tried instead. */
const beforeTls = new WeakSet<CaissonError>();

export function failedBeforeTls(error: unknown): boolean {
  return error instanceof CaissonError && beforeTls.has(error);
}

/**
 * GET and HEAD follow redirects. Credentials stay with the host that they are for; from https nothing leads to http.
 *
 * @throws ERR_REGISTRY_UNREACHABLE, ERR_REGISTRY_FAILED, ERR_ABORTED
 */
export async function exchange(request: HttpRequest, transport: Transport): Promise<HttpAnswer> {
  let { url } = request;
  let headers = request.headers ?? {};
  const follows = request.method === 'GET' || request.method === 'HEAD';
  for (let redirects = 0; ; redirects++) {
    const answer = await exchangeOnce({ ...request, url, headers }, transport);
    if (!follows || !REDIRECTS.has(answer.status)) return answer;
    answer.drop();
    if (redirects === MOST_REDIRECTS)
      throw protocolError(request.url.host, `it redirects more than ${MOST_REDIRECTS} times`);
    const next = checkedLocation(answer.headers.location, url);
    if (next.origin !== url.origin) headers = withoutCredentials(headers);
    url = next;
  }
}

/**
 * Where an answer leads, for another request.
 *
 * @throws ERR_REGISTRY_FAILED for what is no URL, and for a downgrade to http
 */
export function checkedLocation(location: string | undefined, from: URL): URL {
  if (location === undefined) throw protocolError(from.host, 'its answer has no Location');
  let url: URL;
  try {
    url = new URL(location, from);
  } catch {
    throw protocolError(from.host, 'the Location of its answer is not a URL');
  }
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && from.protocol === 'http:'))
    throw protocolError(
      from.host,
      url.protocol === 'http:'
        ? `it leads from https to http, to ${url.host}`
        : `it leads to a URL of the kind ${url.protocol}`,
    );
  // Of another user, perhaps: what is sent is what the caller has.
  url.username = '';
  url.password = '';
  url.hash = '';
  return url;
}

export function withoutCredentials(
  headers: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(headers).filter(([name]) => name.toLowerCase() !== 'authorization'),
  );
}

async function exchangeOnce(request: HttpRequest, transport: Transport): Promise<HttpAnswer> {
  const { url, method, body, signal, stallTimeout } = request;
  const { host } = url;
  if (signal?.aborted === true) throw aborted();
  const route = await transport.route(url);
  const send = route.secure ? httpsRequest : httpRequest;
  const outgoing = send({
    ...route.options,
    method,
    headers: {
      host,
      'user-agent': 'caisson',
      // The digest is that of the bytes as they are.
      'accept-encoding': 'identity',
      ...(body === undefined ? {} : { 'content-length': String(body.length) }),
      ...(body === undefined && method !== 'GET' && method !== 'HEAD' ? { 'content-length': '0' } : {}), // prettier-ignore
      ...route.headers,
      ...request.headers,
    },
  });
  /** Why this side has ended it. */
  let reason: unknown;
  const end = (error: unknown) => {
    reason ??= error;
    outgoing.destroy();
  };
  const stalled = () => {
    end(
      passing(
        unreachable(
          host,
          `it has sent next to nothing for ${Math.round(stallTimeout / 1000)} s`,
          'check the network, and try again later',
        ),
      ),
    );
  };
  const watch = new StallWatch(stallTimeout, stalled);
  const stopListening = signal === undefined ? () => undefined : onAbort(signal, () => end(aborted())); // prettier-ignore
  const finish = () => {
    watch.stop();
    stopListening();
  };
  let secured = false;
  outgoing.once('socket', (socket) => {
    if (outgoing.reusedSocket) secured = true;
    else if (route.secure) socket.once('secureConnect', () => (secured = true));
  });
  /** An error as the caller is to see it. */
  const explain = (cause: unknown): unknown => {
    if (reason !== undefined) return reason;
    if (cause instanceof CaissonError) return cause;
    const { error, passes } = connectionError(host, cause);
    if (!secured && !isCertificateError(cause)) beforeTls.add(error);
    return passes ? passing(error) : error;
  };
  let response: IncomingMessage;
  try {
    watch.wait();
    response = await new Promise<IncomingMessage>((resolve, reject) => {
      outgoing.once('response', resolve);
      outgoing.on('error', reject);
      outgoing.once('close', () => reject(Object.assign(new Error('closed'), { code: 'ECONNRESET' }))); // prettier-ignore
      if (body === undefined) outgoing.end();
      else sendBody(outgoing, body.bytes, watch, request.answerTimeout).catch(end);
    });
  } catch (error) {
    finish();
    outgoing.destroy();
    throw explain(error);
  }
  watch.moved(1024);
  response.on('error', () => undefined);
  const { statusCode = 0, headers } = response;
  return {
    status: statusCode,
    headers,
    url,
    drop: () => {
      finish();
      // What is short is read, so that the connection can be used again.
      const left = method === 'HEAD' ? 0 : Number(headers['content-length'] ?? Infinity);
      if (response.complete) response.resume();
      else if (left > SHORT) response.destroy();
      else {
        const timer = setTimeout(() => response.destroy(), DROP_TIMEOUT);
        response.once('close', () => clearTimeout(timer)).resume();
      }
    },
    async *body() {
      const chunks = response[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>;
      try {
        for (;;) {
          watch.wait();
          const next = await chunks.next();
          if (next.done === true) break;
          watch.moved(next.value.length);
          yield next.value;
        }
        if (!response.complete) throw Object.assign(new Error('incomplete'), { code: 'ECONNRESET' }); // prettier-ignore
      } catch (error) {
        throw explain(error);
      } finally {
        finish();
        if (!response.complete) response.destroy();
      }
    },
  };
}

/** Writes what the socket takes, and waits for it when it is full. */
async function sendBody(
  outgoing: ClientRequest,
  bytes: AsyncIterable<Uint8Array>,
  watch: StallWatch,
  answerTimeout: number | undefined,
): Promise<void> {
  for await (const chunk of bytes) {
    if (outgoing.destroyed || outgoing.writableEnded) return;
    watch.wait();
    if (!outgoing.write(chunk))
      await new Promise<void>((resolve) => {
        const go = () => {
          outgoing.off('drain', go);
          outgoing.off('close', go);
          outgoing.off('response', go);
          resolve();
        };
        outgoing.on('drain', go);
        outgoing.on('close', go);
        outgoing.on('response', go);
      });
    watch.moved(chunk.length);
  }
  outgoing.end();
  watch.wait(answerTimeout);
}

/**
 * The whole body, if it is not longer than `most` bytes.
 *
 * @throws ERR_REGISTRY_FAILED, and as `exchange`
 */
export async function readAll(answer: HttpAnswer, most: number, what: string): Promise<Buffer> {
  const tooLong = () => protocolError(answer.url.host, `its ${what} has more than ${most} bytes`);
  if (Number(answer.headers['content-length'] ?? 0) > most) {
    answer.drop();
    throw tooLong();
  }
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of answer.body()) {
    length += chunk.length;
    if (length > most) throw tooLong();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
