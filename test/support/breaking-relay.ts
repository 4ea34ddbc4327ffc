/** A relay on the loopback interface whose connections break after so many bytes from the client. */
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

export class BreakingRelay {
  /** Connections that were broken. */
  broken = 0;
  readonly host: string;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(server: Server) {
    this.#server = server;
    this.host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  /** @param target `127.0.0.1:PORT`. */
  static async start(target: string, bytes: number): Promise<BreakingRelay> {
    const [host = '', port] = target.split(':');
    const server = createServer((client) => {
      const upstream = connect(Number(port), host);
      let left = bytes;
      client.on('data', (chunk) => {
        left -= chunk.length;
        if (left >= 0) return void upstream.write(chunk);
        relay.broken++;
        client.destroy();
        // What was sent before arrives, as with a connection that is lost.
        return void upstream.end();
      });
      upstream.pipe(client);
      for (const socket of [client, upstream]) {
        relay.#sockets.add(socket);
        socket.on('error', () => undefined);
        socket.once('close', () => relay.#sockets.delete(socket));
      }
      client.once('close', () => upstream.end());
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const relay = new BreakingRelay(server);
    return relay;
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }
}
