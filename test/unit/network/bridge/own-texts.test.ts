import { expect } from 'chai';
import {
  macOf,
  otherEndpoint,
  type Endpoint,
  valuesOf,
} from '../../../../lib/network/bridge/endpoint.js';
import { type Opened, planConnection } from '../../../../lib/network/bridge/connect.js';
import { NetworkStore } from '../../../../lib/network/bridge/network-store.js';
import { formatAddress, lastOf, nth, parseBlock } from '../../../../lib/base/cidr.js';
import { normalizePolicy } from '../../../../lib/network/policy/rules.js';
import { newId, shortId } from '../../../../lib/base/ids.js';
import { Encoder } from '../../../../lib/program/encode.js';
import { COMMAND_TEXTS, OwnTexts } from '../../../../lib/program/own-texts.js';
import { OwnTextsTemplate, type SampleStart } from '../../../../lib/program/own-texts-template.js';

const networks = new NetworkStore({ dataRoot: '/data', runRoot: '/run/caisson' });
const OPENED: Opened = {
  ports: [],
  isPublished: false,
  policy: undefined,
  filtersFrames: true,
  forgetsFlows: false,
};

interface Place {
  readonly subnet: string;
  readonly subnet6?: string;
  readonly mac?: string;
  readonly linkLocal?: readonly string[];
}

/** An address of a block that containers may have, at random: not that of the network, the gateway or of all. */
function anyAddress(subnet: string): string {
  const block = parseBlock('subnet', subnet);
  const size = lastOf(block).value - block.first;
  const most = Number(size < 2n ** 40n ? size : 2n ** 40n);
  return formatAddress(nth(block, BigInt(2 + Math.floor(Math.random() * (most - 2)))));
}

function endpoint(
  { subnet, subnet6, mac, linkLocal = [] }: Place,
  at: number,
  id: string,
): Endpoint {
  const claim = (block: string) => {
    const address = anyAddress(block);
    const directory = `/run/caisson/networks/n${at}/${address}`;
    const { prefix } = parseBlock('subnet', block);
    return { address, prefix, directory, file: `${directory}/${id}` };
  };
  const gateway = (block: string) => formatAddress(nth(parseBlock('subnet', block), 1n));
  const ipv4 = claim(subnet);
  return {
    network: {
      version: 1,
      id: `n${at}`,
      name: `net${at}`,
      driver: 'bridge',
      created: '',
      bridge: `cai-${at}`,
      ipv4: { subnet, gateway: gateway(subnet) },
      ...(subnet6 === undefined ? {} : { ipv6: { subnet: subnet6, gateway: gateway(subnet6) } }),
      internal: false,
      attachable: false,
      labels: {},
      options: {},
    },
    at,
    bridgeIndex: 7 + at,
    hairpin: false,
    ipv4,
    ipv6: subnet6 === undefined ? undefined : claim(subnet6),
    mac: mac ?? macOf(ipv4.address),
    linkLocal,
    priority: 0,
  };
}

function sample(id: string, endpoints: readonly Endpoint[], opened: Opened): SampleStart {
  const own = new OwnTexts();
  own.takeAll(planConnection(networks, id, { endpoints, opened }));
  const ofId = (text: string) => ({ text, bytes: Buffer.from(text) });
  return { own, values: [ofId(id), ofId(shortId(id)), ...endpoints.flatMap(valuesOf)] };
}

const POLICY = normalizePolicy({
  allow: ['10.0.0.0/8:5432', 'fd00::/8', '*.example.org:443'],
  deny: ['10.9.0.0/16'],
});

const CASES: Readonly<Record<string, readonly [readonly Place[], Partial<Opened>?]>> = {
  'on the network bridge': [[{ subnet: '172.17.0.0/16' }]],
  'on a small network': [[{ subnet: '10.1.2.0/29' }]],
  'on a network whose prefix ends within a byte': [[{ subnet: '10.1.0.0/20' }]],
  'on a network with IPv6': [[{ subnet: '10.1.0.0/16', subnet6: 'fd12:3456:789a::/64' }]],
  'with a MAC address and addresses of the link': [
    [{ subnet: '10.1.0.0/16', mac: '02:00:00:00:00:01', linkLocal: ['169.254.7.8', 'fe80::7'] }],
  ],
  'on two networks': [
    [{ subnet: '10.1.0.0/16' }, { subnet: '192.168.0.0/20', subnet6: 'fd00:1::/64' }],
  ],
  'with a policy': [[{ subnet: '172.17.0.0/16', subnet6: 'fd00:1::/64' }], { policy: POLICY }],
  'with ports': [
    [{ subnet: '172.17.0.0/16' }],
    {
      ports: [
        { hostPort: 8080, containerPort: 80, protocol: 'tcp' },
        { hostIp: '127.0.0.1', hostPort: 53, containerPort: 53, protocol: 'udp' },
      ],
      isPublished: true,
      forgetsFlows: true,
    },
  ],
};

describe('the texts of a start on networks with a bridge', () => {
  for (const [title, [places, opened]] of Object.entries(CASES))
    it(`Those of another start are filled in as they would be made for it: ${title}`, () => {
      const all = { ...OPENED, ...opened };
      const start = (id = newId()) => ({
        id,
        endpoints: places.map((place, at) => endpoint(place, at, id)),
      });
      const begun = start();
      const other = newId();
      const first = sample(begun.id, begun.endpoints, all);
      const others = begun.endpoints.map((each, at) => otherEndpoint(each, other, places[at]?.mac));
      const template = OwnTextsTemplate.of(first, sample(other, others, all));
      if (template === undefined) throw new Error('there is no template');
      const encoder = new Encoder();
      const order = first.own.all.map((_, at) => ({ own: COMMAND_TEXTS + at })).reverse();
      for (let run = 0; run < 200; run++) {
        const { id, endpoints } = start();
        const made = sample(id, endpoints, all);
        const filled = template.fill(made.values).all;
        const text = (each: string | Uint8Array) =>
          typeof each === 'string' ? each : Buffer.from(each).toString('hex');
        expect(filled.map(text)).to.deep.equal(made.own.all.map(text));
        // As they are put behind a program, which has them in an order of its own.
        const records = template.fill(made.values).recordsOf(order);
        const texts = order.map((own) => made.own.textOf(own));
        expect(Buffer.from(records ?? [])).to.deep.equal(Buffer.from(encoder.texts(texts, 0)));
      }
    });

  it('Texts that differ in more than their values have no template', () => {
    const value = (text: string) => ({ text, bytes: Buffer.from(text) });
    const start = (values: readonly string[], ...texts: (string | Buffer)[]) => ({
      own: new OwnTexts(texts),
      values: values.map(value),
    });
    const of = (one: SampleStart, other: SampleStart) => OwnTextsTemplate.of(one, other);
    const one = start(['10.0.0.1'], 'to 10.0.0.1');
    expect(of(one, start(['10.0.0.9'], 'to 10.0.0.9'))).to.not.equal(undefined);
    expect(of(one, start(['10.0.0.9'], 'of 10.0.0.9'))).to.equal(undefined);
    expect(of(one, start(['10.0.0.9'], 'to 10.0.0.9', ''))).to.equal(undefined);
    expect(of(one, start(['10.0.0.9'], Buffer.from('to 10.0.0.9')))).to.equal(undefined);
    // Something that is not the value looks like it.
    const twice = start(['10.0.0.1'], '10.0.0.1 and 10.0.0.1');
    expect(of(twice, start(['10.0.0.9'], '10.0.0.9 and 10.0.0.1'))).to.equal(undefined);
    const bytes = (...numbers: readonly number[]) => Buffer.from(numbers);
    const from = {
      own: new OwnTexts([bytes(7, 1, 2, 1)]),
      values: [{ text: '', bytes: bytes(1, 2) }],
    };
    const to = (...numbers: readonly number[]) => ({
      own: new OwnTexts([bytes(...numbers)]),
      values: [{ text: '', bytes: bytes(3, 4) }],
    });
    const found = of(from, to(7, 3, 4, 1));
    expect(found?.fill([{ text: '', bytes: bytes(5, 6) }]).all).to.deep.equal([Uint8Array.of(7, 5, 6, 1)]); // prettier-ignore
    expect(of(from, to(7, 3, 4, 3)), 'a part of the value').to.equal(undefined);
    expect(of(from, to(7, 3, 2, 1))).to.equal(undefined);
    expect(of(from, to(7, 3, 4, 1, 0))).to.equal(undefined);
  });
});
