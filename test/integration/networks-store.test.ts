/** Networks and the claims of their addresses, with the files of several processes at once. */
import { expect } from 'chai';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { newId } from '../../lib/base/ids.js';
import {
  type AddressClaim,
  claimAddress,
  claimsOf,
  dropStaleClaims,
  releaseAddress,
} from '../../lib/network/bridge/addresses.js';
import { contains, parseAddress, parseBlock } from '../../lib/base/cidr.js';
import { type NetworkPlan, NetworkStore } from '../../lib/network/bridge/network-store.js';
import { isStored, type StoredNetwork, type Subnet } from '../../lib/network/bridge/stored-network.js'; // prettier-ignore
import { fixture } from '../support/paths.js';
import { needsRoot } from '../support/needs.js';
import { SmallDisk } from '../support/small-disk.js';
import { rejectionOf } from '../support/rejection.js';

const planOf = (name: string, more: Partial<NetworkPlan> = {}): NetworkPlan => ({
  name,
  enableIpv6: false,
  internal: false,
  attachable: false,
  labels: {},
  options: {},
  ...more,
});

const subnet = (subnet: string, gateway: string, more: Partial<Subnet> = {}): Subnet => ({
  subnet,
  gateway,
  ...more,
});

describe('Networks on disk', () => {
  let directory: string;
  let networks: NetworkStore;
  let live: Set<string>;
  const children: ChildProcess[] = [];

  const context = () => ({
    networks,
    containers: { isLive: (id: string) => live.has(id), nameOf: () => 'box', isNamed: () => false },
  });
  const claim = (network: StoredNetwork, wanted?: string, id = newId()) =>
    claimAddress(context(), network, 4, id, wanted);

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'caisson-test-'));
    mkdirSync(join(directory, 'run'), { mode: 0o700 });
    networks = new NetworkStore({ dataRoot: directory, runRoot: join(directory, 'run') });
    live = new Set();
  });

  afterEach(async () => {
    for (const child of children.splice(0)) {
      child.kill('SIGKILL');
      if (child.exitCode === null && child.signalCode === null) await once(child, 'close');
    }
    await rm(directory, { recursive: true, force: true });
  });

  /** Another process. */
  function claimer(network: string, count: number, then: 'end' | 'hold' | 'release') {
    const args = [
      fixture('claim-addresses'),
      directory,
      join(directory, 'run'),
      network,
      String(count),
      then,
    ];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    children.push(child);
    const claims = createInterface({ input: child.stdout })[
      Symbol.asyncIterator
    ]() as AsyncIterator<string, undefined>;
    const next = async (): Promise<AddressClaim> => {
      const { value, done } = await claims.next();
      if (done === true) throw new Error('the claimer has ended');
      return JSON.parse(value) as AddressClaim;
    };
    return {
      child,
      next,
      all: () => Promise.all(Array.from({ length: count }, next)),
      end: async () => {
        if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
        expect(child.exitCode).to.equal(0);
      },
    };
  }

  describe('Creating and finding', () => {
    it('A network is found by its id, its name and the beginning of its id', async () => {
      const web = await networks.create(planOf('web'));
      for (const reference of ['web', web.id, web.id.slice(0, 12), web.id.slice(0, 4)])
        expect(networks.find(reference)).to.deep.equal(web);
      expect(web.bridge).to.equal(`cai-${web.id.slice(0, 11)}`);
      expect(web.bridge).to.have.length(15);
      expect(statSync(join(directory, 'networks', web.id)).mode & 0o777).to.equal(0o700);
      for (const nothing of ['we', 'webb', 'x', '', '../networks', 'f'.repeat(64)]) {
        expect(() => networks.find(nothing), nothing)
          .to.throw(`network ${nothing} not found`)
          .with.property('code', 'ERR_NO_SUCH_NETWORK');
      }
    });

    it('A name is given once, also to processes that ask at the same time', async () => {
      const results = await Promise.allSettled(
        Array.from({ length: 5 }, () => networks.create(planOf('web'))),
      );
      const refused = results.filter(({ status }) => status === 'rejected');
      expect(refused).to.have.length(4);
      const error = await rejectionOf(networks.create(planOf('web')));
      expect(error.code).to.equal('ERR_NAME_IN_USE');
      expect(error.message).to.match(/^network with name web already exists/);
    });

    it('Networks that are created at the same time have different subnets', async () => {
      const made = await Promise.all(
        Array.from({ length: 6 }, (_, at) =>
          networks.create(planOf(`n${at}`, { enableIpv6: true })),
        ),
      );
      expect(new Set(made.map(({ ipv4 }) => ipv4.subnet)).size).to.equal(6);
      expect(new Set(made.map(({ ipv6 }) => ipv6?.subnet)).size).to.equal(6);
    });

    it('A subnet or a bridge device that another network has is refused, and nothing is made', async () => {
      const ipv4 = subnet('10.213.0.0/16', '10.213.0.1');
      const options = { 'com.docker.network.bridge.name': 'cai-test' };
      await networks.create(planOf('a', { ipv4, options }));
      const overlap = planOf('b', { ipv4: subnet('10.213.4.0/24', '10.213.4.1') });
      expect((await rejectionOf(networks.create(overlap))).code).to.equal('ERR_SUBNET_OVERLAP');
      const device = await rejectionOf(networks.create(planOf('c', { options })));
      expect(device.code).to.equal('ERR_CONFLICTING_OPTIONS');
      expect(readdirSync(join(directory, 'networks'))).to.have.length(1);
    });

    it('The predefined networks are always there, and bridge gets a subnet when it is needed', async () => {
      const look = () => networks.all().map(({ name, driver }) => `${name} ${driver}`).sort(); // prettier-ignore
      expect(look()).to.deep.equal(['bridge bridge', 'host host', 'none null']);
      expect(isStored(networks.find('bridge'))).to.equal(false);
      const [one, other] = await Promise.all([networks.use('bridge'), networks.use('bridge')]);
      expect(one).to.deep.equal(other);
      expect(isStored(one) && one.ipv4.gateway).to.match(/^(?:172|192)\./);
      expect(one.id).to.equal(networks.predefined[0]?.id);
      expect(look()).to.deep.equal(['bridge bridge', 'host host', 'none null']);
      expect(isStored(await networks.use('host'))).to.equal(false);
    });

    it('A damaged file is reported where it is asked for, and does not hinder the others', async () => {
      const web = await networks.create(planOf('web'));
      const other = await networks.create(planOf('other'));
      writeFileSync(join(directory, 'networks', web.id, 'network.json'), '{"version":1,');
      expect(() => networks.find(web.id)).to.throw().with.property('code', 'ERR_DAMAGED_STATE'); // prettier-ignore
      expect(networks.find('other')).to.deep.equal(other);
    });
  });

  describe('Claims of addresses', () => {
    it('Addresses are given in turn, without those of the network', async () => {
      const ipv4 = subnet('10.213.0.0/29', '10.213.0.1', {
        auxAddresses: { printer: '10.213.0.3' },
      });
      const network = await networks.create(planOf('web', { ipv4 }));
      const claims = [await claim(network), await claim(network)];
      expect(claims.map(({ address }) => address)).to.deep.equal(['10.213.0.2', '10.213.0.4']);
      expect(claims[0]?.prefix).to.equal(29);
      // The next one, although the first is free again.
      releaseAddress(claims[0]!);
      expect((await claim(network)).address).to.equal('10.213.0.5');
      expect((await claim(network)).address).to.equal('10.213.0.6');
      expect((await claim(network)).address).to.equal('10.213.0.2');
      const error = await rejectionOf(claim(network));
      expect(error.code).to.equal('ERR_ADDRESSES_EXHAUSTED');
      expect(error.message).to.match(/^no available IPv4 addresses on this network's address pools: web/); // prettier-ignore
    });

    it('Addresses are given from the range, and any other of the subnet if it is wanted', async () => {
      const ipv4 = subnet('10.213.0.0/16', '10.213.5.0', { ipRange: '10.213.5.0/30' });
      const network = await networks.create(planOf('web', { ipv4 }));
      const got = [await claim(network), await claim(network), await claim(network)];
      expect(got.map(({ address }) => address)).to.deep.equal(['10.213.5.1', '10.213.5.2', '10.213.5.3']); // prettier-ignore
      expect((await claim(network, '10.213.200.1')).address).to.equal('10.213.200.1');
    });

    it('A subnet of IPv6 has claims of its own', async () => {
      const network = await networks.create(planOf('web', { enableIpv6: true }));
      const id = newId();
      const [four, six] = [await claim(network, undefined, id), await claimAddress(context(), network, 6, id)]; // prettier-ignore
      expect(contains(parseBlock('v6', network.ipv6?.subnet), parseAddress('v6', six.address))).to.equal(true); // prettier-ignore
      expect(six.prefix).to.equal(64);
      expect(six.address).to.match(/::2$/);
      expect(claimsOf(networks, network.id).map(({ address }) => address)).to.have.members([four.address, six.address]); // prettier-ignore
    });

    it('A wanted address that no container can have is refused', async () => {
      const ipv4 = subnet('10.213.0.0/16', '10.213.0.1', { auxAddresses: { a: '10.213.0.9' } });
      const network = await networks.create(planOf('web', { ipv4 }));
      const codes = async (wanted: string) => (await rejectionOf(claim(network, wanted))).code;
      for (const wanted of ['10.214.0.1', '10.213.0.0', '10.213.255.255', 'fd00::1', 'x'])
        expect(await codes(wanted), wanted).to.equal('ERR_INVALID_OPTION');
      for (const wanted of ['10.213.0.1', '10.213.0.9'])
        expect(await codes(wanted), wanted).to.equal('ERR_ADDRESS_IN_USE');
      await claim(network, '10.213.7.7');
      const error = await rejectionOf(claim(network, '10.213.7.7'));
      expect(error.message).to.equal(
        '10.213.7.7: Address already in use (container box of network web has it)',
      );
      expect((await rejectionOf(claimAddress(context(), network, 6, newId()))).message).to.match(/has no IPv6 subnet/); // prettier-ignore
      // Nothing is left of what was refused.
      expect(readdirSync(join(networks.claims, network.id))).to.deep.equal(['10.213.7.7']);
    });

    it('A late release leaves the claim of another container alone', async () => {
      const network = await networks.create(planOf('web'));
      const [first, second] = [newId(), newId()];
      const mine = await claim(network, undefined, first);
      releaseAddress(mine);
      const others = await claim(network, mine.address, second);
      releaseAddress(mine);
      releaseAddress(mine);
      expect(readdirSync(others.directory)).to.deep.equal([second]);
      expect(claimsOf(networks, network.id).map(({ containerId }) => containerId)).to.deep.equal([second]); // prettier-ignore
    });

    it('A container that has left a claim behind can claim the address again', async () => {
      const network = await networks.create(planOf('web'));
      const id = newId();
      live.add(id);
      const first = await claim(network, undefined, id);
      expect(await claim(network, first.address, id)).to.deep.equal(first);
      expect((await rejectionOf(claim(network, first.address))).code).to.equal(
        'ERR_ADDRESS_IN_USE',
      );
    });

    it('Two processes claim 1,000 addresses at once, and none twice', async () => {
      const network = await networks.create(planOf('web'));
      const [one, other] = [claimer('web', 500, 'hold'), claimer('web', 500, 'hold')];
      const claims = (await Promise.all([one.all(), other.all()])).flat();
      expect(new Set(claims.map(({ address }) => address)).size).to.equal(1000);
      const found = claimsOf(networks, network.id);
      expect(found).to.have.length(1000);
      expect(await networks.locked(() => dropStaleClaims(context(), network.id))).to.have.length(1000); // prettier-ignore
    });

    it('Two processes that claim and release a small subnet at once have no address in common', async () => {
      const ipv4 = subnet('10.213.0.0/27', '10.213.0.1');
      await networks.create(planOf('web', { ipv4 }));
      const [one, other] = [claimer('web', 14, 'release'), claimer('web', 14, 'release')];
      const [mine, theirs] = await Promise.all([one.all(), other.all()]);
      await Promise.all([one.end(), other.end()]);
      const kept = [...mine, ...theirs]
        .filter((_, at) => at % 2 === 0)
        .map(({ address }) => address);
      expect(new Set(kept).size).to.equal(14);
    });

    it('Addresses of a killed process are given again when no other is left', async () => {
      const ipv4 = subnet('10.213.0.0/29', '10.213.0.1');
      const network = await networks.create(planOf('web', { ipv4 }));
      const other = claimer('web', 5, 'hold');
      const claims = await other.all();
      expect((await rejectionOf(claim(network))).code).to.equal('ERR_ADDRESSES_EXHAUSTED');
      expect((await rejectionOf(claim(network, '10.213.0.4'))).code).to.equal('ERR_ADDRESS_IN_USE');
      other.child.kill('SIGKILL');
      await once(other.child, 'exit');
      expect((await claim(network, '10.213.0.4')).address).to.equal('10.213.0.4');
      // The claim of a container that runs is not taken.
      const running = claimsOf(networks, network.id).find(
        ({ address }) => address === '10.213.0.2',
      )!;
      live.add(running.containerId);
      const rest = [await claim(network), await claim(network), await claim(network)];
      expect(rest.map(({ address }) => address)).to.have.members(['10.213.0.3', '10.213.0.5', '10.213.0.6']); // prettier-ignore
      expect((await rejectionOf(claim(network))).code).to.equal('ERR_ADDRESSES_EXHAUSTED');
      expect(claims).to.have.length(5);
    });

    it('A process that is killed while it claims leaves nothing that lasts', async () => {
      const network = await networks.create(planOf('web'));
      for (let round = 0; round < 8; round++) {
        const other = claimer('web', 100_000, 'end');
        for (let number = 0; number < 20 + round * 7; number++) await other.next();
        other.child.kill('SIGKILL');
        await once(other.child, 'exit');
      }
      const root = join(networks.claims, network.id);
      expect(readdirSync(root)).to.not.have.length(0);
      expect(await networks.locked(() => dropStaleClaims(context(), network.id))).to.deep.equal([]);
      // A directory without a claim in it may be of a process that is just making one, until it is a minute old.
      expect(readdirSync(root).filter((name) => !name.startsWith('.'))).to.deep.equal([]);
    });

    needsRoot('a file system of its own').it(
      'A full run root has addresses, or an error and nothing left',
      async () => {
        const network = await networks.create(planOf('web'));
        using disk = SmallDisk.mount(join(directory, 'run'), '1m');
        disk.fill();
        // The last address cannot be written down: the next one is looked for from the beginning.
        const claims = [await claim(network), await claim(network)];
        expect(claims.map(({ address }) => address.replace(/.*\./, ''))).to.deep.equal(['2', '3']);
        claims.forEach(releaseAddress);
        disk.free();
        disk.readOnly(true);
        const error = await rejectionOf(claim(network));
        expect(error.code).to.equal('ERR_STORAGE');
        disk.readOnly(false);
        expect(readdirSync(join(networks.claims, network.id))).to.deep.equal([]);
      },
    );

    it('A claim of a network that was removed meanwhile is refused', async () => {
      const network = await networks.create(planOf('web'));
      await networks.delete(network.id);
      const error = await rejectionOf(claim(network));
      expect(error.code).to.equal('ERR_NO_SUCH_NETWORK');
      rmSync(networks.claims, { recursive: true, force: true });
    });
  });
});
