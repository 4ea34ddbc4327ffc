/**
 * Requests to one registry: over https, or http where that is allowed; with authentication; again after failures that
 * pass.
 */
import { CaissonError } from '../../base/errors.js';
import { Authorization } from './authorization.js';
import type { Credentials } from './credentials.js';
import { exchange, failedBeforeTls, readAll, type HttpAnswer, type HttpRequest } from './exchange.js'; // prettier-ignore
import { bareHost, isLoopback } from './proxy.js';
import { isCertificateError, parseComplaint, registryError } from './registry-errors.js';
import { parseRetryAfter, passing, waitToRetry, type RetryPolicy } from './retry.js';
import type { Transport } from './transport.js';

export interface SessionOptions {
  /** With the port: `localhost:5000`. */
  readonly host: string;
  /** http is allowed, also if the registry is not on this machine, and its certificate is not checked. */
  readonly insecure: boolean;
  readonly credentials: Credentials | undefined;
  readonly transport: Transport;
  readonly retries: RetryPolicy;
  readonly stallTimeout: number;
}

export interface RegistryRequest extends Omit<HttpRequest, 'url' | 'stallTimeout' | 'body'> {
  /** Below the registry's root, such as `/v2/`; or a URL that the registry has given. */
  readonly path: string | URL;
  /** `repository:library/debian:pull`; several are separated by a space. */
  readonly scope: string;
  /** Called for each attempt: the first one may only bring the answer that credentials are wanted. */
  readonly content?: (() => NonNullable<HttpRequest['body']>) | undefined;
  /** The caller itself repeats it after a failure that passes. */
  readonly once?: boolean | undefined;
  /** Statuses that are returned, apart from 200 to 299; all others are errors. */
  readonly accept?: readonly number[] | undefined;
  /** For errors: `manifest debian:12`. */
  readonly what: string;
}

const LARGEST_COMPLAINT = 64 * 1024;
/** Of one request: for want of a token, and for one that has expired. */
const MOST_REFUSALS = 2;

export class RegistrySession {
  readonly host: string;
  readonly retries: RetryPolicy;
  readonly #options: SessionOptions;
  readonly #authorization: Authorization;
  #scheme: Promise<'https:' | 'http:'> | undefined;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.host = options.host;
    this.retries = options.retries;
    this.#authorization = new Authorization(options);
  }

  /** @throws ERR_REGISTRY_*, ERR_NO_SUCH_IMAGE, ERR_RATE_LIMITED, ERR_ABORTED */
  async request(request: RegistryRequest): Promise<HttpAnswer> {
    for (let attempt = 1; ;) {
      try {
        return await this.#attempt(request);
      } catch (error) {
        if (request.once === true) throw error;
        await waitToRetry(error, ++attempt, this.retries, request.signal);
      }
    }
  }

  async #attempt(request: RegistryRequest): Promise<HttpAnswer> {
    const { scope, signal, accept = [], what, content, method, answerTimeout } = request;
    for (let refusals = 0; ;) {
      const url = await this.#url(request.path, signal);
      // Where a registry has pointed elsewhere, credentials for it are not sent.
      const own = url.host === new URL(`${url.protocol}//${this.host}`).host;
      const authorization = own ? await this.#authorization.header(scope, signal) : undefined;
      const answer = await exchange(
        {
          method,
          url,
          signal,
          answerTimeout,
          stallTimeout: this.#options.stallTimeout,
          headers: {
            ...request.headers,
            ...(authorization === undefined ? {} : { authorization }),
          },
          body: content?.(),
        },
        this.#options.transport,
      );
      if (
        answer.status === 401 &&
        own &&
        refusals++ < MOST_REFUSALS &&
        this.#authorization.refused(answer, scope, authorization)
      ) {
        answer.drop();
        continue;
      }
      if (answer.status !== 401) this.#authorization.accepted(authorization);
      if ((answer.status >= 200 && answer.status < 300) || accept.includes(answer.status))
        return answer;
      throw await this.#failure(answer, what);
    }
  }

  async #url(path: string | URL, signal: AbortSignal | undefined): Promise<URL> {
    if (path instanceof URL) return path;
    this.#scheme ??= this.#findScheme(signal);
    try {
      return new URL(`${await this.#scheme}//${this.host}${path}`);
    } catch (error) {
      this.#scheme = undefined;
      throw error;
    }
  }

  /**
   * https, unless http is allowed and https is not spoken. Nothing but a connection tells the two apart: as for Docker,
   * the ports have no meaning.
   */
  async #findScheme(signal: AbortSignal | undefined): Promise<'https:' | 'http:'> {
    const { insecure, transport } = this.#options;
    const { hostname } = new URL(`https://${this.host}`);
    if (!insecure && !isLoopback(bareHost(hostname))) return 'https:';
    // Most of these speak http: the many CAs of the system are read for a certificate that needs them.
    const first = transport.withoutSystemCas();
    try {
      return await this.#tryScheme(first, signal);
    } catch (error) {
      if (!(error instanceof CaissonError) || !isCertificateError(error.cause)) throw error;
    } finally {
      await first.close();
    }
    return this.#tryScheme(transport, signal);
  }

  async #tryScheme(
    transport: Transport,
    signal: AbortSignal | undefined,
  ): Promise<'https:' | 'http:'> {
    const { stallTimeout } = this.#options;
    const url = new URL(`https://${this.host}/v2/`);
    try {
      const answer = await exchange({ method: 'GET', url, signal, stallTimeout }, transport);
      if (answer.status === 401) this.#authorization.refused(answer, '', undefined);
      answer.drop();
      return 'https:';
    } catch (error) {
      if (!failedBeforeTls(error)) throw error;
      // What refuses connections on a port that was named refuses them for http too.
      const { errno } = error as CaissonError;
      if (errno === 'ECONNREFUSED' && /:\d+$/.test(this.host)) throw error;
      return 'http:';
    }
  }

  async #failure(answer: HttpAnswer, what: string): Promise<CaissonError> {
    const { status, headers } = answer;
    // What is wrong with the explanation does not matter as much as what it explains.
    const body = await readAll(answer, LARGEST_COMPLAINT, 'error').catch(() => Buffer.alloc(0));
    const { code, message } = parseComplaint(body);
    const tail = message === '' ? '' : `: ${message}`;
    const fail = (kind: CaissonError['code'], why: string, hint: string) =>
      registryError(kind, this.host, `${what}: ${why}${tail}`, hint);
    if (status === 429 || code === 'TOOMANYREQUESTS')
      return passing(
        fail('ERR_RATE_LIMITED', 'too many requests', 'wait, or log in: accounts have higher limits'),
        parseRetryAfter(headers['retry-after']),
      ); // prettier-ignore
    if (status === 401 || status === 403)
      return fail(
        'ERR_REGISTRY_UNAUTHORIZED',
        status === 401 ? 'access was refused' : 'access is forbidden',
        this.#options.credentials === undefined
          ? 'the repository does not exist, or wants credentials: log in with `caisson login`, or `docker login`'
          : 'the repository does not exist, or this account may not do that',
      );
    if (status === 404)
      return fail('ERR_NO_SUCH_IMAGE', 'not found', 'check the name and the tag of the image');
    const failure = fail('ERR_REGISTRY_FAILED', `status ${status}`, 'try again later');
    return status === 408 || status === 425 || status >= 500
      ? passing(failure, parseRetryAfter(headers['retry-after']))
      : failure;
  }
}
