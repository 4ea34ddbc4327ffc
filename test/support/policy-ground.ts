/** A resolver in a network namespace of a test's own, with a name server and the sets of policies in it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { open } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { initPath } from '../../lib/native/load.js';
import type { NamePolicy, NameRule } from '../../lib/network/names/name-policy.js';
import { encodeEnd, type Registration } from '../../lib/network/names/registration.js';
import { tellResolver } from '../../lib/network/names/resolver-client.js';
import type { ServedQuery, ServedReplies } from '../integration/fixtures/dns-server.js';
import { NetworkNamespace } from './network-namespace.js';
import { fixture } from './paths.js';
import { type Member, type Respond, ResolverGround } from './resolver-ground.js';

/** An element of a set, as nft(8) shows it. */
export interface ShownElement {
  /** Such as `192.0.2.1 . tcp . 443`. */
  readonly key: string;
  /** Seconds that are left, rounded up. */
  readonly left: number;
}

export class PolicyGround {
  /** What the name server replies. */
  respond: Respond = () => [];
  readonly queries: { readonly query: Buffer; readonly by: 'udp' | 'tcp' }[] = [];
  private lastId = 0;
  private readonly ids: string[] = [];

  private constructor(
    readonly namespace: NetworkNamespace,
    readonly resolver: ResolverGround,
    private readonly server: ChildProcess,
    private readonly port: number,
  ) {}

  static async open(): Promise<PolicyGround> {
    const namespace = await NetworkNamespace.make();
    const [program = '', ...args] = [...namespace.within, process.execPath, fixture('dns-server')];
    const server = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    const lines = createInterface({ input: server.stdout });
    const [first] = (await once(lines, 'line')) as [string];
    const { port } = JSON.parse(first) as { port: number };
    const resolver = await ResolverGround.open();
    const ground = new PolicyGround(namespace, resolver, server, port);
    lines.on('line', (line) => void ground.serve(JSON.parse(line) as ServedQuery));
    await namespace.run('nft', 'add', 'table', 'inet', 'caisson');
    await ground.startBroker();
    return ground;
  }

  private async serve({ key, by, bytes }: ServedQuery): Promise<void> {
    const query = Buffer.from(bytes, 'hex');
    this.queries.push({ query, by });
    const replies = (await this.respond(query, by)).map((reply) => reply.toString('hex'));
    const served: ServedReplies = { key, replies };
    this.server.stdin?.write(`${JSON.stringify(served)}\n`);
  }

  /** In the namespace: another one would be started where the test is. */
  async startBroker(): Promise<void> {
    const init = await open(initPath());
    try {
      const { directory } = this.resolver;
      const [program = '', ...args] = [...this.namespace.within, initPath(), 'resolver', '3', directory]; // prettier-ignore
      const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'inherit', init.fd] });
      const [code] = (await once(child, 'exit')) as [number | null];
      if (code !== 0) throw new Error(`the resolver cannot be started: ${code}`);
    } finally {
      await init.close();
    }
  }

  /** A policy, and the sets that it names. */
  async policy(rules: readonly NameRule[], others: 'allow' | 'deny' = 'deny') {
    const sets = this.setsOf((++this.lastId).toString(16).padStart(12, '0'));
    const added = Object.entries(sets).map(([kind, name]) => {
      const address = kind.toLowerCase().includes('ipv6') ? 'ipv6_addr' : 'ipv4_addr';
      return `add set inet caisson ${name} { type ${address} . inet_proto . inet_service ; flags interval, timeout ; }`;
    });
    for (const line of added) await this.namespace.run('nft', line);
    return { default: others, rules, sets } satisfies NamePolicy;
  }

  private setsOf(id: string) {
    return {
      ipv4: `names4-${id}`,
      ipv6: `names6-${id}`,
      peersIpv4: `peers4-${id}`,
      peersIpv6: `peers6-${id}`,
    };
  }

  /** A container with that policy, which asks the name server. */
  async container(
    policy: NamePolicy | undefined,
    rest: Partial<Registration> = {},
  ): Promise<{ member: Member; id: string; registration: Registration }> {
    const id = (0xc0000 + this.ids.length).toString(16).padStart(64, '0');
    this.ids.push(id);
    const registration: Registration = {
      id,
      networks: [],
      upstream: [{ address: '127.0.0.1', port: this.port }],
      forward: true,
      policy,
      ...rest,
    };
    const member = await this.resolver.member();
    await this.resolver.register(member, registration);
    return { member, id, registration };
  }

  async elements(set: string): Promise<ShownElement[]> {
    const text = await this.namespace.run('nft', '-n', 'list', 'set', 'inet', 'caisson', set);
    return [...text.matchAll(/([^\s,{][^,{]*?) timeout \S+ expires (\S+?)[,\s}]/g)].map(
      ([, key = '', time = '']) => ({ key: key.trim(), left: seconds(time) }),
    );
  }

  async keys(set: string): Promise<string[]> {
    return (await this.elements(set)).map(({ key }) => key).sort();
  }

  async close(): Promise<void> {
    try {
      // Otherwise the resolver stays for the reports.
      for (const id of this.ids)
        await tellResolver(this.resolver.directory, encodeEnd(id)).catch(() => undefined);
      await this.resolver.close();
    } finally {
      this.server.kill('SIGKILL');
      await this.namespace.end();
    }
  }
}

/** Such as 1h2m3s456ms. */
function seconds(time: string): number {
  const units: Record<string, number> = { d: 86_400, h: 3600, m: 60, s: 1, ms: 0.001 };
  const parts = [...time.matchAll(/(\d+)(ms|[dhms])/g)];
  return Math.ceil(
    parts.reduce((sum, [, count, unit = '']) => sum + Number(count) * (units[unit] ?? NaN), 0),
  );
}
