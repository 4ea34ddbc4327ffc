import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import type { NamePolicy, NameRule } from '../../../../lib/network/names/name-policy.js';
import {
  encodeEnd,
  encodePolicy,
  encodeRegistration,
  encodeReportRequest,
  type NetworkMembership,
  type Registration,
} from '../../../../lib/network/names/registration.js';
import { expectError } from '../../support/expect-error.js';

/** test/native/registration_test.cpp reads the same bytes. */
const GOLDEN = 'test/native/seeds/registration/golden';
const GOLDEN_POLICY = 'test/native/seeds/registration/golden_policy';

const front: NetworkMembership = {
  id: 'f0'.repeat(32),
  name: 'front',
  addresses: ['172.18.0.2', 'fd00::18:2'],
  names: ['web', '0123456789ab', 'www.example.org'],
};
const sample: Registration = {
  id: '0123456789ab'.padEnd(64, 'c'),
  networks: [front, { id: 'ba'.repeat(32), name: 'back', addresses: ['10.0.0.7'], names: ['web'] }],
  upstream: [{ address: '127.0.0.53' }, { address: 'fe80::1', port: 5353, scope: 2 }],
  forward: true,
  port: 61_053,
};

const policy: NamePolicy = {
  default: 'deny',
  rules: [
    { verdict: 'allow', name: 'packages.example.org', protocol: 6, ports: [443, 443] },
    { verdict: 'allow', name: '*.example.org', protocol: 1 },
    { verdict: 'deny', name: 'bad.example.org' },
  ],
  sets: { ipv4: 'names4-a', ipv6: 'names6-a', peersIpv4: 'peers4-a', peersIpv6: 'peers6-a' },
};

describe('A registration of names', () => {
  it('The bytes are those that the native tests read', () => {
    expect(encodeRegistration(sample).toString('hex')).to.equal(
      readFileSync(GOLDEN).toString('hex'),
    );
  });

  it('The bytes with a policy are those that the native tests read', () => {
    const bytes = encodeRegistration({ ...sample, policy });
    expect(bytes.toString('hex')).to.equal(readFileSync(GOLDEN_POLICY).toString('hex'));
    const without = encodeRegistration(sample);
    expect(bytes[9]).to.equal(3);
    expect(bytes.subarray(10, without.length).equals(without.subarray(10))).to.equal(true);
    // The message that replaces it ends as the registration does.
    const alone = encodePolicy('abc', policy);
    expect([alone[8], alone[9]]).to.deep.equal([5, 2]);
    expect(alone.subarray(16).equals(bytes.subarray(without.length))).to.equal(true);
  });

  it('Without a policy, the message that replaces it has the id alone, as that which asks for a report', () => {
    for (const [bytes, kind] of [
      [encodePolicy('abc', undefined), 5],
      [encodeReportRequest('abc'), 6],
    ] as const) {
      expect(bytes.toString('latin1', 12)).to.equal('\x03abc');
      expect([bytes[8], bytes[9]]).to.deep.equal([kind, 0]);
    }
  });

  it('An update differs in its kind only', () => {
    const [registered, updated] = [
      encodeRegistration(sample),
      encodeRegistration(sample, 'update'),
    ];
    expect(updated[8]).to.equal(2);
    registered[8] = 2;
    expect(updated.equals(registered)).to.equal(true);
  });

  it('A process is behind the id', () => {
    const bytes = encodeRegistration(
      { id: 'ab', networks: [], upstream: [], forward: false },
      { pid: 12_345, startTime: 2n ** 33n + 1n },
    );
    expect(bytes.toString('hex', 8)).to.equal(
      '04003500' + '026162' + '39300000' + '0100000002000000' + '0000',
    );
  });

  it('An end has the id alone', () => {
    const bytes = encodeEnd('abc');
    expect(bytes.toString('latin1', 12)).to.equal('\x03abc');
    expect(bytes.readUInt32LE(0)).to.equal(16);
    expect(bytes[8]).to.equal(3);
  });

  it('IPv6 addresses of every form have their 16 bytes', () => {
    for (const [address, hex] of [
      ['::', '00'.repeat(16)],
      ['::1', `${'00'.repeat(15)}01`],
      ['fe80::', `fe80${'00'.repeat(14)}`],
      ['1:2:3:4:5:6:7:8', '00010002000300040005000600070008'],
      ['::ffff:1.2.3.4', `${'00'.repeat(10)}ffff01020304`],
      ['2001:db8::a:0:b', '20010db8000000000000000a0000000b'],
    ]) {
      const bytes = encodeRegistration({
        id: 'a',
        networks: [{ id: 'b', name: 'n', addresses: [address ?? ''], names: [] }],
        upstream: [],
        forward: false,
      });
      expect(bytes.toString('hex').slice(-34, -2), address).to.equal(hex);
    }
  });

  const withFront = (change: Partial<NetworkMembership>): Registration => ({
    ...sample,
    networks: [{ ...front, ...change }],
  });
  const rule = (change: Partial<NameRule>): Registration => ({
    ...sample,
    policy: { ...policy, rules: [{ verdict: 'allow', name: 'a.b', ...change }] },
  });
  const ports = (count: number): Registration => ({
    ...sample,
    policy: {
      ...policy,
      rules: Array.from({ length: count }, (_, index) => ({
        verdict: 'allow' as const,
        name: `n${index}.example`,
        ports: [2 * index, 2 * index] as const,
      })),
    },
  });

  it('A policy can have as many ranges of ports as the resolver has room for', () => {
    expect(encodeRegistration(ports(128))).to.be.an.instanceOf(Buffer);
  });

  for (const [what, [wrong, text]] of Object.entries<[Registration, RegExp]>({
    'an id in capitals': [{ ...sample, id: 'ABC' }, /id/],
    'an empty id': [{ ...sample, id: '' }, /id/],
    'an id that is too long': [{ ...sample, id: 'a'.repeat(65) }, /id/],
    'an empty name': [withFront({ names: [''] }), /network-alias/],
    'a name with a space': [withFront({ names: ['a b'] }), /network-alias/],
    'a name that is not ASCII': [withFront({ names: ['bücher'] }), /network-alias/],
    'a name that is too long': [withFront({ names: ['a'.repeat(254)] }), /network-alias/],
    'too many names': [withFront({ names: Array<string>(256).fill('a') }), /network-alias: 256/],
    'more than 16 KiB': [
      withFront({ names: Array<string>(100).fill('a'.repeat(253)) }),
      /limit is 16384/,
    ],
    'an address with a prefix length': [withFront({ addresses: ['10.0.0.1/8'] }), /ip/],
    'an address with a zone': [withFront({ addresses: ['fe80::1%eth0'] }), /ip/],
    'a network without a name': [withFront({ name: '' }), /network/],
    'too many networks': [
      { ...sample, networks: Array<NetworkMembership>(33).fill(front) },
      /network: 33/,
    ],
    'too many servers': [{ ...sample, upstream: Array(9).fill({ address: '10.0.0.1' }) }, /dns: 9/],
    'a server by its name': [{ ...sample, upstream: [{ address: 'localhost' }] }, /dns/],
    'a rule with an empty name': [rule({ name: '' }), /allow/],
    'a rule for all names': [rule({ name: '*' }), /allow/],
    'a rule with a wildcard elsewhere': [rule({ name: 'a.*.b' }), /allow/],
    'a rule in capitals': [rule({ name: 'A.b' }), /allow/],
    'a rule with ports in the wrong order': [rule({ ports: [2, 1] }), /allow/],
    'a rule with a port that is none': [rule({ ports: [0, 65_536] }), /allow/],
    'a rule with a protocol that is none': [rule({ protocol: 256 }), /allow/],
    'a name that is denied for one port': [rule({ verdict: 'deny', ports: [1, 1] }), /as a whole/],
    'too many rules': [
      {
        ...sample,
        policy: { ...policy, rules: Array<NameRule>(513).fill({ verdict: 'deny', name: 'a' }) },
      },
      /limit is 512/,
    ],
    'too many ranges of ports': [ports(129), /too many ranges/],
    'the name of no set': [
      { ...sample, policy: { ...policy, sets: { ...policy.sets, ipv4: 'a b' } } },
      /set/,
    ],
    'no port to listen on': [{ ...sample, port: 0 }, /dns/],
    'port 0': [{ ...sample, upstream: [{ address: '10.0.0.1', port: 0 }] }, /dns/],
  })) {
    it(`Refused: ${what}`, () => {
      expectError(() => encodeRegistration(wrong), 'ERR_INVALID_OPTION', text);
    });
  }
});
