/** `Engine.networks`: with real containers, whose claims of addresses the tests make. */
import { expect } from 'chai';
import { spawnSync } from 'node:child_process';
import { readdirSync, symlinkSync, unlinkSync } from 'node:fs';
import { claimContext } from '../../lib/engine/networks/container-lookup.js';
import type { NetworkInfo } from '../../lib/engine/networks/network-info.js';
import type { EngineEvent } from '../../lib/engine/store/stored.js';
import { newId } from '../../lib/base/ids.js';
import { bootId } from '../../lib/host/owner.js';
import { withLock } from '../../lib/host/locks.js';
import { claimAddress, claimsOf } from '../../lib/network/bridge/addresses.js';
import type { ClaimContext } from '../../lib/network/bridge/claim-context.js';
import { isStored } from '../../lib/network/bridge/stored-network.js';
import { DetachedContainers } from '../support/detached.js';
import { needsNftables, needsRoot } from '../support/needs.js';
import { fixture } from '../support/paths.js';
import { rejectionOf } from '../support/rejection.js';
import { Workshop } from '../support/workshop.js';

const rights = needsRoot('networks with a bridge');

rights.describe('Networks of an engine', () => {
  let shop: Workshop;
  let detached: DetachedContainers;
  let context: ClaimContext;

  before(async () => {
    shop = await Workshop.open();
    detached = new DetachedContainers(shop.engine, shop.busybox, shop.directory);
    context = claimContext(shop.context.store);
  });
  afterEach(async () => {
    await detached.cleanUp();
    await shop.engine.networks.prune();
  });
  after(() => shop.close());

  /** A claim whose process has ended, as that of a detached container usually has. */
  async function claimFor(network: NetworkInfo, containerId: string): Promise<string> {
    const found = context.networks.find(network.id);
    if (!isStored(found)) throw new Error(`${network.name} has no file`);
    const { file, address } = await claimAddress(context, found, 4, containerId);
    unlinkSync(file);
    symlinkSync(`1 1 ${bootId()}`, file);
    return address;
  }

  const names = async (...filters: string[]) =>
    (await shop.engine.networks.list(filters)).map(({ name }) => name).sort();

  it('A network is created, listed, inspected and removed, and events tell of it', async () => {
    const { networks } = shop.engine;
    const since = Date.now() / 1000;
    const made = await networks.create('web', { ipv6: true, labels: { tier: 'front' } });
    expect(made).to.deep.include({ name: 'web', driver: 'bridge', containers: [] });
    expect(made.ipv6?.subnet).to.match(/^fd.*::\/64$/);
    expect(await networks.inspect(made.id.slice(0, 12))).to.deep.equal(made);
    expect(await names()).to.deep.equal(['bridge', 'host', 'none', 'web']);
    expect(await names('label=tier=front')).to.deep.equal(['web']);
    await networks.remove('web');
    expect(await names('type=custom')).to.deep.equal([]);
    expect((await rejectionOf(networks.inspect('web'))).code).to.equal('ERR_NO_SUCH_NETWORK');
    expect((await rejectionOf(networks.remove('web'))).code).to.equal('ERR_NO_SUCH_NETWORK');
    const events: EngineEvent[] = [];
    for await (const event of shop.engine.events({ since, until: '0s' })) events.push(event);
    expect(
      events.map(({ type, action, id, attributes }) => ({ type, action, id, attributes })),
    ).to.deep.equal(
      // prettier-ignore
      (['create', 'destroy'] as const).map((action) => ({ type: 'network', action, id: made.id, attributes: { name: 'web', type: 'bridge' } })), // prettier-ignore
    );
    expect(readdirSync(shop.path('data/networks'))).to.deep.equal([]);
  });

  it('The predefined networks cannot be removed or created', async () => {
    const { networks } = shop.engine;
    for (const name of ['bridge', 'host', 'none']) {
      const error = await rejectionOf(networks.remove(name));
      expect(error.message).to.equal(`${name} is a pre-defined network and cannot be removed`);
      expect((await rejectionOf(networks.create(name))).message).to.match(/predefined/);
    }
    expect(await networks.prune()).to.deep.equal([]);
    expect(await names()).to.deep.equal(['bridge', 'host', 'none']);
  });

  it('A network with a container that runs is not removed, and afterwards it is', async () => {
    const { networks } = shop.engine;
    const web = await networks.create('web', { subnets: [{ subnet: '10.213.0.0/24' }] });
    await networks.create('unused');
    const container = await detached.start('exec sleep 1000', { name: 'box' });
    const address = await claimFor(web, container.id);
    expect((await networks.inspect('web')).containers).to.deep.equal([
      { containerId: container.id, name: 'box', ipv4: `${address}/24`, mac: '02:42:0a:d5:00:02' },
    ]);
    expect(await names('dangling=true')).to.deep.equal(['unused']);
    const error = await rejectionOf(networks.remove('web'));
    expect(error.code).to.equal('ERR_NETWORK_IN_USE');
    expect(error.message).to.include(
      `error while removing network: network web has active endpoints (name:"box" id:"${container.id.slice(0, 12)}")`,
    );
    expect((await networks.prune()).map(({ name }) => name)).to.deep.equal(['unused']);
    await container.stop({ timeout: 0 });
    expect((await networks.inspect('web')).containers).to.deep.equal([]);
    await networks.remove('web');
    expect(readdirSync(shop.path('run/networks'))).to.deep.equal([]);
  });

  it('A container that is being started has its address already', async () => {
    const { networks } = shop.engine;
    const web = await networks.create('web');
    const container = await detached.create('true');
    await claimFor(web, container.id);
    expect((await networks.inspect('web')).containers).to.deep.equal([]);
    await withLock(shop.path('run'), container.id, async () => {
      expect((await networks.inspect('web')).containers).to.have.length(1);
      expect((await rejectionOf(networks.remove('web'))).code).to.equal('ERR_NETWORK_IN_USE');
    });
    await networks.remove('web');
  });

  it('A claim of a container that is gone is freed by prune, also if the network stays', async () => {
    const { networks } = shop.engine;
    const web = await networks.create('web', { labels: { keep: '' } });
    await claimFor(web, newId());
    expect(claimsOf(context.networks, web.id)).to.have.length(1);
    expect(await networks.prune(['label!=keep'])).to.deep.equal([]);
    expect(claimsOf(context.networks, web.id)).to.deep.equal([]);
  });

  it('Networks are pruned by their age and labels', async () => {
    const { networks } = shop.engine;
    await networks.create('a', { labels: { tier: 'front' } });
    await networks.create('b');
    expect(await networks.prune(['until=1h'])).to.deep.equal([]);
    expect((await networks.prune(['label=tier'])).map(({ name }) => name)).to.deep.equal(['a']);
    expect((await rejectionOf(networks.prune(['name=b']))).code).to.equal('ERR_INVALID_OPTION');
  });

  const removals = (...more: string[]): unknown => {
    const roots = [shop.path('bridges'), shop.path('run')];
    const { status, stdout, stderr } = spawnSync(
      'unshare',
      ['--net', process.execPath, fixture('remove-bridge'), ...roots, ...more],
      { encoding: 'utf8' },
    );
    expect(status, stderr).to.equal(0);
    return JSON.parse(stdout);
  };

  it('Removing a network deletes its bridge device, and no other device of the name', () => {
    expect(removals()).to.deep.equal({
      before: ['bridge', 'veth', ''],
      after: ['', 'veth', ''],
      left: 0,
      // A container that has found the network before its removal.
      late: 'ERR_NO_SUCH_NETWORK',
      shown: [],
    });
  });

  needsNftables().it('Removing a network removes its elements from the firewall', () => {
    const { shown } = removals('firewall') as { shown: number[] };
    expect(shown[0]).to.be.greaterThan(0);
    expect(shown[1]).to.equal(0);
  });
});
