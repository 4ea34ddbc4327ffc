import { expect } from 'chai';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { chooseHostPorts } from '../../../../lib/network/firewall/choose-ports.js';
import type { PortBinding } from '../../../../lib/network/firewall/port-bindings.js';
import { rejectionOf } from '../../../support/rejection.js';

const endpoint = { ipv4: '10.0.0.2' };
const local = { hostIp: '127.0.0.1', containerPort: 80, protocol: 'tcp' } as const;

/** A server on two ports that follow each other. */
async function takeTwo(): Promise<{ servers: Server[]; first: number }> {
  for (;;) {
    const one = createServer().listen(0, '127.0.0.1');
    await once(one, 'listening');
    const first = (one.address() as AddressInfo).port;
    const two = createServer();
    const next = once(two.listen(first + 1, '127.0.0.1'), 'listening').then(
      () => true,
      () => false,
    );
    if (await next) return { servers: [one, two], first };
    one.close();
  }
}

describe('chooseHostPorts', () => {
  it('The first free port of a range is chosen, and none twice', async () => {
    const { servers, first } = await takeTwo();
    try {
      const range: PortBinding = { ...local, hostPort: [first, first + 40] };
      const [one, two, fixed] = await chooseHostPorts(endpoint, [
        range,
        range,
        { ...local, hostPort: first + 2 },
      ]);
      expect(fixed?.hostPort).to.equal(first + 2);
      expect(one?.hostPort).to.be.greaterThan(first + 2);
      expect(two?.hostPort).to.be.greaterThan(one?.hostPort ?? 0);
      const error = await rejectionOf(
        chooseHostPorts(endpoint, [{ ...local, hostPort: [first, first + 1] }]),
      );
      expect(error).to.include({ code: 'ERR_PORT_IN_USE' });
      expect(error.message).to.include('all ports are allocated');
      // The other protocol has ports of its own.
      const [udp] = await chooseHostPorts(endpoint, [
        { ...local, protocol: 'udp', hostPort: [first, first + 40] },
      ]);
      expect(udp?.hostPort).to.be.within(first, first + 40);
    } finally {
      for (const server of servers) server.close();
    }
  });

  it('A port of UDP that a process uses is not chosen', async () => {
    const socket = createSocket('udp4').bind(0, '127.0.0.1');
    await once(socket, 'listening');
    const { port } = socket.address();
    const binding = { ...local, protocol: 'udp', hostPort: [port, port] } as const;
    expect(await rejectionOf(chooseHostPorts(endpoint, [binding]))).to.include({
      code: 'ERR_PORT_IN_USE',
    });
    socket.close();
  });

  it("Without a port, one of the kernel's range is chosen, for each family the same", async () => {
    const any: PortBinding = { containerPort: 80, protocol: 'tcp' };
    const chosen = await chooseHostPorts(
      { ...endpoint, ipv6: 'fd00::2' },
      Array(20).fill(any) as [],
    );
    const ports = chosen.map(({ hostPort }) => hostPort);
    expect(new Set(ports).size).to.equal(20);
    for (const port of ports) expect(port).to.be.within(1024, 65_535);
  });
});
