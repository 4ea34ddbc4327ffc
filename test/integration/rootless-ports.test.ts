/**
 * `-p` of an unprivileged user's containers on networks with a bridge: real servers in containers, reached from an outer
 * network of the test's own.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { expect } from 'chai';
import { ADDRESS, OuterNetwork, SERVER } from '../support/outer-network.js';
import { type CommandLineUser, unprivileged } from '../support/outer-users.js';
import { eventually } from '../support/outside.js';
import { skip } from '../support/skip.js';
import { pidsOf, processes, RootlessGround } from '../support/rootless-ground.js';
import type { RootlessPortFaults } from './fixtures/rootless-port-faults.js';

const SLEEP = ['sleep', '1000'];

/**
 * The server: the first line of a connection says what it does. `who`: the address of the client. `hash`: reads to the end, and
 * says what it was. `send N`: N bytes. `sink`: reads nothing more. `hold`: says nothing. Datagrams are answered.
 */
const SERVE = `
  const { createHash } = require('node:crypto');
  const block = Buffer.alloc(1 << 20, 'caisson');
  require('node:net').createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => undefined);
    socket.once('data', (first) => {
      const at = first.indexOf(10);
      const [verb, size] = first.subarray(0, at).toString().split(' ');
      const rest = first.subarray(at + 1);
      if (verb === 'who') return socket.end(socket.remoteAddress + '\\n');
      if (verb === 'sink') return socket.pause();
      if (verb === 'hold') return socket.resume();
      if (verb === 'hash') {
        const hash = createHash('sha256').update(rest);
        socket.on('data', (data) => hash.update(data));
        return socket.once('end', () => socket.end(hash.digest('hex') + '\\n'));
      }
      let left = Number(size);
      const send = () => {
        while (left > 0) {
          const part = block.subarray(0, Math.min(left, block.length));
          left -= part.length;
          if (!socket.write(part)) return socket.once('drain', send);
        }
        socket.end();
      };
      send();
    });
  }).listen(80, '::', () => {
    const datagrams = require('node:dgram').createSocket('udp6');
    datagrams.on('message', (data, { port, address }) => datagrams.send('answer to ' + data, port, address));
    datagrams.bind(53, () => console.log('ready'));
  });`;
const SERVING = [process.execPath, '-e', SERVE];

/** The client: what it has got, or the error's name. */
const CLIENT = `
  const [verb, host, port, bytes] = process.argv.slice(1);
  const { createHash } = require('node:crypto');
  const socket = require('node:net').connect({ host, port, allowHalfOpen: true });
  const hash = createHash('sha256');
  let size = 0, text = '';
  socket.on('error', ({ code }) => console.log(code));
  socket.on('data', (data) => { hash.update(data); size += data.length; if (size < 1000) text += data; });
  socket.on('end', () => { socket.end(); console.log(size < 1000 ? text.trim() : size + ' ' + hash.digest('hex')); });
  if (verb === 'hash') {
    socket.write('hash\\n');
    const block = Buffer.alloc(1 << 20, 'abc');
    for (let left = Number(bytes); left > 0; left -= block.length) socket.write(block.subarray(0, Math.min(left, block.length)));
    socket.end();
  } else socket.write(verb + (bytes === undefined ? '' : ' ' + bytes) + '\\n');`;

const DATAGRAM = `
  const [address, port, from] = process.argv.slice(1);
  const socket = require('node:dgram').createSocket(address.includes(':') ? 'udp6' : 'udp4');
  socket.on('message', (data, { address }) => { console.log(data + ' from ' + address); process.exit(); });
  socket.on('error', () => undefined);
  let left = 20;
  const send = () => { if (left-- === 0) process.exit(); socket.send('hello', port, address); setTimeout(send, 500); };
  socket.bind(0, from, send);`;

describe('Published ports of an unprivileged user', function () {
  this.timeout(180_000);
  let outer: OuterNetwork;
  let user: CommandLineUser;

  before(async function () {
    const missing = RootlessGround.missing();
    if (missing !== undefined) skip(this, missing);
    outer = await OuterNetwork.make();
    user = await unprivileged(outer);
    await ok('network', 'create', 'web');
    await ok('network', 'create', 'other');
    await ok('network', 'create', '--ipv6', '--subnet', 'fd00:5:6::/64', 'six');
  });
  after(async () => {
    await (user as CommandLineUser | undefined)?.cleanUp();
    await (outer as OuterNetwork | undefined)?.cleanUp();
  });
  afterEach(async () => {
    for (const script of scripts) await script.end();
    const { stdout } = await user.caisson(['ps', '-aq']);
    const ids = stdout.split('\n').filter(Boolean);
    if (ids.length > 0) await user.caisson(['rm', '-f', ...ids]);
    expect(await listening()).to.equal('');
    expect(pidsOf(/caisson-forward/)).to.deep.equal([]);
    await eventually(() => expect(processes()).to.deep.equal([]), 20_000);
    await eventually(() => expect(outer.guests(), 'processes').to.deep.equal([]));
  });

  const ok = async (...args: readonly string[]): Promise<string> => {
    const { code, stdout, stderr } = await user.caisson(args);
    expect(code, `caisson ${args.join(' ')}\n${stdout}${stderr}`).to.equal(0);
    return stdout.trimEnd();
  };
  const refused = async (...args: readonly string[]): Promise<string> => {
    const { code, stderr } = await user.caisson(args);
    expect(code, `caisson ${args.join(' ')}`).to.be.oneOf([1, 125]);
    return stderr;
  };
  const serving = async (...flags: readonly string[]): Promise<string> => {
    const id = await ok('run', '-d', ...flags, 'host', ...SERVING);
    await eventually(async () => expect(await ok('logs', id)).to.equal('ready'), 20_000);
    return id;
  };
  const client = async (...args: readonly (string | number)[]): Promise<string> =>
    (
      await outer.run('timeout', '60', process.execPath, '-e', CLIENT, ...args.map(String))
    ).trimEnd();
  const datagram = async (address: string, port: number, from: string): Promise<string> =>
    (await outer.run(process.execPath, '-e', DATAGRAM, address, String(port), from)).trimEnd();
  /** Sockets that listen in the outer network, without its own. */
  const listening = async (): Promise<string> =>
    (await outer.run('ss', '-Hlntu'))
      .split('\n')
      .filter((line) => !/:(8000|8001|53)\s/.test(line))
      .join('\n')
      .trim();
  const pidOf = async (id: string) => Number(await ok('inspect', '-f', '{{.State.Pid}}', id));

  it('TCP and UDP lead to the container, from all addresses of the host and with the gateway as the source', async () => {
    const id = await serving('--network', 'web', '-p', '8080:80', '-p', '5353:53/udp');
    const gateway = await ok('network', 'inspect', '-f', '{{(index .IPAM.Config 0).Gateway}}', 'web'); // prettier-ignore
    for (const address of ['127.0.0.1', SERVER, ADDRESS]) {
      expect(await client('who', address, 8080), address).to.equal(`::ffff:${gateway}`);
      // The answer comes from the address that was asked.
      expect(await datagram(address, 5353, address)).to.equal(`answer to hello from ${address}`);
    }
    expect(await datagram(SERVER, 5353, ADDRESS)).to.equal(`answer to hello from ${SERVER}`);
    expect(await ok('port', id)).to.equal('53/udp -> 0.0.0.0:5353\n80/tcp -> 0.0.0.0:8080');
    expect(await ok('ps', '--format', '{{.Ports}}')).to.equal('0.0.0.0:5353->53/udp, 0.0.0.0:8080->80/tcp'); // prettier-ignore
    expect(await ok('inspect', '-f', '{{json .NetworkSettings.Ports}}', id)).to.include('"HostPort":"8080"'); // prettier-ignore
    // Another container reaches it by the host's address, too.
    const near = ['run', '--rm', '--network', 'web', 'host', process.execPath, '-e', CLIENT];
    expect(await ok(...near, 'who', ADDRESS, '8080')).to.match(/^::ffff:/);
  });

  it('IPv6, addresses of the host, ranges and chosen ports are as on any network', async () => {
    const ports = ['-p', '127.0.0.1:8081:80', '-p', '8100-8101:80-81', '-p', '80', '-p', '53/udp'];
    const id = await serving('--network', 'six', ...ports, '-p', '[::1]:8083:80');
    expect(await client('who', '127.0.0.1', 8081)).to.match(/^::ffff:172/);
    expect(await client('who', SERVER, 8081)).to.equal('ECONNREFUSED');
    for (const address of ['127.0.0.1', '::1']) {
      expect(await client('who', address, 8100), address).to.match(address === '::1' ? /^fd00:5:6::1$/ : /^::ffff/); // prettier-ignore
      // Nothing in the container listens there.
      expect(await client('who', address, 8101), address).to.equal('ECONNRESET');
    }
    expect(await client('who', '::1', 8083)).to.equal('fd00:5:6::1');
    const port = (await ok('port', id, '80/tcp')).split('\n').map((line) => line.split(':').at(-1));
    const chosen = port.find((each) => !['8081', '8083', '8100'].includes(each!))!;
    for (const address of ['127.0.0.1', '::1'])
      expect(await client('who', address, chosen), address).to.match(/:/);
    const [datagrams] = (await ok('port', id, '53/udp')).split('\n');
    expect(await datagram('::1', Number(datagrams?.split(':').at(-1)), '::1')).to.equal('answer to hello from ::1'); // prettier-ignore
    await ok('rm', '-f', id);
    const six = await serving('--network', 'web', '-p', '[::1]:8084:80');
    // The container has no IPv6, and is reached from there nevertheless.
    expect(await client('who', '::1', 8084)).to.match(/^::ffff/);
    expect(await ok('port', six)).to.equal('80/tcp -> [::1]:8084');
    await ok('rm', '-f', six);
    const all = await serving('--network', 'web', '-P', '--expose', '80');
    const at = (await ok('port', all, '80/tcp')).split(':').at(-1)!;
    expect(await client('who', SERVER, at)).to.match(/^::ffff/);
  });

  it('Large transfers arrive as they were sent, also after the client has sent its end, and in many connections at once', async () => {
    await serving('--network', 'web', '-p', '8080:80');
    const size = 64 << 20;
    const sent = createHash('sha256').update(Buffer.alloc(size, Buffer.alloc(1 << 20, 'abc')));
    expect(await client('hash', SERVER, 8080, size)).to.equal(sent.digest('hex'));
    const got = createHash('sha256').update(Buffer.alloc(size, Buffer.alloc(1 << 20, 'caisson')));
    expect(await client('send', SERVER, 8080, size)).to.equal(`${size} ${got.digest('hex')}`);
    const many = inOuter(
      outer,
      `
      const wanted = createHash('sha256').update(Buffer.alloc(100000, Buffer.alloc(1 << 20, 'caisson'))).digest('hex');
      const one = () => new Promise((resolve) => {
        const socket = net.connect(8080, '${SERVER}', () => socket.write('send 100000\\n'));
        const hash = createHash('sha256');
        socket.on('data', (data) => hash.update(data));
        socket.on('error', ({ code }) => resolve(code));
        socket.on('end', () => resolve(hash.digest('hex') === wanted ? 'right' : 'wrong'));
      });
      Promise.all(Array.from({ length: 100 }, one)).then((all) => console.log(all.filter((each) => each === 'right').length));
    `,
    );
    expect(await many.line()).to.equal('100');
    await many.end();
  });

  it('A client that does not read keeps neither others waiting nor more than the kernel holds for it', async () => {
    await serving('--network', 'web', '-p', '8080:80');
    const before = residentOf(pidsOf(/caisson-forward/)[0]!);
    const hostile = inOuter(
      outer,
      `
      let open = 0;
      for (let i = 0; i < 20; i++) {
        const socket = net.connect(8080, '${SERVER}', () => { socket.write('send 1000000000\\n'); socket.pause(); if (++open === 20) console.log('open'); });
        const sink = net.connect(8080, '${SERVER}', () => { sink.write('sink\\n'); sink.write(Buffer.alloc(20 << 20)); });
      }
      setInterval(() => undefined, 1000);
    `,
    );
    expect(await hostile.line()).to.equal('open');
    for (let i = 0; i < 5; i++) expect(await client('who', SERVER, 8080)).to.match(/^::ffff/);
    expect(residentOf(pidsOf(/caisson-forward/)[0]!) - before).to.be.below(2048);
    await hostile.end();
    expect(await client('who', SERVER, 8080)).to.match(/^::ffff/);
  });

  it('Connections that there is no room for wait until others have ended', async () => {
    const limited = 'ulimit -n 1000';
    const flags = ['--network', 'web', '-p', '8080:80'];
    const { stdout, stderr, code } = await user.caisson(['run', '-d', ...flags, 'host', ...SERVING], limited); // prettier-ignore
    expect(code, stderr).to.equal(0);
    await eventually(async () => expect(await ok('logs', stdout.trim())).to.equal('ready'), 20_000);
    const hostile = inOuter(
      outer,
      `
      const sockets = [];
      let open = 0;
      for (let i = 0; i < 900; i++) {
        const socket = net.connect(8080, '${SERVER}', () => { socket.write('hold\\n'); if (++open === 900) console.log('open'); });
        socket.on('error', ({ code }) => console.log(code));
        sockets.push(socket);
      }
      process.stdin.once('data', () => { sockets.forEach((socket) => socket.resetAndDestroy()); console.log('closed'); });
    `,
    );
    expect(await hostile.line()).to.equal('open');
    const forwarder = pidsOf(/caisson-forward/)[0]!;
    const open = () => descriptorsOf(forwarder);
    await eventually(() => expect(open()).to.be.within(800, 1000));
    const waiting = client('who', SERVER, 8080);
    const first = await Promise.race([waiting, later(1500, 'waits')]);
    expect(first).to.equal('waits');
    hostile.child.stdin!.write('now\n');
    expect(await hostile.line()).to.equal('closed');
    expect(await waiting).to.match(/^::ffff/);
    await hostile.end();
    await eventually(() => expect(open()).to.be.below(20));
  });

  it('A taken port is an error before the start, a privileged one and SCTP before anything is made', async () => {
    const flags = ['--network', 'web', '-p', '8080:80'];
    await ok('run', '-d', '--name', 'first', ...flags, 'host', ...SLEEP);
    const second = ['run', '-d', '--name', 'second', ...flags, 'host', ...SLEEP];
    expect(await refused(...second)).to.include(
      'Bind for 0.0.0.0:8080 failed: port is already allocated',
    );
    expect(await ok('inspect', '-f', '{{.State.Status}}', 'second')).to.equal('created');
    await ok('stop', '-t', '0', 'first');
    expect(await listening()).to.equal('');
    await ok('start', 'second');
    await ok('rm', '-f', 'first', 'second');
    expect(await refused('run', '-d', '--network', 'web', '-p', '8000:80', 'host', ...SLEEP)).to.include('port is already allocated'); // prettier-ignore
    await ok('rm', '-f', (await ok('ps', '-aq')).trim());
    for (const [port, said] of [
      ['80:80', 'a rootless user may not bind ports of the host below'],
      ['8080:80/sctp', 'SCTP is not forwarded'],
    ] as const) {
      const message = await refused('create', '--network', 'web', '-p', port, 'host', ...SLEEP);
      expect(message).to.include(said);
    }
    expect(await ok('ps', '-aq')).to.equal('');
  });

  it('A port is free again when everything was killed, and when a connection has just ended', async () => {
    const flags = ['--network', 'web', '-p', '8080:80', '-p', '5353:53/udp'];
    await serving('--name', 'one', ...flags);
    expect(await client('who', SERVER, 8080)).to.match(/^::ffff/);
    for (const pid of pidsOf(/caisson-/)) process.kill(pid, 'SIGKILL');
    await eventually(async () => expect(await ok('ps', '-q')).to.equal(''));
    await eventually(async () => expect(await listening()).to.equal(''));
    await serving('--name', 'two', ...flags);
    expect(await client('who', SERVER, 8080)).to.match(/^::ffff/);
    expect(await ok('port', 'two', '80')).to.equal('0.0.0.0:8080');
    await ok('rm', '-f', 'one');
  });

  it('A container that its supervisor starts again keeps its ports, and its connections end with it', async () => {
    const id = await serving('--network', 'web', '-p', '80', '--restart', 'always');
    const port = (await ok('port', id, '80')).split(':').at(-1)!;
    const sockets = await listening();
    const forwarders = pidsOf(/caisson-forward/);
    const open = inOuter(
      outer,
      `
      const socket = net.connect(${port}, '${SERVER}', () => { socket.write('sink\\n'); setTimeout(() => console.log('open'), 300); });
      socket.on('error', ({ code }) => console.log(code));
      socket.on('end', () => console.log('end'));
    `,
    );
    expect(await open.line()).to.equal('open');
    const before = await pidOf(id);
    process.kill(before, 'SIGKILL');
    expect(await open.line()).to.be.oneOf(['ECONNRESET', 'end']);
    await open.end();
    await eventually(async () => {
      expect(await listening()).to.equal(sockets);
      expect(await pidOf(id))
        .not.to.equal(0)
        .and.not.equal(before);
      expect(await client('who', SERVER, port)).to.match(/^::ffff/);
    }, 20_000);
    expect(pidsOf(/caisson-forward/)).to.deep.equal(forwarders);
    await ok('restart', '-t', '0', id);
    await eventually(async () => expect(await client('who', SERVER, await chosenPort(id))).to.match(/^::ffff/), 20_000); // prettier-ignore
  });
  const chosenPort = async (id: string) => (await ok('port', id, '80')).split(':').at(-1)!;

  it('A forwarder that was killed is replaced at once, with the ports and networks that the container has then, and an event tells of it', async () => {
    const gatewayOf = (network: string) =>
      ok('network', 'inspect', '-f', '{{(index .IPAM.Config 0).Gateway}}', network);
    const id = await serving('--network', 'web', '-p', '8080:80', '-p', '5353:53/udp');
    const before = await pidOf(id);
    const sockets = await listening();
    const replaced = async (): Promise<void> => {
      const [killed] = pidsOf(/caisson-forward/);
      process.kill(killed!, 'SIGKILL');
      await eventually(() =>
        expect(pidsOf(/caisson-forward/))
          .to.have.length(1)
          .and.not.include(killed),
      );
      await eventually(async () => expect(await listening()).to.equal(sockets));
    };
    await replaced();
    expect(await client('who', SERVER, 8080)).to.equal(`::ffff:${await gatewayOf('web')}`);
    expect(await datagram(SERVER, 5353, ADDRESS)).to.equal(`answer to hello from ${SERVER}`);
    await ok('network', 'connect', '--gw-priority', '10', 'other', id);
    await replaced();
    expect(await client('who', SERVER, 8080)).to.equal(`::ffff:${await gatewayOf('other')}`);
    expect(await pidOf(id)).to.equal(before);
    // Another program has the port before it can be bound again.
    const [supervisor] = pidsOf(/caisson-supervi/);
    process.kill(supervisor!, 'SIGSTOP');
    try {
      process.kill(pidsOf(/caisson-forward/)[0]!, 'SIGKILL');
      await eventually(async () => expect(await listening()).to.equal(''));
      const taking = inOuter(
        outer,
        `net.createServer((socket) => socket.end('other\\n')).listen(8080, '0.0.0.0', () => console.log('taken'));`,
      );
      expect(await taking.line()).to.equal('taken');
      process.kill(supervisor!, 'SIGCONT');
      await eventually(async () => expect((await actionsOf(id)).at(-1)).to.equal('ports_lost'));
      await taking.end();
    } finally {
      process.kill(supervisor!, 'SIGCONT');
    }
    await eventually(async () => expect(await client('who', SERVER, 8080)).to.match(/^::ffff/));
    const seen = (await actionsOf(id)).filter((action) => action.startsWith('ports_'));
    expect(seen).to.deep.equal([
      ...['ports_restored', 'ports_restored', 'ports_lost', 'ports_restored'],
    ]);
  });
  const actionsOf = async (id: string) =>
    (await ok('events', '--since', '1h', '--until', '0s', '--filter', `container=${id}`, '--format', '{{.Action}}')).split('\n'); // prettier-ignore

  it('Ports lead to a container that runs when its networks change, and to none when it has none left', async () => {
    const gatewayOf = (network: string) =>
      ok('network', 'inspect', '-f', '{{(index .IPAM.Config 0).Gateway}}', network);
    const id = await serving('--network', 'web', '-p', '8080:80', '-p', '5353:53/udp');
    const forwarders = pidsOf(/caisson-forward/);
    await ok('network', 'connect', '--gw-priority', '10', 'other', id);
    expect(await client('who', SERVER, 8080)).to.equal(`::ffff:${await gatewayOf('other')}`);
    await ok('network', 'disconnect', 'other', id);
    expect(await client('who', SERVER, 8080)).to.equal(`::ffff:${await gatewayOf('web')}`);
    expect(await datagram(SERVER, 5353, ADDRESS)).to.equal(`answer to hello from ${SERVER}`);
    await ok('network', 'disconnect', 'web', id);
    expect(await client('who', SERVER, 8080)).to.equal('ECONNRESET');
    await ok('network', 'connect', 'other', id);
    expect(await client('who', SERVER, 8080)).to.equal(`::ffff:${await gatewayOf('other')}`);
    expect(pidsOf(/caisson-forward/)).to.deep.equal(forwarders);
    await ok('restart', '-t', '0', id);
    await eventually(async () => expect(await client('who', SERVER, 8080)).to.match(/^::ffff/), 20_000); // prettier-ignore
  });

  it('Ports of a container on internal networks alone do not lead to it from outside', async () => {
    await ok('network', 'create', '--internal', 'closed');
    const id = await serving('--network', 'closed', '-p', '8080:80');
    expect(await client('who', SERVER, 8080)).to.equal('ECONNRESET');
    await ok('network', 'connect', 'web', id);
    expect(await client('who', SERVER, 8080)).to.match(/^::ffff/);
  });

  it('A start leaves neither a port nor a forwarder when one of its steps fails, or its supervisor is killed', async function () {
    this.timeout(600_000);
    const child = user.fixture('rootless-port-faults', '');
    let said = '';
    child.stdout!.on('data', (data: Buffer) => (said += String(data)));
    child.stderr?.on('data', (data: Buffer) => process.stderr.write(data));
    await once(child, 'close');
    const { tried, complaints } = JSON.parse(said) as RootlessPortFaults;
    expect(complaints).to.deep.equal([]);
    expect(tried).to.include('port.forward').and.include('netlink.request');
    expect(tried).to.include('agent 6');
    expect(tried).to.have.length.above(20);
  });

  it('A run publishes its ports while it runs', async () => {
    const flags = ['run', '--rm', '--network', 'web', '-p', '8080:80', 'host', ...SERVING];
    const run = user.caisson(flags);
    await eventually(async () => expect(await client('who', SERVER, 8080)).to.match(/^::ffff/), 20_000); // prettier-ignore
    await ok('rm', '-f', await ok('ps', '-q'));
    await run;
    expect(await listening()).to.equal('');
  });
});

/** Those that have not ended. */
const scripts = new Set<OuterScript>();

interface OuterScript {
  readonly child: ChildProcess;
  line(): Promise<string | undefined>;
  end(): Promise<void>;
}

/** A script in the outer network that lives until it is ended. */
function inOuter(outer: OuterNetwork, script: string): OuterScript {
  const head = `const net = require('node:net'); const { createHash } = require('node:crypto');`;
  const [program = '', ...args] = [...outer.within, process.execPath, '-e', `${head}${script}`];
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const closed = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const running: OuterScript = {
    child,
    line: async () => {
      const next = await lines.next();
      return next.done === true ? undefined : next.value;
    },
    end: async () => {
      scripts.delete(running);
      child.kill('SIGKILL');
      await closed;
    },
  };
  scripts.add(running);
  return running;
}

function later<T>(milliseconds: number, value: T): Promise<T> {
  return new Promise((resolve) => setTimeout(() => resolve(value), milliseconds));
}

/** KiB */
function residentOf(pid: number): number {
  return Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
}

function descriptorsOf(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}
