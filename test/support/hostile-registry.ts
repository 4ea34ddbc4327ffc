/** A small HTTP server on the loopback interface that answers as a test says. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http'; // prettier-ignore
import { createServer as createTlsServer, type ServerOptions } from 'node:https';
import { createServer as createSocketServer, type AddressInfo, type Server as SocketServer, type Socket } from 'node:net'; // prettier-ignore
import { digestOf } from './registry.js';

export type Handler = (request: IncomingMessage, response: ServerResponse) => unknown;

export class HostileRegistry {
  /** Method, path and headers of each request, in their order. */
  readonly requests: { readonly line: string; readonly headers: IncomingMessage['headers'] }[] = [];
  readonly host: string;
  readonly #server: Server | SocketServer;
  readonly #sockets = new Set<Socket>();

  private constructor(server: Server | SocketServer) {
    this.#server = server;
    this.host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      socket.on('error', () => undefined);
      socket.once('close', () => this.#sockets.delete(socket));
    });
  }

  /** @param tls with key and certificate in PEM format. */
  static async start(handler: Handler, tls?: ServerOptions): Promise<HostileRegistry> {
    const listener: RequestListener = (request, response) => {
      registry.requests.push({
        line: `${request.method ?? ''} ${request.url ?? ''}`,
        headers: request.headers,
      });
      response.on('error', () => undefined);
      handler(request, response);
    };
    const server = tls === undefined ? createServer(listener) : createTlsServer(tls, listener);
    // A test ends it, and nothing else.
    server.requestTimeout = 0;
    await listen(server);
    const registry = new HostileRegistry(server);
    return registry;
  }

  /** Speaks whatever the test writes to the connections. */
  static async raw(connected: (socket: Socket) => void): Promise<HostileRegistry> {
    const server = createSocketServer((socket) => {
      socket.on('error', () => undefined);
      connected(socket);
    });
    await listen(server);
    return new HostileRegistry(server);
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }

  /** Those that are for a blob or a manifest. */
  get content(): typeof this.requests {
    return this.requests.filter(({ line }) => !line.endsWith(' /v2/'));
  }
}

async function listen(server: Server | SocketServer): Promise<void> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
}

/** The answers to GET of `/v2/test/manifests/…` and `/v2/test/blobs/…`. */
export function serving(
  manifest: string | Buffer,
  mediaType = 'application/vnd.oci.image.manifest.v1+json',
  others: Readonly<Record<string, { readonly bytes: Buffer; readonly mediaType: string }>> = {},
): Handler {
  const bytes = Buffer.from(manifest);
  return (request, response) => {
    const name = request.url?.split('/').at(-1) ?? '';
    const found = others[name] ?? { bytes, mediaType };
    response.writeHead(200, {
      'content-type': found.mediaType,
      'docker-content-digest': digestOf(found.bytes),
    });
    response.end(found.bytes);
  };
}
