/**
 * The resolver of containers on networks: the names that each may see, what is passed on to other name servers, and what
 * becomes of it all when processes are killed. Queries are sent in network namespaces of the test's own; name servers
 * listen on the host's loopback interface.
 */
import { readFileSync, readlinkSync, readdirSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { requestStep } from '../../lib/program/netlink-step.js';
import { encodeRequest, NETLINK } from '../../lib/network/netlink/message.js';
import { addBridge } from '../../lib/network/netlink/rtnetlink.js';
import { expect } from 'chai';
import { NAMESPACE_FLAGS } from '../../lib/oci/namespaces.js';
import {
  encodeEnd,
  encodeRegistration,
  type NetworkMembership,
  type Registration,
} from '../../lib/network/names/registration.js';
import { redirectDns, RESOLVER_PORT } from '../../lib/network/names/dns-redirect.js';
import { tellResolver } from '../../lib/network/names/resolver-client.js';
import { requestNetlink } from '../../lib/network/netlink/request.js';
import { Encoder } from '../../lib/program/encode.js';
import type { Program, Step } from '../../lib/program/instructions.js';
import { PLACEHOLDER } from '../../lib/program/template.js';
import {
  decode,
  encodeName,
  encodeQuery,
  encodeReply,
  numbers,
  RCODE,
  TYPE,
} from '../support/dns.js';
import { needsRoot } from '../support/needs.js';
import { eventually, namespacesOf, statusOf } from '../support/outside.js';
import { rejectionOf } from '../support/rejection.js';
import { type Member, ResolverGround } from '../support/resolver-ground.js';
import { Workshop } from '../support/workshop.js';

const root = needsRoot('network namespaces, and port 53 in them');

let lastId = 0;
const newId = (): string => (++lastId).toString(16).padStart(64, '0');

const front = (addresses: readonly string[], names: readonly string[]): NetworkMembership => ({
  id: 'f0'.repeat(32),
  name: 'front',
  addresses,
  names,
});
const back = (addresses: readonly string[], names: readonly string[]): NetworkMembership => ({
  id: 'ba'.repeat(32),
  name: 'back',
  addresses,
  names,
});
const on = (
  networks: readonly NetworkMembership[],
  rest: Partial<Registration> = {},
): Registration => ({
  id: newId(),
  networks,
  upstream: [],
  forward: false,
  ...rest,
});

const address = (text: string) => Uint8Array.from(text.split('.').map(Number));

root.describe('the resolver', function () {
  this.timeout(120_000);
  let ground: ResolverGround;
  let web: Member;
  let db: Member;
  const webIs = on([front(['172.18.0.2', 'fd00::2'], ['web', '0123456789ab', 'www.example'])]);
  const dbIs = on([front(['172.18.0.3'], ['db', 'all']), back(['172.19.0.3'], ['db'])]);

  before(async () => {
    ground = await ResolverGround.open();
    [web, db] = await Promise.all([ground.member(), ground.member()]);
    await ground.register(web, webIs);
    await ground.register(db, dbIs);
  });

  after(() => ground.close());

  describe('names of containers', () => {
    it('A name is answered with the address, for 600 seconds, and as it was written', async () => {
      const reply = await web.ask('dB', { id: 4711 });
      expect(reply).to.deep.include({ id: 4711, flags: 0x8180, truncated: false });
      expect(reply.question).to.deep.equal({ name: 'dB', type: TYPE.A });
      expect(reply.answers).to.deep.equal([
        { name: 'dB', type: TYPE.A, ttl: 600, data: '172.18.0.3' },
      ]);
    });

    it('Aliases, short ids, own names and names with dots are answered, by UDP and TCP', async () => {
      for (const name of ['web', '0123456789ab', 'www.example', 'WEB.front', 'www.example.front']) {
        expect(await db.addresses(name), name).to.deep.equal(['172.18.0.2']);
        expect((await db.askByTcp(name)).answers[0]?.data, name).to.equal('172.18.0.2');
      }
      expect(await web.addresses('web')).to.deep.equal(['172.18.0.2']);
    });

    it('AAAA records are those of IPv6 addresses; without one the name has no answer, and is known', async () => {
      expect(await db.addresses('web', TYPE.AAAA)).to.deep.equal([`fd${'0'.repeat(29)}2`]);
      for (const type of [TYPE.AAAA, TYPE.MX, TYPE.TXT, TYPE.HTTPS]) {
        const reply = await web.ask('db', { type });
        expect(reply.rcode, String(type)).to.equal(RCODE.NOERROR);
        expect(reply.answers, String(type)).to.deep.equal([]);
      }
    });

    it('Names of networks that the asking container is not on are unknown', async () => {
      expect((await web.ask('db.back')).rcode).to.equal(RCODE.SERVFAIL);
      expect(await db.addresses('db.back')).to.deep.equal(['172.19.0.3']);
      expect(await db.addresses('db')).to.deep.equal(['172.18.0.3']);
    });

    it('Addresses have names, in both families', async () => {
      const ptr = async (name: string) => (await db.ask(name, { type: TYPE.PTR })).answers[0]?.data;
      expect(await ptr('2.0.18.172.in-addr.arpa')).to.equal('web.front');
      expect(await ptr(`2.${'0.'.repeat(29)}d.f.ip6.arpa`)).to.equal('web.front');
      expect(await ptr('3.0.19.172.in-addr.arpa')).to.equal('db.back');
      const hidden = await web.ask('3.0.19.172.in-addr.arpa', { type: TYPE.PTR });
      expect(hidden.rcode).to.equal(RCODE.SERVFAIL);
    });

    it('A name that several containers have is answered with all addresses, each of them first at times', async () => {
      const others = await Promise.all([ground.member(false), ground.member(false)]);
      for (const [index, member] of others.entries())
        await ground.register(member, on([front([`172.18.1.${index}`], ['all'])]));
      const firsts = new Set<string>();
      await eventually(async () => {
        const found = await web.addresses('all');
        expect([...found].sort()).to.deep.equal(['172.18.0.3', '172.18.1.0', '172.18.1.1']);
        firsts.add(found[0] ?? '');
        expect(firsts.size).to.equal(3);
      });
      for (const member of others) await member.end();
      await eventually(async () => {
        expect(await web.addresses('all')).to.deep.equal(['172.18.0.3']);
      });
    });

    it('More addresses than a datagram holds are cut, and complete by TCP or with EDNS', async () => {
      const member = await ground.member(false);
      const many = Array.from({ length: 100 }, (_, index) => `172.18.2.${index}`);
      await ground.register(member, on([front(many, ['many'])]));
      const cut = await web.ask('many');
      expect(cut.truncated).to.equal(true);
      expect(cut.answers.length).to.be.within(20, 31);
      for (const reply of [await web.askByTcp('many'), await web.ask('many', { udpSize: 4096 })]) {
        expect(reply.truncated).to.equal(false);
        expect(reply.answers.map(({ data }) => data).sort()).to.deep.equal([...many].sort());
      }
      await member.end();
    });

    it('A reply to EDNS has an OPT record, and a newer version of it is refused', async () => {
      expect((await web.ask('db', { udpSize: 1400 })).udpSize).to.equal(1232);
      expect((await web.ask('db')).udpSize).to.equal(undefined);
      const newer = encodeQuery({ name: 'db', udpSize: 1400 });
      newer.writeUInt8(1, newer.length - 5);
      const { bytes = '' } = await web.exchange({ by: 'udp', bytes: newer.toString('hex') });
      // BADVERS, 16: the upper bits of the code are in the OPT record (RFC 6891, 6.1.3).
      expect(Buffer.from(bytes, 'hex').at(-6)).to.equal(1);
    });
  });

  describe('registrations', () => {
    it('An update replaces the names, and an end removes them', async () => {
      const member = await ground.member();
      const registration = on([front(['172.18.0.9'], ['before'])]);
      await ground.register(member, registration);
      expect(await web.addresses('before')).to.deep.equal(['172.18.0.9']);
      const { id } = registration;
      await tellResolver(
        ground.directory,
        encodeRegistration(on([back(['172.19.0.9'], ['after'])], { id }), 'update'),
      );
      expect((await web.ask('before')).rcode).to.equal(RCODE.SERVFAIL);
      expect(await db.addresses('after')).to.deep.equal(['172.19.0.9']);
      expect(await member.addresses('db')).to.deep.equal(['172.19.0.3']);
      await tellResolver(ground.directory, encodeEnd(id));
      expect((await db.ask('after')).rcode).to.equal(RCODE.SERVFAIL);
      expect(await member.send(encodeQuery({ name: 'db' }), 300)).to.equal(undefined);
      const error = await rejectionOf(tellResolver(ground.directory, encodeEnd(id)));
      expect(error).to.deep.include({ code: 'ERR_NETWORK_FAILED', errno: 'ENOENT' });
      await member.end();
    });

    it('The same container can be registered again, and by another process', async () => {
      const registration = on([front(['172.18.0.9'], ['again'])]);
      const [first, second] = await Promise.all([ground.member(), ground.member()]);
      for (const member of [first, first, second]) {
        await ground.register(member, registration);
        expect(await member.addresses('again')).to.deep.equal(['172.18.0.9']);
      }
      await first.end();
      expect(await second.addresses('again')).to.deep.equal(['172.18.0.9']);
      await second.end();
    });

    it('What cannot be registered is refused, and changes nothing', async () => {
      const refused = async (message: Uint8Array) =>
        (await rejectionOf(tellResolver(ground.directory, message))).errno;
      const registration = on([front(['172.18.0.9'], ['never'])]);
      const { startTime } = web.process;
      const cases: [Uint8Array, string][] = [
        [encodeRegistration(registration), 'EBADF'],
        [encodeRegistration(registration, 'update'), 'ENOENT'],
        [encodeRegistration({ ...webIs, port: 54 }, 'update'), 'EINVAL'],
        [encodeRegistration(registration, { pid: web.pid, startTime: startTime + 1n }), 'ESRCH'],
        [encodeRegistration(registration, { pid: 2 ** 22 + 1, startTime }), 'ESRCH'],
        [
          encodeRegistration(registration, { pid: process.pid, startTime: ownStartTime() }),
          'EINVAL',
        ],
        [Buffer.concat([Buffer.of(9, 0, 0, 0), Buffer.from('hello')]), 'EINVAL'],
      ];
      for (const [message, errno] of cases) expect(await refused(message)).to.equal(errno);
      expect((await web.ask('never')).rcode).to.equal(RCODE.SERVFAIL);
    });

    it('Replies come from 127.0.0.11, also if the container had no loopback interface before', async () => {
      const member = await ground.member(true, false);
      await ground.register(member, on([front(['172.18.0.9'], ['early'])]));
      const bytes = encodeQuery({ name: 'db' }).toString('hex');
      expect(await member.exchange({ by: 'udp', bytes })).to.deep.include({
        from: '127.0.0.11:53',
      });
      expect((await member.askByTcp('db')).answers).to.have.length(1);
      await member.end();
    });

    it('With the redirection, programs of the container can listen on port 53', async () => {
      const registration = on([front(['172.18.0.9'], ['server'])]);
      const plain = await ground.member();
      await ground.register(plain, registration);
      expect(await plain.listen(), 'without it').to.equal('EADDRINUSE');
      await tellResolver(ground.directory, encodeEnd(registration.id));
      // The process that parses closes its sockets a moment later.
      await eventually(async () => expect(await plain.listen()).to.equal(undefined));
      const refused = await rejectionOf(ground.register(plain, registration));
      expect(refused.errno).to.equal('EADDRINUSE');
      await plain.end();

      const server = await ground.member();
      await requestNetlink(redirectDns(), { namespace: `/proc/${server.pid}/ns/net` });
      await ground.register(server, { ...registration, port: RESOLVER_PORT });
      expect(await server.listen(), 'with it').to.equal(undefined);
      for (const reply of [await server.ask('db'), await server.askByTcp('db')])
        expect(reply.answers.map(({ data }) => data)).to.deep.equal(['172.18.0.3']);
      await server.end();
    });

    it('Two hundred containers are started and ended while names are looked up', async () => {
      let ended = false;
      const look = async () => {
        for (let count = 0; ; count++) {
          if (ended) return count;
          expect(await web.addresses('db')).to.deep.equal(['172.18.0.3']);
        }
      };
      const looks = look();
      const restart = async (name: string) => {
        for (let round = 0; round < 50; round++) {
          const member = await ground.member(false);
          await ground.register(member, on([front([`172.18.3.${round}`], [name])]));
          // It is known as soon as it is registered, and the one before is not.
          expect(await db.addresses(name)).to.include(`172.18.3.${round}`);
          await member.end();
        }
      };
      await Promise.all(['a', 'b', 'c', 'd'].map(restart)).finally(() => (ended = true));
      expect(await looks).to.be.above(50);
      await eventually(async () => {
        for (const name of ['a', 'b', 'c', 'd'])
          expect((await db.ask(name)).rcode, name).to.equal(RCODE.SERVFAIL);
      });
      await eventually(() => expect(readdirSync(ground.directory).sort()).to.have.length(4));
    });
  });

  describe('other names', () => {
    const answer = (query: Buffer) =>
      encodeReply(query, { answers: [{ type: TYPE.A, data: address('192.0.2.1') }] });
    let asking: Member;
    const id = newId();
    /** The container asks these servers from now on. */
    const ask = (...servers: readonly { port: number }[]) =>
      ground.register(
        asking,
        on([front(['172.18.0.8'], ['asking'])], {
          id,
          forward: true,
          upstream: servers.map(({ port }) => ({ address: '127.0.0.1', port })),
        }),
      );

    before(async () => {
      asking = await ground.member();
    });

    it('Queries are passed on as they are, but for their id, each from a port of its own', async () => {
      const server = await ground.server((query) => [answer(query)]);
      await ask(server);
      const sent = encodeQuery({ name: 'Host.Example', id: 77, udpSize: 1400 });
      for (let count = 0; count < 8; count++) {
        const reply = await asking.send(sent);
        expect(reply).to.deep.include({ id: 77, rcode: 0 });
        expect(reply?.question?.name).to.equal('Host.Example');
        expect(reply?.answers.map(({ data }) => data)).to.deep.equal(['192.0.2.1']);
      }
      for (const { query, by } of server.queries) {
        expect(by).to.equal('udp');
        expect(query.subarray(2).toString('hex')).to.equal(sent.subarray(2).toString('hex'));
      }
      expect(new Set(server.queries.map(({ port }) => port)).size).to.be.above(4);
      expect(new Set(server.queries.map(({ query }) => query.readUInt16BE(0))).size).to.be.above(4);
      expect(await asking.addresses('db'), 'own names are not passed on').to.have.length(1);
      expect(server.queries).to.have.length(8);
    });

    it('NXDOMAIN is an answer; SERVFAIL, REFUSED, silence and a closed port lead to the next server', async () => {
      const last = await ground.server((query) => [answer(query)]);
      const nothing = await ground.server((query) => [
        encodeReply(query, { rcode: RCODE.NXDOMAIN }),
      ]);
      await ask(nothing, last);
      expect((await asking.ask('a.example')).rcode).to.equal(RCODE.NXDOMAIN);
      for (const rcode of [RCODE.SERVFAIL, RCODE.REFUSED]) {
        const failing = await ground.server((query) => [encodeReply(query, { rcode })]);
        await ask(failing, last);
        expect(await asking.addresses('a.example')).to.deep.equal(['192.0.2.1']);
        await ask(failing, failing);
        expect((await asking.ask('a.example')).rcode).to.equal(RCODE.SERVFAIL);
      }
      const silent = await ground.server();
      const closed = await ground.server();
      closed.close();
      await ask(closed, silent, last);
      for (const asked of [asking.ask('a.example'), asking.askByTcp('a.example')])
        expect((await asked).answers.map(({ data }) => data)).to.deep.equal(['192.0.2.1']);
    });

    it('Without a server, or on an internal network, other names fail at once', async () => {
      const began = performance.now();
      await ask();
      expect((await asking.ask('a.example')).rcode).to.equal(RCODE.SERVFAIL);
      expect((await asking.askByTcp('a.example')).rcode).to.equal(RCODE.SERVFAIL);
      const server = await ground.server((query) => [answer(query)]);
      const upstream = [{ address: '127.0.0.1', port: server.port }];
      await ground.register(asking, on([front([], [])], { id, upstream }));
      expect((await asking.ask('a.example')).rcode).to.equal(RCODE.SERVFAIL);
      expect(server.queries).to.deep.equal([]);
      expect(performance.now() - began).to.be.below(2000);
    });

    it('A reply that is too large for the client is cut; by TCP it is asked for, and complete', async () => {
      const large = { answers: Array(2000).fill({ type: TYPE.A, data: address('192.0.2.9') }) };
      const server = await ground.server((query, by) => [
        by === 'tcp'
          ? encodeReply(query, large)
          : encodeReply(query, { answers: large.answers.slice(0, 60) }),
      ]);
      await ask(server);
      const cut = await asking.ask('large.example');
      expect(cut).to.deep.include({ truncated: true, answers: [], rcode: 0 });
      expect((await asking.ask('large.example', { udpSize: 1400 })).answers).to.have.length(60);
      expect((await asking.askByTcp('large.example')).answers).to.have.length(2000);
      expect(server.queries.map(({ by }) => by)).to.deep.equal(['udp', 'udp', 'tcp']);
      server.respond = (query) => [encodeReply(query, { truncated: true })];
      expect((await asking.ask('cut.example', { udpSize: 4096 })).truncated).to.equal(true);
    });

    it('Replies with another id, question or sender are not taken', async () => {
      const other = await ground.server();
      const server = await ground.server((query) => {
        const wrong = Buffer.from(answer(query));
        wrong.writeUInt16BE(query.readUInt16BE(0) ^ 1, 0);
        const elsewhere = encodeReply(
          Buffer.concat([query.subarray(0, 12), encodeName('evil.example'), numbers(TYPE.A, 1)]),
          { answers: [{ type: TYPE.A, data: address('203.0.113.66') }] },
        );
        return [wrong, elsewhere, query, Buffer.alloc(0), Buffer.from('garbage'), answer(query)];
      });
      await ask(server);
      expect(await asking.addresses('a.example')).to.deep.equal(['192.0.2.1']);
      // From another port of the same address.
      const [{ port: from = 0 } = {}] = server.queries;
      expect(from).to.be.above(0);
      server.respond = () => [];
      const reply = asking.ask('b.example');
      await eventually(() => expect(server.queries).to.have.length(2));
      const { query, port } = server.queries[1]!;
      other.send(
        encodeReply(query, { answers: [{ type: TYPE.A, data: address('203.0.113.66') }] }),
        port,
      );
      expect((await reply).rcode).to.equal(RCODE.SERVFAIL);
    });

    it('B8: hundreds of wrong replies to one query do not keep the resolver from others', async () => {
      const server = await ground.server((query) => {
        const wrong = Buffer.from(answer(query));
        wrong.writeUInt16BE(query.readUInt16BE(0) ^ 1, 0);
        return Array<Buffer>(300).fill(wrong);
      });
      await ask(server);
      const flooded = asking.ask('a.example');
      expect(await asking.addresses('db')).to.deep.equal(['172.18.0.3']);
      expect((await flooded).rcode).to.equal(RCODE.SERVFAIL);
    });

    it('A10: replies that no client could read are not passed on', async () => {
      const record = (name: Buffer, type: number, data: Buffer) =>
        Buffer.concat([name, numbers(type, 1, 0, 60, data.length), data]);
      const toName = numbers(0xc00c);
      const wrong: Record<string, (query: Buffer) => Buffer> = {
        'a name that points to itself': (query) => {
          const { length } = encodeReply(query, {});
          return withRecord(query, record(numbers(0xc000 | length), TYPE.A, Buffer.alloc(4)));
        },
        'a CNAME that points to itself': (query) => {
          const { length } = encodeReply(query, {});
          return withRecord(query, record(toName, TYPE.CNAME, numbers(0xc000 | (length + 12))));
        },
        'a record beyond the end': (query) =>
          withRecord(query, record(toName, TYPE.A, Buffer.alloc(4)).subarray(0, -2)),
        'more records than there are': (query) => withRecord(query, Buffer.alloc(0)),
        'a count that is too large': (query) => {
          const reply = encodeReply(query, {});
          reply.writeUInt16BE(65_535, 6);
          return reply;
        },
      };
      const last = await ground.server((query) => [answer(query)]);
      for (const [what, respond] of Object.entries(wrong)) {
        const server = await ground.server((query) => [respond(query)]);
        await ask(server, last);
        expect(await asking.addresses('a.example'), what).to.deep.equal(['192.0.2.1']);
        expect((await asking.askByTcp('a.example')).answers, what).to.have.length(1);
        expect(server.queries, what).to.have.length(2);
      }
    });

    it('B8: a hundred queries of one container can wait; more fail at once, and those of others go on', async () => {
      const silent = await ground.server();
      await ask(silent);
      const replies = Array.from({ length: 130 }, (_, index) => asking.ask(`n${index}.example`));
      const began = performance.now();
      const failed = await Promise.any(replies);
      expect(failed.rcode).to.equal(RCODE.SERVFAIL);
      expect(performance.now() - began).to.be.below(3500);
      expect(await asking.addresses('db')).to.deep.equal(['172.18.0.3']);
      expect(await web.addresses('db')).to.deep.equal(['172.18.0.3']);
      for (const { rcode } of await Promise.all(replies)) expect(rcode).to.equal(RCODE.SERVFAIL);
      expect(silent.queries).to.have.length(100);
    });
  });

  describe('clients that send anything', () => {
    it('Datagrams that are no query get no reply, or one that says so', async () => {
      const sound = encodeQuery({ name: 'db' });
      for (const bytes of [
        Buffer.alloc(0),
        Buffer.alloc(11),
        Buffer.alloc(12, 0xff),
        encodeReply(sound, {}),
      ])
        expect(await web.send(bytes, 300), bytes.toString('hex')).to.equal(undefined);
      const cut = await web.exchange({ by: 'udp', bytes: sound.subarray(0, -3).toString('hex') });
      expect(Buffer.from(cut.bytes ?? '', 'hex').readUInt16BE(2) & 15).to.equal(RCODE.FORMERR);
      expect((await web.send(encodeQuery({ name: 'db', flags: 0x2800 })))?.rcode).to.equal(
        RCODE.NOTIMP,
      );
      expect((await web.ask('front', { type: TYPE.AXFR })).rcode).to.equal(RCODE.REFUSED);
      const loop = Buffer.concat([sound.subarray(0, 12), numbers(0xc00c, TYPE.A, 1)]);
      const looped = await web.exchange({ by: 'udp', bytes: loop.toString('hex') });
      expect(Buffer.from(looped.bytes ?? '', 'hex').readUInt16BE(2) & 15).to.equal(RCODE.FORMERR);
    });

    it('Several queries by one connection are answered in turn', async () => {
      const query = encodeQuery({ name: 'db' });
      const one = Buffer.concat([numbers(query.length), query]);
      const bytes = Buffer.concat(Array<Buffer>(40).fill(one)).toString('hex');
      const size = decode(
        Buffer.from(
          (await web.exchange({ by: 'udp', bytes: query.toString('hex') })).bytes!,
          'hex',
        ),
      );
      expect(size.answers).to.have.length(1);
      const wanted = 40 * (2 + query.length + 16);
      const { bytes: replies = '' } = await web.exchange({ by: 'tcp', bytes, wanted });
      expect(replies.length / 2).to.equal(wanted);
    });

    it('A connection with a message that is too large is closed, and so are too many and idle ones', async () => {
      const large = await web.exchange({ by: 'tcp', bytes: 'ffff' });
      expect(large).to.deep.include({ bytes: '', closed: true });
      const idle = Array.from({ length: 20 }, () => web.exchange({ by: 'tcp', bytes: '00' }));
      const began = performance.now();
      expect(await Promise.any(idle)).to.deep.include({ closed: true });
      expect(performance.now() - began).to.be.below(5000);
      expect(await db.addresses('web')).to.deep.equal(['172.18.0.2']);
      expect((await db.askByTcp('web')).answers).to.have.length(1);
      for (const { closed } of await Promise.all(idle)) expect(closed).to.equal(true);
      expect((await web.askByTcp('db')).answers).to.have.length(1);
    });
  });

  describe('its processes', () => {
    it('A10: what parses has no rights, an empty root and no namespace of the host’s but the network', async () => {
      const worker = ground.worker()!;
      const status = await statusOf(worker);
      for (const set of ['CapInh', 'CapPrm', 'CapEff', 'CapAmb'])
        expect(status[set], set).to.match(/^0+$/);
      expect(status).to.deep.include({ NoNewPrivs: '1', Seccomp: '2' });
      expect(status['Uid']?.split(/\s+/)).to.not.include('0');
      expect(readdirSync(`/proc/${worker}/root`)).to.deep.equal([]);
      const [inside, outside] = await Promise.all([namespacesOf(worker), namespacesOf('self')]);
      for (const name of ['mnt', 'uts', 'ipc', 'pid', 'cgroup'])
        expect(inside[name], name).to.not.equal(outside[name]);
      expect(inside['net']).to.equal(outside['net']);
      const files = readdirSync(`/proc/${worker}/fd`).map((fd) =>
        readlinkSync(`/proc/${worker}/fd/${fd}`),
      );
      for (const file of files)
        expect(file).to.match(/^(socket:|anon_inode:\[eventpoll\]|\/dev\/null)/);
    });

    it('It is started again when it is killed, and look-ups go on', async () => {
      let ended = false;
      let failures = 0;
      const look = async () => {
        for (let count = 0; ; count++) {
          if (ended) return count;
          const reply = await web.send(encodeQuery({ name: 'db' }), 1000);
          if (reply === undefined) failures++;
          else expect(reply.answers[0]?.data).to.equal('172.18.0.3');
        }
      };
      const looks = look();
      for (let round = 0; round < 5; round++) {
        const worker = ground.worker()!;
        process.kill(worker, 'SIGKILL');
        await eventually(async () => {
          expect(ground.worker()).to.be.a('number').and.not.equal(worker);
          expect(await db.addresses('web')).to.deep.equal(['172.18.0.2']);
        });
      }
      ended = true;
      expect(await looks).to.be.above(5);
      // At most what was in flight each time.
      expect(failures).to.be.at.most(5);
    });

    it('A new one takes over when the process that holds the sockets is killed', async () => {
      const ending = await ground.member(false);
      await ground.register(ending, on([front(['172.18.0.7'], ['ending'])]));
      const [broker, worker] = [ground.broker()!, ground.worker()!];
      process.kill(broker, 'SIGKILL');
      await eventually(() => expect(ground.worker()).to.equal(undefined));
      await eventually(() => expect(() => process.kill(worker, 0)).to.throw('ESRCH'));
      await ending.end();
      const late = await ground.member();
      await ground.register(late, on([front(['172.18.0.6'], ['late'])]));
      expect(ground.broker()).to.be.a('number').and.not.equal(broker);
      expect(await web.addresses('late')).to.deep.equal(['172.18.0.6']);
      expect(await late.addresses('web')).to.deep.equal(['172.18.0.2']);
      expect(await db.addresses('db.back')).to.deep.equal(['172.19.0.3']);
      expect((await web.ask('ending')).rcode).to.equal(RCODE.SERVFAIL);
      await late.end();
    });

    it('One resolver is started by many at once', async () => {
      const other = await ResolverGround.open();
      try {
        const members = await Promise.all(Array.from({ length: 8 }, () => other.member(false)));
        await Promise.all(
          members.map((member, index) => other.register(member, on([front([], [`m${index}`])]))),
        );
        expect(readdirSync(other.directory)).to.have.length(2 + members.length);
      } finally {
        await other.close();
      }
    });

    it('A container that comes while the resolver ends finds one', async () => {
      const other = await ResolverGround.open();
      try {
        for (let round = 0; round < 5; round++) {
          const member = await other.member();
          await other.register(member, on([front([`172.18.0.${round}`], ['me'])]));
          expect(await member.addresses('me')).to.deep.equal([`172.18.0.${round}`]);
          await member.end();
          const broker = other.broker();
          // The next one comes about when it has gone, at some time before, and at some time after.
          await eventually(() => {
            if (round % 2 === 0) expect(other.broker()).to.not.equal(broker);
          });
        }
      } finally {
        await other.close();
      }
    });
  });
});

root.describe('resolver.register and resolver.await', () => {
  /** Compiles the steps into each start, as for a container on a network. */
  class Registering extends Encoder {
    constructor(
      private readonly registers: readonly Step[],
      private readonly redirects: Step,
    ) {
      super();
    }

    /** In place, because a template finds the texts of each start by the positions of the program's steps. */
    override encode(program: Program): Uint8Array {
      const host = program.host as Step[];
      const container = program.container as Step[];
      const [first] = this.registers;
      if (first !== undefined && host.length > 0 && !host.includes(first)) {
        Object.assign(program, { slots: CONNECTION + 1 });
        change(host, 'clone', (flags) => flags | NAMESPACE_FLAGS.network);
        change(container, 'ns.unshare', (flags) => flags & ~NAMESPACE_FLAGS.network);
        const released = host.findLastIndex(({ op }) => op === 'release');
        host.splice(released, 0, ...this.registers);
        const up = container.findIndex(({ op }) => op === 'link.up');
        container.splice(up + 1, 0, this.redirects);
      }
      return super.encode(program);
    }
  }
  /** A slot that no start has. */
  const CONNECTION = 200;
  const stepsOf = (directory: string, registration: Uint8Array): Step[] =>
    (['resolver.register', 'resolver.await'] as const).map((op) => ({
      op,
      slots: [CONNECTION],
      texts: [directory, registration],
    }));
  const change = (steps: Step[], op: Step['op'], flagsOf: (flags: number) => number) => {
    for (const [at, step] of steps.entries()) {
      const [flags = 0, ...others] = step.numbers ?? [];
      if (step.op === op) steps[at] = { ...step, numbers: [flagsOf(Number(flags)), ...others] };
    }
  };

  let shop: Workshop;
  let ground: ResolverGround;

  before(async () => {
    ground = await ResolverGround.open();
    shop = await Workshop.open();
    const registration = encodeRegistration({
      id: PLACEHOLDER.id,
      networks: [front(['172.18.0.2', 'fd00::2'], ['web', PLACEHOLDER.id.slice(0, 12)])],
      upstream: [],
      forward: false,
      port: RESOLVER_PORT,
    });
    const { protocol, text, bytes } = redirectDns();
    const redirect: Step = { op: 'netlink.request', texts: [text, bytes], numbers: [protocol] };
    Object.assign(shop.context, {
      encoder: new Registering(stepsOf(ground.directory, registration), redirect),
    });
  });

  after(async () => {
    await shop.close();
    await ground.close();
  });

  it('A program of the container finds names from its first moment on, its own short id too', async () => {
    for (let count = 0; count < 5; count++) {
      const output = await shop.sh(
        'getent -A ahostsv4 web && getent -A ahostsv4 $(hostname).front && getent hosts 172.18.0.2',
        { dns: ['127.0.0.11'] },
        'host',
      );
      expect(output).to.match(/^172\.18\.0\.2 +STREAM web$/m);
      expect(output).to.match(/^172\.18\.0\.2 +web\.front$/m);
    }
  });

  it('A start that waits for a resolver that does not answer is ended by its caller', async () => {
    const box = await shop.session({ dns: ['127.0.0.11'] });
    const broker = ground.broker()!;
    process.kill(broker, 'SIGSTOP');
    try {
      const began = performance.now();
      const waiting = shop.engine.run(shop.busybox, ['true'], { signal: AbortSignal.timeout(500) });
      expect(await waiting).to.include({ aborted: true, exitCode: 137 });
      expect(performance.now() - began).to.be.within(400, 5000);
    } finally {
      process.kill(broker, 'SIGCONT');
      await box.close();
    }
  });

  it('A start that waits for the kernel to let go of something is ended by its caller', async () => {
    const { encoder } = shop.context;
    // An interface of this name is always there.
    const request = encodeRequest(NETLINK.route, [addBridge('lo', {})]);
    Object.assign(shop.context, {
      encoder: new Registering([requestStep(request, 'waits')], { op: 'link.up', texts: ['lo'] }),
    });
    try {
      const began = performance.now();
      const signal = AbortSignal.timeout(300);
      const waiting = shop.engine.run(shop.busybox, ['true'], { hostname: 'waits', signal });
      expect(await waiting).to.include({ aborted: true, exitCode: 137 });
      expect(performance.now() - began).to.be.within(200, 4000);
    } finally {
      Object.assign(shop.context, { encoder });
    }
  });

  it('A start that cannot tell the resolver fails, and leaves nothing', async () => {
    await writeFile(join(ground.directory, '..', 'file'), '');
    const { encoder } = shop.context;
    Object.assign(shop.context, {
      encoder: new Registering(stepsOf(join(ground.directory, '../file/x'), Buffer.of(1)), {
        op: 'link.up',
        texts: ['lo'],
      }),
    });
    try {
      // Options that no start before had: it is compiled again.
      const error = await rejectionOf(
        shop.engine.run(shop.busybox, ['true'], { hostname: 'fails' }),
      );
      expect(error.errno).to.equal('ENOTDIR');
    } finally {
      Object.assign(shop.context, { encoder });
    }
  });

  it('It is there for a container with the host’s users, too', async () => {
    const output = await shop.sh(
      'getent hosts web.front',
      { dns: ['127.0.0.11'], userns: 'host' },
      'host',
    );
    expect(output).to.match(/^fd00::2 +web\.front$/);
  });
});

function withRecord(query: Buffer, record: Buffer): Buffer {
  const reply = encodeReply(query, {});
  reply.writeUInt16BE(1, 6);
  return Buffer.concat([reply, record]);
}

function ownStartTime(): bigint {
  const stat = readFileSync('/proc/self/stat', 'utf8');
  return BigInt(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]!);
}
