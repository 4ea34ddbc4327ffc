/** A forward proxy on the loopback interface, which reaches every host at an address that the test gives. */
import { once } from 'node:events';
import { createServer, request, type Server } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';

export class TestProxy {
  /** `CONNECT registry.test:5000`, `GET http://registry.test/v2/`. */
  readonly requests: string[] = [];
  readonly url: string;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(server: Server) {
    this.#server = server;
    this.url = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  /**
   * @param target `HOST:PORT`, for whatever host is asked for.
   * @param credentials `USER:PASSWORD` that it wants.
   */
  static async start(target: string, credentials?: string): Promise<TestProxy> {
    const [host = '', port] = target.split(':');
    const allowed = (header: string | undefined) =>
      credentials === undefined ||
      header === `Basic ${Buffer.from(credentials).toString('base64')}`;
    const server = createServer((incoming, response) => {
      proxy.requests.push(`${incoming.method ?? ''} ${incoming.url ?? ''}`);
      if (!allowed(incoming.headers['proxy-authorization']))
        return void response.writeHead(407).end();
      const { pathname, search } = new URL(incoming.url ?? '');
      const { method, headers } = incoming;
      const outgoing = request(
        { host, port, method, headers, path: pathname + search },
        (answer) => {
          response.writeHead(answer.statusCode ?? 502, answer.headers);
          answer.pipe(response);
        },
      );
      outgoing.on('error', () => response.destroy());
      incoming.pipe(outgoing);
    });
    server.on('connect', (incoming, socket: Socket, head: Buffer) => {
      proxy.requests.push(`CONNECT ${incoming.url ?? ''}`);
      socket.on('error', () => undefined);
      if (!allowed(incoming.headers['proxy-authorization']))
        return void socket.end('HTTP/1.1 407 Proxy Authentication Required\r\n\r\n');
      const upstream = connect(Number(port), host, () => {
        socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
        upstream.write(head);
        upstream.pipe(socket);
        socket.pipe(upstream);
      });
      proxy.#keep(upstream);
    });
    server.on('connection', (socket: Socket) => proxy.#keep(socket));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const proxy = new TestProxy(server);
    return proxy;
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('error', () => undefined);
    socket.once('close', () => this.#sockets.delete(socket));
  }
}
