/** Policies of containers that run are changed, and so are their networks. */
import { expect } from 'chai';
import { untilNothing } from '../support/leftovers.js';
import { needsRoot } from '../support/needs.js';
import type { NetworkHost } from '../support/network-host.js';
import { eventually } from '../support/outside.js';
import { HOST, OTHER, PolicyLab, WEB } from '../support/policy-lab.js';

needsRoot('network namespaces and bridges').describe('Changes of policies', function () {
  this.timeout(60_000);
  const lab = PolicyLab.forTests();
  before(async () => {
    await lab.host.createNetwork('more', '10.78.0.0/24', 'fd00:78::/64');
  });
  const containers = new Set<string>();
  afterEach(async () => {
    for (const id of containers) await lab.host.onContainer(id, 'remove', { force: true });
    containers.clear();
    // Nothing is left of a policy.
    await untilNothing(async () => (await ruleset()).match(/-[0-9a-f]{12}|"ve[0-9a-f]+"/g) ?? []);
  });

  const ruleset = () => lab.host.namespace.run('nft', 'list', 'ruleset');
  const web = { by: 'tcp', to: WEB, port: 80 } as const;
  const other = { by: 'tcp', to: OTHER, port: 80 } as const;
  const named = { by: 'tcp', to: 'web.example', port: 80 } as const;
  const open = `internet ${HOST}`;
  const started = async (command: string[], options: Parameters<NetworkHost['create']>[1]) => {
    const id = await lab.host.create(command, options);
    containers.add(id);
    await lab.host.onContainer(id, 'start');
    return id;
  };
  const restartedFrom = async (id: string, pid: number) =>
    eventually(async () => {
      const { state, status } = await lab.host.inspect(id);
      expect(status).to.equal('running');
      expect(state.pid).to.be.greaterThan(0).and.not.equal(pid);
    });

  for (const network of ['bridge', 'web'])
    it(`A container on the network ${network} that was started without a policy has one at once, and after its restarts`, async () => {
      const options = { network, dns: [WEB], restart: 'always' };
      const id = await started(['sleep', '1000'], options);
      expect(await lab.reached(id, other, named)).to.deep.equal([open, open]);
      await lab.host.onContainer(id, 'updateNetwork', { allow: ['web.example:80'] });
      const refused = ['ECONNREFUSED', 'ECONNREFUSED', open, open];
      expect(await lab.reached(id, other, web, named, web)).to.deep.equal(refused);
      const denied = (await lab.host.inspect(id)).denied ?? [];
      expect(denied.map(({ address }) => address)).to.include.members([WEB, OTHER]);
      const { pid } = (await lab.host.inspect(id)).state;
      process.kill(pid, 'SIGKILL');
      await restartedFrom(id, pid);
      expect(await lab.reached(id, other, web, named, web)).to.deep.equal(refused);
      const told = await lab.host.cli('network', 'policy', '--allow', OTHER, id);
      expect(told.stderr).to.equal('');
      expect(await lab.reached(id, other, web)).to.deep.equal([open, 'ECONNREFUSED']);
      await lab.host.onContainer(id, 'restart', { timeout: 0 });
      expect(await lab.reached(id, other, web)).to.deep.equal([open, 'ECONNREFUSED']);
    });

  it('A neighbour of a container that gets a policy is refused as well', async () => {
    const serve = "require('net').createServer((socket) => socket.end('yes')).listen(80, '::')";
    const neighbour = await started(['node', '-e', serve], { network: 'web', ip: '10.77.0.99' });
    const id = await started(['sleep', '1000'], { network: 'web' });
    const probe = { by: 'tcp', to: '10.77.0.99', port: 80 } as const;
    await eventually(async () => expect(await lab.reached(id, probe)).to.deep.equal(['yes']));
    await lab.host.onContainer(id, 'updateNetwork', { allow: [WEB] });
    expect(await lab.reached(id, probe)).to.deep.equal(['ECONNREFUSED']);
    await lab.host.onContainer(id, 'updateNetwork', { allow: ['10.77.0.99:80'] });
    expect(await lab.reached(id, probe)).to.deep.equal(['yes']);
    await lab.host.onContainer(neighbour, 'kill');
  });

  it('A paused container has another policy when it goes on', async () => {
    const id = await started(['sleep', '1000'], { network: { name: 'web', allow: [WEB] } });
    await lab.host.onContainer(id, 'pause');
    await lab.host.onContainer(id, 'updateNetwork', { allow: [OTHER] });
    await lab.host.onContainer(id, 'unpause');
    expect(await lab.reached(id, web, other)).to.deep.equal(['ECONNREFUSED', open]);
  });

  it('Networks are connected to a running container with a policy, which holds there, too, and disconnected', async () => {
    const serve = "require('net').createServer((socket) => socket.end('yes')).listen(80, '::')";
    await started(['node', '-e', serve], { network: 'more', ip: '10.78.0.99', networkAliases: ['db'] }); // prettier-ignore
    await started(['node', '-e', serve], { network: 'more', ip: '10.78.0.98' });
    const network = { name: 'web', allow: [WEB, 'db:80'] };
    const id = await started(['sleep', '1000'], { network, dns: [WEB], restart: 'always' });
    const db = { by: 'tcp', to: 'db', port: 80 } as const;
    const beside = { by: 'tcp', to: '10.78.0.98', port: 80 } as const;
    const gateway = { by: 'icmp', to: '10.78.0.1' } as const;
    const change = async (verb: string, name: string) =>
      expect(await lab.host.cli('network', verb, name, id)).to.deep.include({
        code: 0,
        stderr: '',
      });
    await change('connect', 'more');
    const expectBoth = async () => {
      await eventually(async () => expect(await lab.reached(id, db)).to.deep.equal(['yes']));
      const refused = ['ECONNREFUSED', open, 'ECONNREFUSED'];
      expect(await lab.reached(id, beside, web, other)).to.deep.equal(refused);
      // The kernel holds messages of ICMP back after it has had to redirect packets (net.ipv4.icmp_ratelimit).
      await eventually(async () =>
        expect(await lab.reached(id, gateway)).to.deep.equal(['EHOSTUNREACH']),
      );
    };
    await expectBoth();
    const { pid } = (await lab.host.inspect(id)).state;
    process.kill(pid, 'SIGKILL');
    await restartedFrom(id, pid);
    await expectBoth();
    await change('disconnect', 'web');
    expect(await lab.reached(id, web, other, beside)).to.deep.equal([open, 'ECONNREFUSED', 'ECONNREFUSED']); // prettier-ignore
    await change('disconnect', 'more');
    expect((await ruleset()).includes(`policy-${id.slice(0, 12)}`)).to.equal(false);
    await change('connect', 'web');
    expect(await lab.reached(id, web, other)).to.deep.equal([open, 'ECONNREFUSED']);
    // A flush finds all that there is now.
    await lab.host.namespace.run('nft', 'flush', 'ruleset');
    await change('connect', 'more');
    expect(await lab.reached(id, web, beside)).to.deep.equal([open, 'ECONNREFUSED']);
  });

  it('A change that cannot be made leaves everything as it was', async () => {
    const id = await started(['sleep', '1000'], { network: 'web', restart: 'always' });
    const before = await ruleset();
    // More ports than the resolver can tell apart.
    const allow = Array.from({ length: 140 }, (_, at) => `*.web.example:${1000 + 2 * at}`);
    const told = await lab.host.cli('network', 'policy', ...allow.flatMap((rule) => ['--allow', rule]), id); // prettier-ignore
    expect(told.code).not.to.equal(0);
    expect(told.stderr).to.include('too many ranges');
    expect((await lab.host.inspect(id)).denied).to.equal(undefined);
    expect((await ruleset()).match(/policy-/g)).to.equal(null);
    expect(before.match(/policy-/g)).to.equal(null);
    expect(await lab.reached(id, other)).to.deep.equal([open]);
    const { pid } = (await lab.host.inspect(id)).state;
    process.kill(pid, 'SIGKILL');
    await restartedFrom(id, pid);
    expect(await lab.reached(id, other)).to.deep.equal([open]);
  });
});
