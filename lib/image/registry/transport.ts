/** The way to a host: directly or by a proxy, with which certificates, over connections that are kept for the next request. */
import { Agent as HttpAgent, request, type RequestOptions } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import type { Socket } from 'node:net';
import { connect as connectTls, createSecureContext, type SecureContext } from 'node:tls';
import { CaissonError } from '../../base/errors.js';
import { certificateDirectories, loadTlsFiles, systemCas, type TlsFiles } from './certificates.js';
import { bareHost, portOf, proxyFor } from './proxy.js';
import { unreachable } from './registry-errors.js';

export interface TransportOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Where `HOST:PORT/ca.crt` is looked for. Default: those of Docker and Podman. */
  readonly certificateDirectories?: readonly string[] | undefined;
  /** Names and ports of the hosts whose certificates are not checked. */
  readonly unverified: ReadonlySet<string>;
  /** Only the CAs of `certificateDirectories` are trusted. */
  readonly noSystemCas?: boolean | undefined;
}

export interface Route {
  /** Whether the request itself is encrypted, rather than only the way to a proxy. */
  readonly secure: boolean;
  readonly options: RequestOptions;
  readonly headers: Readonly<Record<string, string>>;
}

type Agent = HttpAgent | HttpsAgent;

const PROXY_TIMEOUT = 30_000;
/** To one host: more layers than this are seldom transferred at once. */
const MOST_SOCKETS = 16;

export class Transport {
  readonly #options: TransportOptions;
  readonly #agents = new Map<string, Promise<Agent>>();

  constructor(options: TransportOptions) {
    this.#options = options;
  }

  /** The same, with connections of its own; certificates of the system's CAs are refused. To be closed as well. */
  withoutSystemCas(): Transport {
    return new Transport({ ...this.#options, noSystemCas: true });
  }

  /** @throws ERR_REGISTRY_CONFIG */
  async route(url: URL): Promise<Route> {
    const secure = url.protocol === 'https:';
    const proxy = proxyFor(url, this.#options.env);
    const path = `${url.pathname}${url.search}`;
    const agent = await this.#agent(url, secure, proxy);
    if (proxy === undefined || secure)
      return {
        secure,
        options: { agent, host: bareHost(url.hostname), port: portOf(url), path },
        headers: {},
      };
    return {
      secure: false,
      options: {
        agent,
        host: bareHost(proxy.hostname),
        port: portOf(proxy),
        path: `${url.origin}${path}`,
      },
      headers: proxyHeaders(proxy),
    };
  }

  /** Closes connections that are not in use. */
  async close(): Promise<void> {
    const agents = await Promise.allSettled(this.#agents.values());
    this.#agents.clear();
    for (const agent of agents) if (agent.status === 'fulfilled') agent.value.destroy();
  }

  #agent(url: URL, secure: boolean, proxy: URL | undefined): Promise<Agent> {
    const key = secure ? `${url.host} ${proxy?.host ?? ''}` : (proxy?.host ?? 'http');
    let agent = this.#agents.get(key);
    if (agent === undefined) {
      agent = secure ? this.#secureAgent(url, proxy) : plainAgent(proxy);
      agent.catch(() => this.#agents.delete(key));
      this.#agents.set(key, agent);
    }
    return agent;
  }

  async #secureAgent(url: URL, proxy: URL | undefined): Promise<Agent> {
    const { env, unverified, certificateDirectories: directories, noSystemCas } = this.#options;
    const isVerified = !unverified.has(url.host);
    const hosts = [...new Set([url.host, `${url.hostname}:${portOf(url)}`])];
    const files = await loadTlsFiles(hosts, directories ?? certificateDirectories());
    const system = isVerified && noSystemCas !== true ? await systemCas(env) : [];
    const agent = new HttpsAgent({
      keepAlive: true,
      maxSockets: MOST_SOCKETS,
      // An empty list trusts none.
      secureContext: secureContext(url.host, { ...files, ca: [...system, ...files.ca] }),
      rejectUnauthorized: isVerified,
    });
    if (proxy !== undefined) tunnelThrough(agent, proxy);
    return agent;
  }
}

function secureContext(host: string, { ca, cert, key }: TlsFiles): SecureContext {
  try {
    return createSecureContext({
      ca: [...ca],
      minVersion: 'TLSv1.2',
      ...(cert.length > 0 ? { cert: [...cert], key: [...key] } : {}),
    });
  } catch (cause) {
    throw new CaissonError('ERR_REGISTRY_CONFIG', `the certificates for ${host} cannot be used: ${(cause as Error).message}`, {
      stage: 'image',
      path: host,
      hint: `check the files in /etc/docker/certs.d/${host} and /etc/containers/certs.d/${host}: they are in PEM format`,
      cause,
    }); // prettier-ignore
  }
}

/** To a proxy with TLS, the requests of http are sent over TLS. */
async function plainAgent(proxy: URL | undefined): Promise<Agent> {
  const agent = new HttpAgent({ keepAlive: true, maxSockets: MOST_SOCKETS });
  if (proxy?.protocol === 'https:')
    Object.assign(agent, {
      createConnection: () =>
        connectTls({
          host: bareHost(proxy.hostname),
          port: Number(portOf(proxy)),
          servername: proxy.hostname,
        }),
    });
  return Promise.resolve(agent);
}

/** Connections of the agent are TLS within a tunnel that the proxy opens (RFC 9110, 9.3.6). */
function tunnelThrough(agent: HttpsAgent, proxy: URL): void {
  type Callback = (error: Error | null, socket?: Socket) => void;
  Object.assign(agent, {
    createConnection(options: RequestOptions & { readonly host: string; readonly port: number }, callback: Callback) {
      openTunnel(proxy, options.host.includes(':') ? `[${options.host}]` : options.host, options.port).then(
        (socket) => callback(null, connectTls({ ...(options as object), socket })),
        callback,
      );
    },
  }); // prettier-ignore
}

async function openTunnel(proxy: URL, host: string, port: number): Promise<Socket> {
  const agent = await plainAgent(proxy);
  const fails = (why: string, cause?: unknown) =>
    unreachable(
      proxy.host,
      `the proxy ${why}, on the way to ${host}:${port}`,
      'check HTTPS_PROXY and NO_PROXY',
      cause,
    );
  return new Promise((resolve, reject) => {
    const connecting = request({
      agent,
      method: 'CONNECT',
      host: bareHost(proxy.hostname),
      port: portOf(proxy),
      path: `${host}:${port}`,
      headers: { host: `${host}:${port}`, ...proxyHeaders(proxy) },
      timeout: PROXY_TIMEOUT,
    });
    connecting.once('connect', ({ statusCode }, socket: Socket) => {
      if (statusCode === 200) return resolve(socket);
      socket.destroy();
      reject(fails(statusCode === 407 ? 'wants credentials' : `answers with ${statusCode ?? 0}`));
    });
    connecting.once('response', (response) => {
      response.destroy();
      reject(fails(response.statusCode === 407 ? 'wants credentials' : `answers with ${response.statusCode ?? 0}`)); // prettier-ignore
    });
    connecting.once('timeout', () => connecting.destroy(fails('does not answer')));
    connecting.once('error', (error) =>
      reject(error instanceof CaissonError ? error : fails('cannot be reached', error)),
    );
    connecting.end();
  });
}

function proxyHeaders({ username, password }: URL): Readonly<Record<string, string>> {
  if (username === '' && password === '') return {};
  const credentials = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return { 'proxy-authorization': `Basic ${Buffer.from(credentials).toString('base64')}` };
}
