/** Policies for outgoing connections of an unprivileged user's containers, in the shared network of that user. */
import { expect } from 'chai';
import type { PolicyReport } from '../../lib/network/policy/denied.js';
import { LOOPBACK_PORT, ADDRESS, PORT, SERVER } from '../support/outer-network.js';
import { eventually } from '../support/outside.js';
import { type Probed, probing } from '../support/probe.js';
import { HOST, HOST6, METADATA, OTHER, OTHER6, pidsOf, RootlessGround, WEB, WEB6 } from '../support/rootless-ground.js'; // prettier-ignore
import { skip } from '../support/skip.js';

const SLEEP = ['host', 'sleep', '1000'];
/** Where pasta passes on what is asked of the host's name server. */
const PASTA_DNS = '169.254.1.1';

describe('Policies of an unprivileged user', function () {
  this.timeout(120_000);
  let ground: RootlessGround;
  const ok = (...args: readonly string[]) => ground.ok(...args);

  before(async function () {
    const missing = RootlessGround.missing();
    if (missing !== undefined) skip(this, missing);
    ground = await RootlessGround.make();
  });
  after(() => (ground as RootlessGround | undefined)?.cleanUp());
  beforeEach(() => ok('network', 'create', '--ipv6', 'web'));
  afterEach(() => ground.clear());

  const started = (...flags: readonly string[]) =>
    ok('run', '-d', '--network', 'web', ...flags, ...SLEEP);
  const tables = () => ground.inNetwork('nft', 'list', 'ruleset');
  const seen = async (id: string) =>
    (JSON.parse(await ok('network', 'policy', id)) as { denied: { first: string }[] }).denied.map(
      ({ first: _, ...rest }) => rest,
    );

  it('What is allowed is reached, and everything else is refused at once and counted', async () => {
    const free = await started();
    const everything = [
      { by: 'tcp', to: WEB, port: 80 },
      { by: 'tcp', to: WEB6, port: 443 },
      { by: 'tcp', to: WEB, port: 443 },
      { by: 'udp', to: OTHER, port: 443 },
      { by: 'tcp', to: OTHER6, port: 80 },
      { by: 'tcp', to: METADATA, port: 80 },
      { by: 'tcp', to: HOST, port: PORT },
    ] as const;
    const outside = await ground.answers(free, ...everything.slice(0, 6));
    for (const [at, answer] of outside.entries())
      expect(answer, everything[at]?.to).to.match(/^internet /);
    const id = await started('--allow', `${WEB}:80/tcp`, '--allow', `[${WEB6}]:443`);
    const probed = await ground.probe(id, ...everything);
    expect(probed.map(({ answer }) => answer)).to.deep.equal([
      `internet ${HOST}`,
      `internet ${HOST6}`,
      'ECONNREFUSED',
      'EHOSTUNREACH',
      'ECONNREFUSED',
      'ECONNREFUSED',
      'ECONNREFUSED',
    ]);
    for (const { took } of probed) expect(took).to.be.below(5000);
    const expected = [
      { address: WEB, port: 443, protocol: 'tcp', count: 1 },
      { address: OTHER, port: 443, protocol: 'udp', count: 1 },
      { address: OTHER6, port: 80, protocol: 'tcp', count: 1 },
      { address: METADATA, port: 80, protocol: 'tcp', count: 1 },
      { address: HOST, port: PORT, protocol: 'tcp', count: 1 },
    ];
    expect(await seen(id)).to.have.deep.members(expected);
    await ok('kill', id);
    await eventually(async () => expect(await seen(id)).to.have.deep.members(expected));
    // The other container keeps the network: nothing of the policy is left in it.
    expect(await tables()).not.to.include(id.slice(0, 12));
  });

  it('With rules that deny alone, no address leads to the host, also none that it has besides', async () => {
    await ground.outer.run('ip', 'address', 'add', '2001:db8:9::1/128', 'dev', 'lo');
    await ground.outer.run('ip', 'route', 'add', 'local', '100.64.0.0/24', 'dev', 'lo');
    const free = await started();
    const ways = [HOST, SERVER, '100.64.0.7'].map((to) => ({ by: 'tcp', to, port: PORT }) as const);
    const loopback = { by: 'tcp', to: PASTA_DNS, port: LOOPBACK_PORT } as const;
    for (const way of ways)
      expect((await ground.probe(free, way))[0]?.answer, way.to).not.to.match(/^E[CHA]/);
    const id = await started('--deny', OTHER);
    const denied = [...ways, { by: 'tcp', to: ADDRESS, port: PORT } as const, loopback];
    for (const to of [HOST6, '2001:db8:9::1']) denied.push({ by: 'tcp', to, port: PORT });
    for (const { answer } of await ground.probe(id, ...denied))
      expect(answer).to.equal('ECONNREFUSED');
    expect((await seen(id)).map((each) => (each as { address?: string }).address)).to.have.members(
      denied.map(({ to }) => to),
    );
    const set = (name: string) => ground.inNetwork('nft', 'list', 'set', 'inet', 'caisson', name);
    const sets = async () => (await set('host4')) + (await set('host6'));
    // The machine gets other addresses while the container runs.
    const later = { by: 'tcp', to: '198.51.100.77', port: PORT } as const;
    const later6 = { by: 'tcp', to: '2001:db8:9::7', port: PORT } as const;
    expect(await ground.answers(id, later, later6)).not.to.include('ECONNREFUSED');
    for (const { to } of [later, later6]) await ground.outer.run('ip', 'address', 'add', to, 'dev', 'lo'); // prettier-ignore
    await eventually(async () =>
      expect(await ground.answers(id, later, later6)).to.deep.equal([
        'ECONNREFUSED',
        'ECONNREFUSED',
      ]),
    );
    expect(await sets())
      .to.include(later.to)
      .and.include(later6.to);
    for (const { to } of [later, later6]) await ground.outer.run('ip', 'address', 'delete', to, 'dev', 'lo'); // prettier-ignore
    await eventually(async () =>
      expect(await sets()).not.to.match(/198\.51\.100\.77|2001:db8:9::7/),
    );
    expect(await sets())
      .to.include(SERVER)
      .and.include('2001:db8:9::1')
      .and.include('100.64.0.0/24');
    expect(await ground.answers(id, { by: 'tcp', to: WEB, port: 80 }, { by: 'tcp', to: OTHER, port: 80 })).to.deep.equal([`internet ${HOST}`, 'ECONNREFUSED']); // prettier-ignore
    // Names are looked up by the resolver all the same.
    expect(await ok('exec', id, 'getent', 'ahostsv4', 'any.example.com')).to.include(SERVER);
  });

  it('A name opens its addresses, but none of the host', async () => {
    const flags = ['--allow', 'any.example.com', '--allow', `${WEB}:80`];
    const id = await started(...flags);
    const byName = { by: 'tcp', to: 'any.example.com', port: PORT } as const;
    const [first, second] = await ground.answers(id, byName, { by: 'tcp', to: 'other.example.com', port: PORT }); // prettier-ignore
    // SERVER is an address of the host.
    expect(first).to.equal('ECONNREFUSED');
    expect(second).to.match(/EAI_|ENOTFOUND/);
    const denied = await seen(id);
    expect(denied).to.deep.include({ host: 'any.example.com', address: SERVER, port: PORT, protocol: 'tcp', count: 1 }); // prettier-ignore
    expect(denied.map((each) => (each as { host?: string }).host)).to.include('other.example.com');
  });

  it('Another policy is in effect at once', async () => {
    const id = await started('--allow', `${WEB}:80`);
    const to = (address: string) => ({ by: 'tcp', to: address, port: 80 }) as const;
    const reach = () => ground.answers(id, to(WEB), to(OTHER));
    expect(await reach()).to.deep.equal([`internet ${HOST}`, 'ECONNREFUSED']);
    await ok('network', 'policy', '--deny', WEB, id);
    expect(await reach()).to.deep.equal(['ECONNREFUSED', `internet ${HOST}`]);
    await ok('restart', '-t', '0', id);
    expect(await reach()).to.deep.equal(['ECONNREFUSED', `internet ${HOST}`]);
    const policy = await ok('inspect', '-f', '{{json .NetworkSettings.Policy}}', id);
    expect(JSON.parse(policy)).to.deep.include({ Default: 'allow', Allow: [], Deny: [WEB] });
  });

  it('What was flushed of the firewall, and a resolver that was killed, are there again after a reload', async () => {
    // Without a shared network none is made.
    expect(await ok('network', 'reload')).to.equal('');
    expect(pidsOf(/caisson-network/)).to.deep.equal([]);
    const free = await started('--name', 'free');
    const id = await started('--allow', `${WEB}:80`, '--allow', 'any.example.com');
    const to = (address: string) => ({ by: 'tcp', to: address, port: 80 }) as const;
    const expected = [`internet ${HOST}`, 'ECONNREFUSED'];
    expect(await ground.answers(id, to(WEB), to(OTHER))).to.deep.equal(expected);
    await ground.inNetwork('nft', 'flush', 'ruleset');
    expect(await ground.answers(id, to(OTHER))).to.deep.equal([`internet ${HOST}`]);
    const [resolver] = pidsOf(/caisson-resolve/);
    for (const pid of pidsOf(/caisson-resolve/)) process.kill(pid, 'SIGKILL');
    expect(await ok('network', 'reload')).to.equal('');
    expect(await ground.answers(free, to(WEB), to(OTHER))).to.deep.equal([`internet ${HOST}`, `internet ${HOST}`]); // prettier-ignore
    expect(await ground.answers(id, to(WEB), to(OTHER))).to.deep.equal(expected);
    expect(await ground.answers(id, { by: 'tcp', to: 'any.example.com', port: PORT })).to.deep.equal(['ECONNREFUSED']); // prettier-ignore
    expect(await ok('exec', id, 'getent', 'ahostsv4', 'any.example.com')).to.include(SERVER);
    expect(pidsOf(/caisson-resolve/)).not.to.include(resolver);
    const left = await tables();
    for (const each of [free, id]) expect(left).to.include(`"ve${each.slice(0, 12)}0"`);
    expect(await ground.inNetwork('nft', 'list', 'set', 'inet', 'caisson', 'host4')).to.include(SERVER); // prettier-ignore
  });

  it('The next start restores what was flushed of the firewall', async () => {
    const id = await started('--allow', `${WEB}:80`);
    const to = (address: string) => ({ by: 'tcp', to: address, port: 80 }) as const;
    await ground.inNetwork('nft', 'flush', 'ruleset');
    expect(await ground.answers(id, to(OTHER))).to.deep.equal([`internet ${HOST}`]);
    const free = await started();
    expect(await ground.answers(id, to(WEB), to(OTHER))).to.deep.equal([`internet ${HOST}`, 'ECONNREFUSED']); // prettier-ignore
    expect(await ground.answers(free, to(OTHER))).to.deep.equal([`internet ${HOST}`]);
    const left = await tables();
    for (const each of [free, id]) expect(left).to.include(`"ve${each.slice(0, 12)}0"`);
    expect(await ground.inNetwork('nft', 'list', 'set', 'inet', 'caisson', 'host4')).to.include(SERVER); // prettier-ignore
  });

  it('What a run was refused is in its result, and the container is removed', async () => {
    const result = (await ground.fixture('policy-run', {
      command: probing({ by: 'tcp', to: OTHER, port: 80 }, { by: 'tcp', to: WEB, port: 80 }),
      options: { network: { name: 'web', allow: [`${WEB}:80`] } },
    })) as { stdout: string; stderr: string; network?: PolicyReport };
    expect(result.stderr).to.equal('');
    const answers = (JSON.parse(result.stdout) as Probed[]).map(({ answer }) => answer);
    expect(answers).to.deep.equal(['ECONNREFUSED', `internet ${HOST}`]);
    expect(result.network?.denied.map(({ first: _, ...rest }) => rest)).to.deep.equal([
      { address: OTHER, port: 80, protocol: 'tcp', count: 1 },
    ]);
    expect(await ok('ps', '-aq')).to.equal('');
  });

  it('A run with a policy whose caller is killed is removed with all that it has', async () => {
    const free = await started();
    const options = { network: { name: 'web', allow: [`${WEB}:80`] } };
    const argument = JSON.stringify({ command: ['sleep', '1000'], options });
    const caller = ground.user.fixture('policy-run', argument);
    await eventually(async () =>
      expect((await ok('ps', '-q', '--no-trunc')).split('\n')).to.have.length(2),
    );
    const id = (await ok('ps', '-q', '--no-trunc')).split('\n').find((each) => each !== free);
    caller.kill('SIGKILL');
    await eventually(async () => expect(await ok('ps', '-aq', '--no-trunc')).to.equal(free));
    await eventually(async () => expect(await tables()).not.to.include(id?.slice(0, 12)));
  });

  it('What a killed supervisor has left of a policy is removed by the next look, and the next start has its own', async () => {
    const free = await started();
    const flags = ['--name', 'one', '--allow', `${WEB}:80`];
    const id = await started(...flags);
    const others = new Set(await supervisorsBut(id));
    for (const pid of pidsOf(/caisson-supervi|caisson-agent/))
      if (!others.has(pid)) process.kill(pid, 'SIGKILL');
    expect(await tables()).to.include(`policy-${id.slice(0, 12)}`);
    await eventually(async () => expect(await ok('ps', '-q', '--no-trunc')).to.equal(free));
    expect(await tables()).not.to.include(id.slice(0, 12));
    await ok('start', 'one');
    const to = (address: string) => ({ by: 'tcp', to: address, port: 80 }) as const;
    expect(await ground.answers('one', to(WEB), to(OTHER))).to.deep.equal([`internet ${HOST}`, 'ECONNREFUSED']); // prettier-ignore
  });

  /** Of all containers but this one: pids of their supervisors, and of the agents of these. */
  async function supervisorsBut(id: string): Promise<number[]> {
    const pid = Number(await ok('inspect', '-f', '{{.State.Pid}}', id));
    const own = await parentOf(pid);
    const supervisors = pidsOf(/caisson-supervi/).filter((each) => each !== own);
    const agents = await Promise.all(
      pidsOf(/caisson-agent/).map(async (each) => [each, await parentOf(each)] as const),
    );
    return [...supervisors, ...agents.flatMap(([each, parent]) => (parent === own ? [] : [each]))];
  }

  async function parentOf(pid: number): Promise<number> {
    const { readFile } = await import('node:fs/promises');
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
    return Number(stat.slice(stat.lastIndexOf(')')).split(' ')[2]);
  }
});
