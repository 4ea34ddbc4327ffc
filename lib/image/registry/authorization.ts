/**
 * Tokens and passwords for the requests to one registry: Docker's token authentication (distribution/docs/spec/auth) and
 * Basic. Tokens are kept until they expire, for each scope.
 */
import type { CaissonError } from '../../base/errors.js';
import { parseJson } from '../../base/storage.js';
import { parseChallenges, type Challenge } from './challenge.js';
import type { Credentials } from './credentials.js';
import { exchange, readAll, type HttpAnswer } from './exchange.js';
import { isLoopback, bareHost } from './proxy.js';
import { parseComplaint, protocolError, registryError } from './registry-errors.js';
import { parseRetryAfter, passing } from './retry.js';
import type { Transport } from './transport.js';

const LARGEST_ANSWER = 256 * 1024;
/** Seconds, where the token's service says nothing, or less. */
const SHORTEST_LIFE = 60;
/** Milliseconds by which a token ends earlier here, so that it does not end on the way. */
const MARGIN = 5_000;

export interface AuthorizationContext {
  readonly transport: Transport;
  readonly credentials: Credentials | undefined;
  /** Whether the service of the tokens may be asked over http, although it is not on this machine. */
  readonly insecure: boolean;
  readonly stallTimeout: number;
}

interface Token {
  readonly header: string;
  /** As `performance.now()`. */
  readonly expires: number;
}

export class Authorization {
  readonly #context: AuthorizationContext;
  /** Of the first request that was refused. */
  #challenge: Challenge | undefined;
  readonly #tokens = new Map<string, Promise<Token>>();

  constructor(context: AuthorizationContext) {
    this.#context = context;
  }

  /** The value of the header Authorization, for a scope such as `repository:library/debian:pull`; undefined before the registry has asked for one. */
  async header(scope: string, signal: AbortSignal | undefined): Promise<string | undefined> {
    const challenge = this.#challenge;
    if (challenge === undefined) return undefined;
    if (challenge.scheme === 'basic') return basic(this.#context.credentials);
    let token = this.#tokens.get(scope);
    const known = await token?.catch(() => undefined);
    if (known === undefined || performance.now() >= known.expires) {
      // Another request may have begun to ask meanwhile.
      if (this.#tokens.get(scope) === token) {
        token = this.#fetch(challenge, scope, signal);
        this.#tokens.set(scope, token);
        token.catch(() => this.#tokens.get(scope) === token && this.#tokens.delete(scope));
      } else token = this.#tokens.get(scope);
    }
    return (await token)?.header;
  }

  /**
   * Takes note of an answer 401. Another attempt may succeed if the result is true.
   *
   * @param sent the header that was refused.
   */
  refused(answer: HttpAnswer, scope: string, sent: string | undefined): boolean {
    const challenges = parseChallenges(answer.headers['www-authenticate']);
    const challenge =
      challenges.find(({ scheme, params }) => scheme === 'bearer' && params.has('realm')) ??
      challenges.find(({ scheme }) => scheme === 'basic');
    // A kind of authentication that is unknown here, or none.
    if (challenge === undefined) return false;
    this.#challenge = challenge;
    if (challenge.scheme === 'basic')
      return sent === undefined && this.#context.credentials?.kind === 'password';
    if (sent === undefined) return true;
    this.#tokens.delete(scope);
    // A token that was accepted before has expired, or was revoked; a new one that is refused will be refused again.
    return !this.#fresh.has(sent);
  }

  /** Tokens that were not accepted by any request yet. */
  readonly #fresh = new Set<string>();

  accepted(sent: string | undefined): void {
    if (sent !== undefined) this.#fresh.delete(sent);
  }

  async #fetch(
    challenge: Challenge,
    scope: string,
    signal: AbortSignal | undefined,
  ): Promise<Token> {
    const token = await fetchToken(challenge, scope, this.#context, signal);
    this.#fresh.add(token.header);
    return token;
  }
}

async function fetchToken(
  { params }: Challenge,
  scope: string,
  context: AuthorizationContext,
  signal: AbortSignal | undefined,
): Promise<Token> {
  const { credentials, transport, stallTimeout } = context;
  if (credentials?.kind === 'registry-token')
    return { header: `Bearer ${credentials.token}`, expires: Infinity };
  const url = realmUrl(params.get('realm') ?? '', context);
  const service = params.get('service') ?? '';
  const scopes = scope === '' ? [] : scope.split(' ');
  const started = performance.now();
  const common = { url, signal, stallTimeout };
  const answer =
    credentials?.kind === 'identity-token'
      ? await exchange(
          { ...common, method: 'POST', ...refreshForm(credentials.token, service, scopes) },
          transport,
        )
      : await exchange(
          { ...common, method: 'GET', ...tokenQuery(url, service, scopes, credentials) },
          transport,
        );
  const body = await readAll(answer, LARGEST_ANSWER, 'answer to a request for a token');
  if (answer.status !== 200) throw tokenFailure(answer, body, credentials);
  const content = (parseJson(body.toString('utf8')) ?? {}) as Readonly<Record<string, unknown>>;
  const token = content['token'] ?? content['access_token'];
  if (typeof token !== 'string' || !/^[\x21-\x7e]+$/.test(token))
    throw protocolError(url.host, 'its answer to a request for a token has none');
  const seconds = Number(content['expires_in']);
  const life = Math.max(SHORTEST_LIFE, Number.isFinite(seconds) ? seconds : 0) * 1000;
  return { header: `Bearer ${token}`, expires: started + life - MARGIN };
}

/**
 * Credentials are sent there, so that it is over https, or on this machine, or what was declared insecure.
 */
function realmUrl(realm: string, { insecure }: AuthorizationContext): URL {
  let url: URL;
  try {
    url = new URL(realm);
  } catch {
    throw protocolError('of tokens', 'its address is not a URL');
  }
  if (url.protocol === 'https:') return url;
  if (url.protocol === 'http:' && (insecure || isLoopback(bareHost(url.hostname)))) return url;
  throw protocolError(url.host, 'tokens would be fetched, and a password sent, without encryption');
}

function tokenQuery(
  realm: URL,
  service: string,
  scopes: readonly string[],
  credentials: Credentials | undefined,
): { readonly url: URL; readonly headers: Readonly<Record<string, string>> } {
  const url = new URL(realm);
  if (service !== '') url.searchParams.set('service', service);
  for (const each of scopes) url.searchParams.append('scope', each);
  if (credentials?.kind === 'password') url.searchParams.set('account', credentials.username);
  const header = basic(credentials);
  return { url, headers: header === undefined ? {} : { authorization: header } };
}

function refreshForm(token: string, service: string, scopes: readonly string[]) {
  const form = new URLSearchParams({
    grant_type: 'refresh_token',
    refresh_token: token,
    service,
    client_id: 'caisson',
    scope: scopes.join(' '),
  });
  const bytes = Buffer.from(form.toString());
  return {
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: { length: bytes.length, bytes: once(bytes) },
  };
}

// eslint-disable-next-line @typescript-eslint/require-await -- the body of a request is asynchronous
export async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

function basic(credentials: Credentials | undefined): string | undefined {
  if (credentials?.kind !== 'password') return undefined;
  const { username, password } = credentials;
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
}

function tokenFailure(
  { status, url, headers }: HttpAnswer,
  body: Uint8Array,
  credentials: Credentials | undefined,
): CaissonError {
  const { message } = parseComplaint(body);
  const tail = message === '' ? '' : `: ${message}`;
  const { host } = url;
  if (status === 429)
    return passing(
      registryError(
        'ERR_RATE_LIMITED',
        host,
        `too many requests for tokens${tail}`,
        'wait, or log in: accounts have higher limits',
      ),
      parseRetryAfter(headers['retry-after']),
    );
  if (status >= 500)
    return passing(
      registryError('ERR_REGISTRY_FAILED', host, `no token, status ${status}${tail}`, 'try again later'),
    ); // prettier-ignore
  if (status === 401 || status === 403 || status === 400)
    return registryError(
      'ERR_REGISTRY_UNAUTHORIZED',
      host,
      credentials === undefined
        ? `it gives no token without a user name and a password${tail}`
        : `it refuses the user name and the password${tail}`,
      'log in with `caisson login`, or `docker login`',
    );
  return protocolError(host, `its answer to a request for a token has the status ${status}${tail}`);
}
