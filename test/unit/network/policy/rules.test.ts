import { expect } from 'chai';
import { normalizePolicy, parseRule } from '../../../../lib/network/policy/rules.js';
import { expectError } from '../../support/expect-error.js';

const block = (family: 4 | 6, first: bigint, last = first) => ({ family, first, last });
const all = { protocol: undefined, ports: undefined };
const tcp = (port: number) => ({ protocol: 6, ports: [port, port] });
const udp = (port: number) => ({ protocol: 17, ports: [port, port] });

describe('Rules of a policy', () => {
  for (const [text, ...expected] of [
    ['example.org', { name: 'example.org', below: false, ...all }],
    ['*.Example.ORG.', { name: 'example.org', below: true, ...all }],
    ['db:5432/tcp', { name: 'db', below: false, ...tcp(5432) }],
    [
      'example.org:443',
      { name: 'example.org', below: false, ...tcp(443) },
      { name: 'example.org', below: false, ...udp(443) },
    ],
    ['10.1.2.3', { ...block(4, 0x0a010203n), ...all }],
    ['10.0.0.0/8:1-9/udp', { ...block(4, 0x0a000000n, 0x0affffffn), protocol: 17, ports: [1, 9] }],
    ['10.0.0.0/8/icmp', { ...block(4, 0x0a000000n, 0x0affffffn), protocol: 1, ports: undefined }],
    ['fd00::1', { ...block(6, (0xfd00n << 112n) | 1n), ...all }],
    ['::/0', { ...block(6, 0n, (1n << 128n) - 1n), ...all }],
    ['[fd00::1]:80/sctp', { ...block(6, (0xfd00n << 112n) | 1n), protocol: 132, ports: [80, 80] }],
    ['[::]/icmp', { ...block(6, 0n), protocol: 58, ports: undefined }],
    [
      'a_b.example/icmp',
      { name: 'a_b.example', below: false, protocol: 1, ports: undefined },
      { name: 'a_b.example', below: false, protocol: 58, ports: undefined },
    ],
  ] as const)
    it(`Is read: ${text}`, () => {
      expect(parseRule('network.allow', text)).to.deep.equal(expected);
    });

  for (const text of [
    '',
    '*',
    '*.',
    'a.*.b',
    '*a.b',
    '-a.b',
    'a..b',
    'a b',
    'https://example.org',
    'example.org:',
    'example.org:0',
    'example.org:65536',
    'example.org:9-1',
    'example.org:80:90',
    'example.org/ftp',
    'example.org:80/icmp',
    'example.org/8',
    '10.0.0',
    '10.0.0.256',
    '10.0.0.1/8',
    '10.0.0.0/33',
    'fd00::1::2',
    '[fd00::1',
    '[10.0.0.1]:80',
    'fe80::1%eth0',
    'ü.example',
    `${'a'.repeat(64)}.example`,
    'a\0b',
  ])
    it(`Is refused: ${JSON.stringify(text)}`, () => {
      const refuse = () => normalizePolicy({ allow: [text] });
      expect(expectError(refuse, 'ERR_INVALID_OPTION', /^network/).path).to.equal('network.allow');
    });

  it('The default is to deny, unless there are rules that deny alone', () => {
    expect(normalizePolicy({}).default).to.equal('deny');
    expect(normalizePolicy({ allow: [] }).default).to.equal('deny');
    expect(normalizePolicy({ allow: [], deny: [] }).default).to.equal('deny');
    expect(normalizePolicy({ deny: [] }).default).to.equal('allow');
    expect(normalizePolicy({ deny: [], default: 'deny' }).default).to.equal('deny');
  });
});
