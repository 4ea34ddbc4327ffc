/**
 * The resolver's side of a container's outgoing policy: which names are looked up, and which addresses are opened. The
 * sets are real ones, in a network namespace of the test's own, and the name server there answers whatever it likes.
 */
import { expect } from 'chai';
import type { NameRule } from '../../lib/network/names/name-policy.js';
import {
  encodeEnd,
  encodePolicy,
  encodeRegistration,
  type NetworkMembership,
} from '../../lib/network/names/registration.js';
import {
  resolverReport,
  tellResolver,
  updateNamePolicy,
} from '../../lib/network/names/resolver-client.js';
import { encodeName, encodeQuery, encodeReply, numbers, RCODE, TYPE } from '../support/dns.js';
import { needsRoot } from '../support/needs.js';
import type { NetworkNamespace } from '../support/network-namespace.js';
import { eventually } from '../support/outside.js';
import { PolicyGround } from '../support/policy-ground.js';
import { rejectionOf } from '../support/rejection.js';

const root = needsRoot('network namespaces, and port 53 in them');

const bytes = (text: string) => Uint8Array.from(text.split('.').map(Number));
const v6 = (hex: string) => Uint8Array.from(Buffer.from(hex, 'hex'));
const a = (address: string, ttl = 300) => ({ type: TYPE.A, data: bytes(address), ttl });
const aaaa = (hex: string, ttl = 300) => ({ type: TYPE.AAAA, data: v6(hex), ttl });
const allow = (name: string, rest: Partial<NameRule> = {}): NameRule => ({
  verdict: 'allow',
  name,
  ...rest,
});
const https = { protocol: 6, ports: [443, 443] } as const;
const deny = (name: string): NameRule => ({ verdict: 'deny', name });

/** A record with any owner. */
function record(owner: string, type: number, data: Uint8Array, ttl = 300): Buffer {
  return Buffer.concat([
    encodeName(owner),
    numbers(type, 1, ttl >>> 16, ttl & 0xffff, data.length),
    data,
  ]);
}

/** A reply with these answers, and further records behind them. */
function replyOf(query: Buffer, answers: readonly Buffer[], additional: readonly Buffer[] = []) {
  const reply = Buffer.concat([encodeReply(query, {}), ...answers, ...additional]);
  reply.set(numbers(1, answers.length, 0, additional.length), 4);
  return reply;
}

/** A request in the worker's name: cpp/resolver/name_request.h. */
interface Forged {
  readonly name: string;
  readonly addresses: readonly string[];
  readonly peers?: boolean;
  readonly seconds?: number;
  /** Bytes behind it. */
  readonly rest?: string;
}

/** Sends each of them for all slots and serial numbers that there may be, from the worker's own socket. */
async function forge(
  namespace: NetworkNamespace,
  worker: number,
  requests: readonly Forged[],
): Promise<void> {
  const script = `
import ctypes, json, os, socket, struct, sys
worker = int(sys.argv[1])
channel = int(open(f'/proc/{worker}/cmdline', 'rb').read().split(b'\\0')[2])
copy = ctypes.CDLL(None).syscall(438, os.pidfd_open(worker), channel, 0)
broker = socket.socket(fileno=copy)
def send(message):
    while True:
        try:
            return broker.send(message)
        except BlockingIOError:
            pass
for asked in json.loads(sys.argv[2]):
    name = asked['name'].encode()
    tail = bytes([len(name)]) + name + bytes([len(asked['addresses'])])
    for address in asked['addresses']:
        tail += b'\\x04' + socket.inet_aton(address) + struct.pack('<I', asked.get('seconds', 60))
    tail += bytes.fromhex(asked.get('rest', ''))
    for slot in [*range(32), 1023, 1024, 2**32 - 1]:
        for serial in range(48) if slot < 32 else [1]:
            send(struct.pack('<BBIIQ', 1, asked.get('peers', False), slot, serial, 2**63) + tail)
`;
  await namespace.run('python3', '-c', script, String(worker), JSON.stringify(requests));
}

root.describe('the policy of a container in the resolver', function () {
  this.timeout(60_000);
  let ground: PolicyGround;

  before(async () => {
    ground = await PolicyGround.open();
  });
  after(() => ground.close());

  const answer = (...answers: readonly { type: number; data: Uint8Array; ttl: number }[]) => {
    ground.queries.length = 0;
    ground.respond = (query) => [
      encodeReply(query, {
        answers: answers.filter(({ type }) => type === query.readUInt16BE(query.length - 4)),
      }),
    ];
  };
  const report = (id: string) => resolverReport(ground.resolver.directory, id);

  describe('names', () => {
    it('Those that no rule allows are refused, counted, and not passed on, by UDP and TCP', async () => {
      const policy = await ground.policy([
        allow('good.example'),
        allow('*.wild.example'),
        deny('bad.wild.example'),
      ]);
      const { member, id } = await ground.container(policy);
      const since = Date.now();
      answer(a('192.0.2.1'));
      for (const name of [
        'evil.example',
        'wild.example',
        'bad.wild.example',
        'xgood.example',
        'good.example.evil',
      ])
        expect((await member.ask(name)).rcode, name).to.equal(RCODE.REFUSED);
      expect((await member.askByTcp('Evil.Example')).rcode).to.equal(RCODE.REFUSED);
      expect(ground.queries).to.deep.equal([]);
      for (const name of ['good.example', 'GOOD.Example', 'a.wild.example', 'b.A.Wild.example'])
        expect(await member.addresses(name), name).to.deep.equal(['192.0.2.1']);
      expect((await member.askByTcp('good.example')).answers).to.have.length(1);
      expect(ground.queries).to.have.length(5);
      const { denied = [], opened = [] } = (await report(id)) ?? {};
      expect(Object.fromEntries(denied.map(({ host, count }) => [host, count]))).to.deep.equal({
        'evil.example': 2,
        'wild.example': 1,
        'bad.wild.example': 1,
        'xgood.example': 1,
        'good.example.evil': 1,
      });
      for (const { first } of denied) expect(first.getTime()).to.be.within(since - 1, Date.now());
      expect(opened).to.deep.include({ address: '192.0.2.1', host: 'b.a.wild.example' });
    });

    it('Labels that contain dots or NULs are no way around a rule', async () => {
      const { member } = await ground.container(await ground.policy([allow('good.example')]));
      answer(a('192.0.2.1'));
      for (const label of ['good.example', 'good\0']) {
        const name = Buffer.concat([
          Buffer.of(label.length),
          Buffer.from(label, 'latin1'),
          encodeName(label === 'good\0' ? 'example' : ''),
        ]);
        const query = Buffer.concat([numbers(7, 0x100, 1, 0, 0, 0), name, numbers(TYPE.A, 1)]);
        const { bytes: reply = '' } = await member.exchange({ by: 'udp', bytes: query.toString('hex') }); // prettier-ignore
        expect(Buffer.from(reply, 'hex').readUInt16BE(2) & 15).to.equal(RCODE.REFUSED);
      }
      expect(ground.queries).to.deep.equal([]);
    });

    it('With a default of `allow`, all names but the denied ones are looked up, and only rules open addresses', async () => {
      const policy = await ground.policy([deny('evil.example'), deny('*.evil.example'), allow('named.example')], 'allow'); // prettier-ignore
      const { member } = await ground.container(policy);
      answer(a('192.0.2.7'));
      for (const name of ['evil.example', 'a.evil.example'])
        expect((await member.ask(name)).rcode, name).to.equal(RCODE.REFUSED);
      expect(await member.addresses('other.example')).to.deep.equal(['192.0.2.7']);
      expect(await ground.keys(policy.sets.ipv4)).to.deep.equal([]);
      expect(await member.addresses('named.example')).to.deep.equal(['192.0.2.7']);
      expect(await ground.keys(policy.sets.ipv4)).to.deep.equal(['192.0.2.7 . 0-255 . 0-65535']);
    });

    it('Types that only carry bytes are refused, and so are names of addresses', async () => {
      const policy = await ground.policy([allow('good.example')]);
      const { member } = await ground.container(policy);
      ground.queries.length = 0;
      ground.respond = (query) => [replyOf(query, [record('good.example', TYPE.TXT, Buffer.from('\x02hi'))])]; // prettier-ignore
      for (const type of [10, 255, 65_280]) expect((await member.ask('good.example', { type })).rcode, String(type)).to.equal(RCODE.REFUSED); // prettier-ignore
      expect((await member.ask('1.2.0.192.in-addr.arpa', { type: TYPE.PTR })).rcode).to.equal(RCODE.REFUSED); // prettier-ignore
      expect(ground.queries).to.deep.equal([]);
      const text = await member.ask('good.example', { type: TYPE.TXT });
      expect(text.answers.map(({ data }) => data)).to.deep.equal(['026869']);
    });
  });

  describe('addresses', () => {
    it('They are open when the answer comes, with the protocols and ports of all rules that match', async () => {
      const policy = await ground.policy([
        allow('good.example', https),
        allow('*.example', { protocol: 6, ports: [8000, 8080] }),
        allow('all.example'),
        allow('ping.test', { protocol: 1 }),
      ]);
      const { member } = await ground.container(policy);
      answer(a('192.0.2.1'), a('192.0.2.2'), aaaa('20010db8000000000000000000000001'));
      expect(await member.addresses('good.example')).to.have.length(2);
      expect(await ground.keys(policy.sets.ipv4)).to.deep.equal([
        '192.0.2.1 . 6 . 443',
        '192.0.2.1 . 6 . 8000-8080',
        '192.0.2.2 . 6 . 443',
        '192.0.2.2 . 6 . 8000-8080',
      ]);
      expect(await ground.keys(policy.sets.ipv6)).to.deep.equal([]);
      expect(await member.addresses('good.example', TYPE.AAAA)).to.have.length(1);
      expect(await ground.keys(policy.sets.ipv6)).to.deep.equal([
        '2001:db8::1 . 6 . 443',
        '2001:db8::1 . 6 . 8000-8080',
      ]);
      // An address that another name has already: what is new is added, and nothing overlaps.
      answer(a('192.0.2.1'), aaaa('20010db8000000000000000000000001'));
      await member.addresses('all.example');
      const keys = await ground.keys(policy.sets.ipv4);
      expect(keys.filter((key) => key.startsWith('192.0.2.1 '))).to.have.length(9);
      await member.addresses('ping.test', TYPE.AAAA);
      expect(await ground.keys(policy.sets.ipv6)).to.include('2001:db8::1 . 58 . 0-65535');
    });

    it('They stay for the time of the answer, a minute at least and an hour at most, and so does the answer', async () => {
      const policy = await ground.policy([allow('*.example', https)]);
      const { member } = await ground.container(policy);
      const cases: [ttl: number, told: number, open: number][] = [
        [0, 0, 60],
        [20, 20, 60],
        [300, 300, 300],
        [86_400, 3600, 3600],
        [0x8000_0000, 0, 60],
      ];
      for (const [index, [ttl, told, open]] of cases.entries()) {
        const address = `198.51.100.${index}`;
        answer(a(address, ttl));
        expect((await member.ask('a.example')).answers[0]?.ttl, String(ttl)).to.equal(told);
        const element = (await ground.elements(policy.sets.ipv4)).find(({ key }) => key.startsWith(`${address} `)); // prettier-ignore
        expect(element?.left, String(ttl)).to.be.within(open - 5, open);
      }
    });

    it('Another answer extends the time, and never shortens it', async () => {
      const policy = await ground.policy([allow('*.example', https)]);
      const { member } = await ground.container(policy);
      const left = async () => (await ground.elements(policy.sets.ipv4))[0]?.left;
      answer(a('192.0.2.1', 100));
      await member.ask('a.example');
      expect(await left()).to.be.within(95, 100);
      answer(a('192.0.2.1', 200));
      await member.ask('b.example');
      expect(await left()).to.be.within(195, 200);
      answer(a('192.0.2.1', 60));
      await member.ask('a.example');
      await member.ask('c.example');
      expect(await left()).to.be.within(190, 200);
      let before = 0;
      await eventually(async () => expect((before = (await left()) ?? 0)).to.be.below(198));
      answer(a('192.0.2.1', 200));
      await member.ask('c.example');
      expect(await left()).to.be.above(before);
    });

    it('An answer whose addresses cannot be opened is SERVFAIL', async () => {
      const policy = await ground.policy([allow('*.example')]);
      const missing = { ...policy, sets: { ...policy.sets, ipv4: 'missing' } };
      const { member } = await ground.container(missing);
      answer(a('192.0.2.1'));
      expect((await member.ask('a.example')).rcode).to.equal(RCODE.SERVFAIL);
      expect((await member.askByTcp('a.example')).rcode).to.equal(RCODE.SERVFAIL);
      // The connection goes on.
      expect((await member.askByTcp('a.example')).rcode).to.equal(RCODE.SERVFAIL);
    });

    it('Without sets for a family its addresses are no answer, and no error', async () => {
      const policy = await ground.policy([allow('*.example'), allow('db')]);
      const { ipv4, peersIpv6 } = policy.sets;
      const network = { id: 'cc', name: 'only', names: ['db'] };
      await ground.container(undefined, {
        networks: [{ ...network, addresses: ['172.18.0.5', 'fd00::5'] }],
      });
      const { member, id, registration } = await ground.container(
        { ...policy, sets: { ipv4, peersIpv6 } },
        { networks: [{ ...network, addresses: [], names: [] }] },
      );
      answer(a('192.0.2.1'), aaaa('20010db8000000000000000000000001'));
      expect(await member.addresses('a.example')).to.deep.equal(['192.0.2.1']);
      for (const reply of [
        await member.ask('a.example', { type: TYPE.AAAA }),
        await member.askByTcp('a.example', { type: TYPE.AAAA }),
        await member.ask('db'),
      ])
        expect(reply).to.deep.include({ rcode: RCODE.NOERROR, answers: [] });
      expect(await member.addresses('db', TYPE.AAAA)).to.have.length(1);
      const { directory } = ground.resolver;
      await updateNamePolicy(directory, id, { ...registration.policy!, sets: { ipv4 } });
      expect(await ground.keys(ipv4)).to.deep.equal(['192.0.2.1 . 0-255 . 0-65535']);
      await updateNamePolicy(directory, id, { default: 'deny', rules: [], sets: {} });
      expect((await member.ask('a.example')).rcode).to.equal(RCODE.REFUSED);
    });

    it('The answer waits for the broker, and not for ever', async () => {
      const policy = await ground.policy([allow('*.example')]);
      const { member } = await ground.container(policy);
      answer(a('192.0.2.1'));
      const broker = ground.resolver.broker()!;
      process.kill(broker, 'SIGSTOP');
      try {
        const asked = [member.ask('a.example'), member.askByTcp('a.example')];
        for (const reply of await Promise.all(asked)) expect(reply).to.deep.include({ rcode: RCODE.SERVFAIL, answers: [] }); // prettier-ignore
      } finally {
        process.kill(broker, 'SIGCONT');
      }
      expect(await member.addresses('a.example')).to.deep.equal(['192.0.2.1']);
    });
  });

  describe('hostile answers', () => {
    const PRIVATE = ['10.0.0.1', '127.0.0.1', '169.254.169.254', '172.16.0.1', '192.168.0.1', '100.64.0.1', '0.0.0.0', '224.0.0.1', '255.255.255.255']; // prettier-ignore
    const PRIVATE_V6 = [
      '0'.repeat(32),
      '1'.padStart(32, '0'),
      '00000000000000000000ffff0a000001',
      'fd000000000000000000000000000001',
      'fe800000000000000000000000000001',
      'ff020000000000000000000000000001',
      '0064ff9b00000000000000000a000001',
      '20020a00000100000000000000000001',
    ];

    it('Addresses of special ranges are removed and counted; others of the same answer stay', async () => {
      const policy = await ground.policy([allow('*.example')]);
      const { member, id } = await ground.container(policy);
      answer(
        ...PRIVATE.map((one) => a(one)),
        a('192.0.2.1'),
        ...PRIVATE_V6.map((one) => aaaa(one)),
      );
      expect(await member.addresses('mixed.example')).to.deep.equal(['192.0.2.1']);
      expect(await member.addresses('mixed.example', TYPE.AAAA)).to.deep.equal([]);
      expect(await ground.keys(policy.sets.ipv4)).to.deep.equal(['192.0.2.1 . 0-255 . 0-65535']);
      expect(await ground.keys(policy.sets.ipv6)).to.deep.equal([]);
      for (const one of PRIVATE) {
        answer(a(one));
        const reply = await member.ask('only.example');
        expect(reply, one).to.deep.include({ rcode: RCODE.NOERROR, answers: [] });
      }
      expect((await report(id))?.denied.map(({ host, count }) => [host, count])).to.deep.equal([
        ['mixed.example', 2],
        ['only.example', PRIVATE.length],
      ]);
    });

    it('A chain of aliases is followed from the name that was asked for, and into no private address', async () => {
      const policy = await ground.policy([allow('start.example')]);
      const { member } = await ground.container(policy);
      const alias = (from: string, to: string) => record(from, TYPE.CNAME, encodeName(to));
      ground.respond = (query) => [
        replyOf(query, [
          alias('start.example', 'middle.test'),
          alias('middle.test', 'end.test'),
          record('end.test', TYPE.A, bytes('192.0.2.5')),
          record('end.test', TYPE.A, bytes('10.0.0.1')),
        ]),
      ];
      const reply = await member.ask('start.example');
      expect(reply.answers.map(({ name, data }) => [name, data])).to.deep.equal([
        ['start.example', 'middle.test'],
        ['middle.test', 'end.test'],
        ['end.test', '192.0.2.5'],
      ]);
      expect((await member.askByTcp('start.example')).answers).to.have.length(3);
      expect(await ground.keys(policy.sets.ipv4)).to.deep.equal(['192.0.2.5 . 0-255 . 0-65535']);
      // The names behind it are allowed as a part of this answer only.
      expect((await member.ask('end.test')).rcode).to.equal(RCODE.REFUSED);
    });

    it('Records of other names are neither opened nor passed on, wherever they are', async () => {
      const policy = await ground.policy([allow('good.example')]);
      const { member } = await ground.container(policy);
      ground.respond = (query) => [
        replyOf(
          query,
          [
            record('evil.example', TYPE.A, bytes('203.0.113.1')),
            record('other.test', TYPE.CNAME, encodeName('good.example')),
            record('good.example', TYPE.A, bytes('192.0.2.1')),
            record('good.example', TYPE.CNAME, encodeName('late.test')),
            record('late.test', TYPE.A, bytes('203.0.113.2')),
          ],
          [record('good.example', TYPE.A, bytes('203.0.113.3'))],
        ),
      ];
      expect(await member.addresses('good.example')).to.deep.equal(['192.0.2.1']);
      expect(await ground.keys(policy.sets.ipv4)).to.deep.equal(['192.0.2.1 . 0-255 . 0-65535']);
    });

    it('Answers to queries of other types have no addresses: those behind the answers are cut off', async () => {
      const policy = await ground.policy([allow('good.example')]);
      const { member } = await ground.container(policy);
      const text = record('good.example', TYPE.TXT, Buffer.from('\x02hi'));
      const address = record('good.example', TYPE.A, bytes('203.0.113.3'));
      const opt = Buffer.concat([Buffer.of(0), numbers(41, 1400, 0, 0, 4), Buffer.alloc(4)]);
      ground.respond = (query) => [replyOf(query, [text], [address, opt])];
      const reply = await member.ask('good.example', { type: TYPE.TXT, udpSize: 1400 });
      expect(reply.answers).to.have.length(1);
      expect(reply.udpSize).to.equal(1400);
      ground.respond = (query) => [replyOf(query, [text, address])];
      expect((await member.ask('good.example', { type: TYPE.TXT })).rcode).to.equal(RCODE.SERVFAIL);
      expect(await ground.keys(policy.sets.ipv4)).to.deep.equal([]);
    });

    it('Of a huge answer, as many addresses are passed on as are opened', async () => {
      const policy = await ground.policy([allow('good.example', https)]);
      const { member } = await ground.container(policy);
      const many = Array.from({ length: 2000 }, (_, index) =>
        a(`198.51.${index >> 8}.${index & 255}`),
      );
      ground.respond = (query, by) => [
        by === 'tcp'
          ? encodeReply(query, { answers: many })
          : encodeReply(query, { truncated: true }),
      ];
      expect((await member.ask('good.example')).truncated).to.equal(true);
      const reply = await member.askByTcp('good.example');
      expect(reply.answers).to.have.length(64);
      const keys = await ground.keys(policy.sets.ipv4);
      expect(keys).to.deep.equal(reply.answers.map(({ data }) => `${data} . 6 . 443`).sort());
      // By UDP it is cut where the client has no more room.
      ground.respond = (query) => [encodeReply(query, { answers: many.slice(100, 150) })];
      const cut = await member.ask('good.example');
      expect(cut.truncated).to.equal(true);
      for (const { data } of cut.answers) expect(await ground.keys(policy.sets.ipv4)).to.include(`${data} . 6 . 443`); // prettier-ignore
      expect((await member.ask('good.example', { udpSize: 4096 })).answers).to.have.length(50);
    });

    it('A name with ever new addresses opens a thousand, and fails then', async () => {
      const policy = await ground.policy([allow('good.example', https)]);
      const { member } = await ground.container(policy);
      let round = 0;
      ground.respond = (query) => {
        round++;
        const some = Array.from({ length: 60 }, (_, index) => a(`198.51.${round}.${index}`));
        return [encodeReply(query, { answers: some })];
      };
      let rcode = 0;
      for (let count = 0; count < 30 && rcode === 0; count++)
        ({ rcode } = await member.ask('good.example', { udpSize: 4096 }));
      expect(rcode).to.equal(RCODE.SERVFAIL);
      expect((await ground.keys(policy.sets.ipv4)).length).to.be.within(1000, 1024);
    });

    it('Replies with other ids or questions open nothing', async () => {
      const policy = await ground.policy([allow('good.example')]);
      const { member } = await ground.container(policy);
      ground.respond = (query) => {
        const wrong = encodeReply(query, { answers: [a('203.0.113.9')] });
        wrong.writeUInt16BE(query.readUInt16BE(0) ^ 1, 0);
        const elsewhere = encodeReply(
          Buffer.concat([query.subarray(0, 12), encodeName('evil.example'), numbers(TYPE.A, 1)]),
          { answers: [a('203.0.113.9')] },
        );
        return [wrong, elsewhere, encodeReply(query, { answers: [a('192.0.2.1')] })];
      };
      expect(await member.addresses('good.example')).to.deep.equal(['192.0.2.1']);
      expect(await ground.keys(policy.sets.ipv4)).to.deep.equal(['192.0.2.1 . 0-255 . 0-65535']);
    });

    it('More refused names than there is room for are counted together', async () => {
      const { member, id } = await ground.container(await ground.policy([]));
      for (let begin = 0; begin < 300; begin += 50)
        await Promise.all(Array.from({ length: 50 }, (_, index) => member.ask(`n${begin + index}.example`))); // prettier-ignore
      const { denied = [] } = (await report(id)) ?? {};
      expect(denied).to.have.length(256);
      expect(denied.reduce((sum, { count }) => sum + count, 0)).to.equal(300);
      expect(denied.find(({ host }) => host === '*')?.count).to.equal(45);
    });
  });

  describe('containers on the same network', () => {
    const front = (address: string, name: string): NetworkMembership => ({
      id: 'f0'.repeat(32),
      name: 'front',
      addresses: [address],
      names: [name],
    });

    it('Their names are resolved and opened by rules, at their addresses, in sets of their own', async () => {
      await ground.container(undefined, { networks: [front('172.18.0.3', 'db')] });
      const policy = await ground.policy([allow('db', { protocol: 6, ports: [5432, 5432] })]);
      const { member } = await ground.container(policy, { networks: [front('172.18.0.2', 'web')] });
      expect(await member.addresses('db')).to.deep.equal(['172.18.0.3']);
      expect((await member.askByTcp('DB')).answers).to.have.length(1);
      const [element] = await ground.elements(policy.sets.peersIpv4);
      expect(element?.key).to.equal('172.18.0.3 . 6 . 5432');
      expect(element?.left).to.be.within(590, 600);
      expect(await ground.keys(policy.sets.ipv4)).to.deep.equal([]);
      expect((await member.ask('web')).rcode).to.equal(RCODE.REFUSED);
      expect((await member.ask('db.front')).rcode).to.equal(RCODE.REFUSED);
      // The name of an address does not leave this machine.
      const pointer = await member.ask('3.0.18.172.in-addr.arpa', { type: TYPE.PTR });
      expect(pointer.answers[0]?.data).to.equal('db.front');
    });
  });

  describe('changes', () => {
    it('Another policy closes what it does not allow, keeps the rest, and holds for the next query', async () => {
      const policy = await ground.policy([allow('a.example', https), allow('b.example', https)]);
      const { member, id, registration } = await ground.container(policy);
      const { directory } = ground.resolver;
      answer(a('192.0.2.1'));
      await member.ask('a.example');
      answer(a('192.0.2.2'));
      await member.ask('b.example');
      const rules = [allow('b.example', { protocol: 17, ports: [1, 500] }), allow('c.example')];
      await updateNamePolicy(directory, id, { ...policy, rules });
      const kept = ['192.0.2.2 . 17 . 1-500'];
      expect(await ground.keys(policy.sets.ipv4)).to.deep.equal(kept);
      expect((await member.ask('a.example')).rcode).to.equal(RCODE.REFUSED);
      // A change of names, by a client that knows nothing of the policy, leaves it as it is.
      const names = { ...registration, policy: undefined };
      await tellResolver(directory, encodeRegistration(names, 'update'));
      expect((await member.ask('a.example')).rcode).to.equal(RCODE.REFUSED);
      expect(await ground.keys(policy.sets.ipv4)).to.deep.equal(kept);
      await ground.resolver.register(member, names);
      expect((await member.ask('a.example')).rcode).to.equal(RCODE.REFUSED);
      // Sets that are missing: nothing has changed.
      const wrong = { ...policy, sets: { ...policy.sets, peersIpv6: 'missing' } };
      expect((await rejectionOf(updateNamePolicy(directory, id, wrong))).errno).to.equal('ENOENT');
      expect((await member.ask('a.example')).rcode).to.equal(RCODE.REFUSED);
      await updateNamePolicy(directory, id, undefined);
      expect(await member.addresses('a.example')).to.deep.equal(['192.0.2.2']);
      const unknown = encodePolicy('ee', policy);
      expect((await rejectionOf(tellResolver(directory, unknown))).errno).to.equal('ENOENT');
    });

    it('A killed worker or broker opens nothing and forgets no policy', async () => {
      const policy = await ground.policy([allow('a.example')]);
      const { member } = await ground.container(policy);
      answer(a('192.0.2.1'));
      await member.ask('a.example');
      const evil = encodeQuery({ name: 'evil.example' });
      process.kill(ground.resolver.worker()!, 'SIGKILL');
      await eventually(async () => {
        expect((await member.send(evil, 500))?.rcode).to.equal(RCODE.REFUSED);
      });
      process.kill(ground.resolver.broker()!, 'SIGKILL');
      await eventually(() => expect(ground.resolver.worker()).to.equal(undefined));
      const query = { by: 'udp', bytes: '00', patience: 200 } as const;
      expect((await member.exchange(query)).bytes).to.equal(undefined);
      expect(await ground.keys(policy.sets.ipv4)).to.have.length(1);
      await ground.startBroker();
      await eventually(async () => {
        expect((await member.send(evil, 500))?.rcode).to.equal(RCODE.REFUSED);
      });
      answer(a('192.0.2.2', 400));
      expect(await member.addresses('a.example')).to.deep.equal(['192.0.2.2']);
      answer(a('192.0.2.1', 400));
      await member.ask('a.example');
      for (const { left } of await ground.elements(policy.sets.ipv4))
        expect(left).to.be.within(390, 400);
    });
  });

  describe('a worker that has been taken over', () => {
    it('A10: What it asks of the broker opens nothing but public addresses for names that are allowed', async () => {
      const policy = await ground.policy([allow('a.example', https), deny('no.example')]);
      const { member, id } = await ground.container(policy, {
        networks: [{ id: 'aa', name: 'n', addresses: ['172.18.0.2'], names: ['own'] }],
      });
      await ground.container(undefined, {
        networks: [{ id: 'aa', name: 'n', addresses: ['172.18.0.3'], names: ['a.example'] }],
      });
      await ground.container(undefined, {
        networks: [{ id: 'bb', name: 'm', addresses: ['172.19.0.9'], names: ['a.example'] }],
      });
      const broker = ground.resolver.broker();
      let round = 0;
      const asks = async (...requests: readonly Forged[]) => {
        await forge(ground.namespace, ground.resolver.worker()!, requests);
        // Behind all of them, on the same socket.
        const last = `last${++round}.example`;
        await eventually(async () => {
          expect((await member.send(encodeQuery({ name: last }), 500))?.rcode).to.equal(5);
          expect((await report(id))?.denied.map(({ host }) => host)).to.include(last);
        });
      };
      await asks(
        { name: 'evil.example', addresses: ['203.0.113.1'] },
        { name: 'no.example', addresses: ['203.0.113.2'] },
        { name: '', addresses: ['203.0.113.3'] },
        { name: 'a.example', addresses: ['10.0.0.1'] },
        { name: 'a.example', addresses: ['203.0.113.4', '169.254.169.254'] },
        { name: 'a.example', addresses: ['172.18.0.3'] },
        { name: 'a.example', addresses: ['203.0.113.5'], peers: true },
        { name: 'a.example', addresses: ['172.19.0.9'], peers: true },
        { name: 'own', addresses: ['172.18.0.2'], peers: true },
        { name: 'n'.repeat(255), addresses: [] },
        { name: 'a.example', addresses: [], rest: 'ff'.repeat(10) },
        { name: 'a.example', addresses: [], rest: 'ff'.repeat(5000) },
      );
      for (const set of Object.values(policy.sets))
        expect(await ground.keys(set)).to.deep.equal([]);
      // What it can do, with the time's limit.
      await asks(
        { name: 'a.example', addresses: ['203.0.113.6'], seconds: 0xffff_ffff },
        { name: 'a.example', addresses: ['172.18.0.3'], peers: true },
      );
      const [element] = await ground.elements(policy.sets.ipv4);
      expect(element?.key).to.equal('203.0.113.6 . 6 . 443');
      expect(element?.left).to.be.within(3500, 3600);
      expect(await ground.keys(policy.sets.peersIpv4)).to.deep.equal(['172.18.0.3 . 6 . 443']);
      expect(ground.resolver.broker()).to.equal(broker);
      expect((await report(id))?.opened.map(({ address }) => address)).to.deep.equal([
        '203.0.113.6',
        '172.18.0.3',
      ]);
    });
  });

  describe('the report', () => {
    it('It stays after the container’s end, until its registration is ended', async () => {
      const { member, id } = await ground.container(await ground.policy([allow('a.example')]));
      answer(a('192.0.2.1'), aaaa('20010db8000000000000000000000001'));
      await member.ask('no.example');
      await member.ask('a.example');
      await member.ask('a.example', { type: TYPE.AAAA });
      await member.end();
      const after = await report(id);
      expect(after?.denied.map(({ host }) => host)).to.deep.equal(['no.example']);
      expect(after?.opened).to.deep.equal([
        { address: '192.0.2.1', host: 'a.example' },
        { address: '2001:db8::1', host: 'a.example' },
      ]);
      await tellResolver(ground.resolver.directory, encodeEnd(id));
      expect(await report(id)).to.equal(undefined);
    });

    it('Without a resolver there is none, and none is started', async () => {
      expect(await resolverReport('/nonexistent', 'ab')).to.equal(undefined);
      expect(await report('ee')).to.equal(undefined);
    });
  });
});
