/**
 * Several networks of one container, and networks that it is connected to later. A network namespace stands for the machine:
 * everything of the engine runs in it.
 */
import { expect } from 'chai';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CreateOptions } from '../../lib/index.js';
import { shortId } from '../../lib/base/ids.js';
import { needsRoot } from '../support/needs.js';
import { NetworkHost } from '../support/network-host.js';
import { eventually } from '../support/outside.js';
import { repository } from '../support/paths.js';

needsRoot('network namespaces and bridges').describe(
  'Several networks of a container',
  function () {
    this.timeout(60_000);
    let directory: string;
    let host: NetworkHost;

    before(async () => {
      directory = mkdtempSync(join(tmpdir(), 'caisson-connect-'));
      host = await NetworkHost.make(directory);
      await host.createNetwork('web', '10.71.0.0/24');
      await host.createNetwork('db', '10.72.0.0/24', 'fd00:72::/64');
      const internal = await host.cli('network', 'create', '--internal', '--subnet', '10.73.0.0/24', 'back'); // prettier-ignore
      expect(internal.stderr).to.equal('');
    });
    afterEach(async () => {
      await host.removeAll();
      // A run is over before everything of it is torn down.
      await eventually(() => expect(claims()).to.deep.equal([]));
      await eventually(async () =>
        expect((await host.links()).filter((name) => name.startsWith('ve'))).to.deep.equal([]),
      );
    });
    after(async () => {
      await host.end();
      rmSync(directory, { recursive: true, force: true });
    });

    /** All claims of addresses: container ids. */
    const claims = (): string[] =>
      readdirSync(join(directory, 'run'), { recursive: true, encoding: 'utf8' }).filter((path) =>
        /^networks\/[^/]+\/[^/.][^/]*\/[^/]+$/.test(path),
      );

    const started = async (options: CreateOptions): Promise<string> => {
      const id = await host.create(['sleep', '1000'], options);
      await host.onContainer(id, 'start');
      return id;
    };
    const inside = async (container: string, script: string): Promise<string> => {
      const { stdout, stderr } = await host.exec(container, 'sh', '-c', script);
      expect(stderr).to.equal('');
      return stdout;
    };
    const ADDRESSES = `ip -o -4 address | awk '{ print $2, $4 }'`;
    const routes = async (container: string): Promise<string[]> =>
      (await inside(container, 'ip route; ip -6 route')).split('\n').flatMap((line) => {
        const route = /^default via (\S+) dev (\S+)/.exec(line);
        return route === null ? [] : [`${route[1]} ${route[2]}`];
      });
    /** The code and the first line of what a command is refused with. */
    const refusal = async (...args: readonly string[]): Promise<string> => {
      const { code, stderr } = await host.cli(...args);
      expect(code, args.join(' ')).to.equal(1);
      return stderr.split('\n')[0] ?? '';
    };

    it('A container has an interface, an address and its name in each of its networks', async () => {
      const { stdout } = await host.run(
        ['sh', '-c', `${ADDRESSES}; cat /sys/class/net/eth1/address; grep app /etc/hosts`],
        {
          hostname: 'app',
          network: 'web',
          networks: ['back', { network: 'db', ip: '10.72.0.9', macAddress: '02:00:00:00:00:07' }],
        },
      );
      expect(stdout.split('\n').filter((line) => line !== '')).to.deep.equal([
        'lo 127.0.0.1/8',
        'eth0 10.71.0.2/24',
        'eth1 10.73.0.2/24',
        'eth2 10.72.0.9/24',
        '02:42:0a:49:00:02',
        '10.71.0.2\tapp',
        '10.73.0.2\tapp',
        '10.72.0.9\tapp',
        'fd00:72::2\tapp',
      ]);
    });

    it('The default route is that of the network with the highest priority, then of the first by name', async () => {
      const byName = await started({ network: 'web', networks: ['db', 'back'] });
      expect(await routes(byName)).to.deep.equal(['10.72.0.1 eth1', 'fd00:72::1 eth1']);
      const flags = ['--network', 'name=web,gw-priority=1,alias=front', '--network', 'db'];
      const { stdout, stderr } = await host.cli('run', '-d', ...flags, 'host', 'sleep', '1000');
      expect(stderr).to.equal('');
      const byPriority = stdout.trim();
      expect(await routes(byPriority)).to.deep.equal(['10.71.0.1 eth0', 'fd00:72::1 eth1']);
      const { networks } = await host.inspect(byPriority);
      expect(networks?.map(({ network, gatewayPriority, aliases }) => [network, gatewayPriority, aliases])).to.deep.equal([['web', 1, ['front']], ['db', 0, []]]); // prettier-ignore
      const internal = await started({ network: 'back' });
      expect(await routes(internal)).to.deep.equal([]);
    });

    it('A container that runs is connected at once, found by its names there, and disconnected', async () => {
      const id = await started({ network: 'web', name: 'app', hostname: 'app' });
      await started({ network: 'db', name: 'other' });
      const flags = ['--alias', 'data', '--ip', '10.72.0.50', '--link-local-ip', '169.254.9.9'];
      expect(await host.cli('network', 'connect', ...flags, 'db', 'app')).to.deep.equal({ code: 0, stdout: '', stderr: '' }); // prettier-ignore
      expect(await inside('app', `${ADDRESSES}; grep app /etc/hosts; getent hosts other`)).to.match(
        /^lo 127.0.0.1\/8\neth0 10.71.0.\d+\/24\neth1 10.72.0.50\/24\neth1 169.254.9.9\/16\n10.71.0.\d+\tapp\n10.72.0.50\tapp\nfd00:72::\d+\tapp\nfd00:72::\d+ +other\n$/,
      );
      expect(await inside('app', 'cat /proc/sys/net/ipv6/conf/eth[01]/disable_ipv6')).to.equal('1\n0\n'); // prettier-ignore
      // A route leads there, and the names of both sides.
      expect(await inside('other', 'getent ahostsv4 app; getent ahostsv4 data')).to.match(/^10\.72\.0\.50 .*\n(?:.*\n)*10\.72\.0\.50 /); // prettier-ignore
      expect(await routes('app')).to.deep.equal(['10.72.0.1 eth1', 'fd00:72::1 eth1']);
      const shape = JSON.parse((await host.cli('inspect', '-f', '{{json .NetworkSettings.Networks}}', 'app')).stdout) as Record<string, object>; // prettier-ignore
      expect(Object.keys(shape)).to.have.members(['web', 'db']);
      expect(shape['db']).to.deep.include({ IPAddress: '10.72.0.50', Aliases: ['data'] });
      expect(shape['db']).to.deep.include({ IPAMConfig: { IPv4Address: '10.72.0.50', LinkLocalIPs: ['169.254.9.9'] } }); // prettier-ignore

      expect(await refusal('network', 'connect', 'db', 'app')).to.equal('caisson: endpoint with name app already exists in network db'); // prettier-ignore
      expect((await host.cli('network', 'disconnect', 'web', 'app')).stderr).to.equal('');
      expect(await inside('app', `${ADDRESSES}; grep app /etc/hosts`)).to.match(/^lo 127.0.0.1\/8\neth1 10.72.0.50\/24\neth1 169.254.9.9\/16\n10.72.0.50\tapp\nfd00:72::\d+\tapp\n$/); // prettier-ignore
      expect(await routes('app')).to.deep.equal(['10.72.0.1 eth1', 'fd00:72::1 eth1']);
      expect(await refusal('network', 'disconnect', 'web', 'app')).to.equal(`caisson: container ${id} is not connected to network web`); // prettier-ignore

      // The interface has the number that has become free, and then the default route.
      expect((await host.cli('network', 'disconnect', 'db', 'app')).stderr).to.equal('');
      expect(await inside('app', ADDRESSES)).to.equal('lo 127.0.0.1/8\n');
      expect((await host.cli('network', 'connect', 'web', 'app')).stderr).to.equal('');
      expect(await inside('app', ADDRESSES)).to.match(/^lo 127.0.0.1\/8\neth0 10.71.0.\d+\/24\n$/);
      expect(await routes('app')).to.deep.equal(['10.71.0.1 eth0']);
    });

    it('The resolver comes with the first network that has one, and stays', async () => {
      await started({ network: 'bridge', name: 'app' });
      await started({ network: 'db', name: 'other' });
      expect(await inside('app', 'cat /etc/resolv.conf')).not.to.contain('127.0.0.11');
      expect((await host.cli('network', 'connect', 'db', 'app')).stderr).to.equal('');
      expect(await inside('app', 'cat /etc/resolv.conf; getent ahostsv4 other')).to.match(/nameserver 127\.0\.0\.11[^]*10\.72\.0\.\d+/); // prettier-ignore
      expect((await host.cli('network', 'disconnect', 'db', 'app')).stderr).to.equal('');
      expect((await host.cli('network', 'connect', 'db', 'app')).stderr).to.equal('');
      expect(await inside('app', 'getent ahostsv4 other')).to.match(/^10\.72\.0\.\d+ /);
    });

    it('A container that does not run is connected with its next start', async () => {
      const id = await host.create(['sleep', '1000'], { network: 'web', name: 'app' });
      expect((await host.cli('network', 'connect', '--ip', '10.72.0.60', 'db', 'app')).stderr).to.equal(''); // prettier-ignore
      expect(await refusal('network', 'connect', '--ip', '10.99.0.1', 'back', 'app')).to.contain('10.99.0.1'); // prettier-ignore
      expect(claims()).to.deep.equal([]);
      await host.onContainer(id, 'start');
      expect(await inside('app', ADDRESSES)).to.contain('eth1 10.72.0.60/24');
      await host.onContainer(id, 'kill');
      expect((await host.cli('network', 'disconnect', 'web', 'app')).stderr).to.equal('');
      expect((await host.inspect(id)).networks?.map(({ network }) => network)).to.deep.equal([
        'db',
      ]);
      await host.onContainer(id, 'start');
      expect(await inside('app', ADDRESSES)).to.equal('lo 127.0.0.1/8\neth0 10.72.0.60/24\n');
      await host.onContainer(id, 'kill');
      expect((await host.cli('network', 'disconnect', 'db', 'app')).stderr).to.equal('');
      await host.onContainer(id, 'start');
      expect(await inside('app', ADDRESSES)).to.equal('lo 127.0.0.1/8\n');
    });

    it('The supervisor starts it again with its new networks, and gives their addresses back', async () => {
      const script = 'while ! [ -e /stop ]; do sleep 0.05; done; rm /stop';
      const id = await host.create(['sh', '-c', script], { network: 'web', restart: 'always' });
      await host.onContainer(id, 'start');
      expect((await host.cli('network', 'connect', 'db', id)).stderr).to.equal('');
      expect((await host.cli('network', 'disconnect', 'web', id)).stderr).to.equal('');
      await inside(id, 'touch /stop');
      await eventually(async () => {
        const { state } = await host.inspect(id);
        expect([state.status, state.restartCount]).to.deep.equal(['running', 1]);
      });
      expect(await inside(id, ADDRESSES)).to.match(/^lo 127.0.0.1\/8\neth1 10.72.0.\d+\/24\n$/);
      await host.onContainer(id, 'stop', { timeout: 0 });
      expect(claims()).to.deep.equal([]);
    });

    it('Published ports follow the default route', async () => {
      const server = 'while true; do nc -l -p 80 -c "echo here" 2>/dev/null || sleep 1; done';
      const id = await host.create(['sh', '-c', server], { network: 'web', ports: ['8080:80'] });
      await host.onContainer(id, 'start');
      const published = async () =>
      (/8080 : (\S+)/.exec((await host.namespace.run('nft', 'list', 'map', 'inet', 'caisson', 'anywhere4'))))?.[1]; // prettier-ignore
      const [web] = (await host.inspect(id)).networks ?? [];
      expect(await published()).to.equal(web?.ipv4?.replace('/24', ''));
      expect((await host.cli('network', 'connect', 'db', id)).stderr).to.equal('');
      expect(await published()).to.match(/^10\.72\./);
      expect((await host.cli('port', id)).stdout).to.contain('80/tcp -> 0.0.0.0:8080');
      expect((await host.cli('network', 'disconnect', 'db', id)).stderr).to.equal('');
      expect(await published()).to.equal(web?.ipv4?.replace('/24', ''));
      await host.onContainer(id, 'kill');
      expect(await published()).to.equal(undefined);
    });

    it('Networks without a bridge can be neither connected nor disconnected', async () => {
      await host.create(['true'], { network: 'host', name: 'on-host' });
      await host.create(['true'], { network: 'none', name: 'on-none' });
      await host.create(['true'], { network: 'web', name: 'on-web' });
      const shared = 'container sharing network namespace with another container or host cannot be connected to any other network'; // prettier-ignore
      expect(await refusal('network', 'connect', 'web', 'on-host')).to.contain(shared);
      expect(await refusal('network', 'connect', 'host', 'on-web')).to.contain('cannot connect container to host network'); // prettier-ignore
      expect(await refusal('network', 'disconnect', 'host', 'on-host')).to.contain('cannot disconnect container from host network'); // prettier-ignore
      expect(await refusal('network', 'connect', 'none', 'on-web')).to.contain('networks in private (none) mode'); // prettier-ignore
      expect(await refusal('network', 'connect', 'web', 'on-none')).to.contain('networks in private (none) mode'); // prettier-ignore
      expect(await refusal('network', 'connect', 'nowhere', 'on-web')).to.contain('nowhere');
      expect(await refusal('network', 'connect', 'web', 'nobody')).to.contain('No such container: nobody'); // prettier-ignore
      expect(await refusal('network', 'connect', '--alias', 'x', 'bridge', 'on-web')).to.contain('network-scoped alias'); // prettier-ignore
      // As in Docker: one that was disconnected from `none` can be connected.
      expect((await host.cli('network', 'disconnect', 'none', 'on-none')).stderr).to.equal('');
      expect((await host.cli('network', 'connect', 'web', 'on-none')).stderr).to.equal('');
      expect((await host.inspect('on-none')).networks?.map(({ network }) => network)).to.deep.equal(['web']); // prettier-ignore
    });

    it('A network that is gone is taken from a container with force', async () => {
      await host.createNetwork('gone', '10.74.0.0/24');
      const id = await host.create(['sleep', '1000'], { network: 'web', networks: ['gone'] });
      expect((await host.cli('network', 'rm', 'gone')).stderr).to.equal('');
      expect(await refusal('network', 'disconnect', 'gone', id)).to.contain('gone');
      expect((await host.cli('network', 'disconnect', '-f', 'gone', id)).stderr).to.equal('');
      await host.onContainer(id, 'start');
      expect(await inside(id, ADDRESSES)).to.match(/^lo \S+\neth0 10\.71\.\S+\n$/);
    });

    it('Events tell of connections of containers that run', async () => {
      const since = Date.now() / 1000;
      const id = await started({ network: 'web' });
      await host.cli('network', 'connect', 'db', id);
      await host.cli('network', 'disconnect', 'db', id);
      const { stdout } = await host.cli('events', '--since', String(since), '--until', '0s', '--filter', 'type=network', '--format', '{{.Action}} {{.Actor.Attributes.name}} {{.Actor.Attributes.container}}'); // prettier-ignore
      expect(stdout).to.equal(`connect web ${id}\nconnect db ${id}\ndisconnect db ${id}\n`);
    });

    it('A connect that is killed at any time leaves nothing that a second one and the end do not remove', async () => {
      const id = await started({ network: 'web' });
      const [program = '', ...before] = [
        ...host.namespace.within,
        join(repository, 'bin/caisson'),
        ...['--data-root', `${directory}/data`, '--run-root', `${directory}/run`],
      ];
      const connecting = () => spawn(program, [...before, 'network', 'connect', 'db', id], { stdio: 'ignore' }); // prettier-ignore
      const began = performance.now();
      expect(await once(connecting(), 'exit')).to.deep.equal([0, null]);
      const whole = performance.now() - began;
      expect((await host.cli('network', 'disconnect', 'db', id)).stderr).to.equal('');
      let completed = 0;
      for (let tenth = 4; tenth <= 10; tenth++) {
        const delay = (whole * tenth) / 10;
        const child = connecting();
        const timer = setTimeout(() => child.kill('SIGKILL'), delay);
        const [code] = (await once(child, 'exit')) as [number | null];
        clearTimeout(timer);
        const isConnected = (await host.inspect(id)).networks?.length === 2;
        if (code === 0) completed++;
        if (!isConnected)
          expect((await host.cli('network', 'connect', 'db', id)).stderr, `${delay}`).to.equal('');
        expect(await inside(id, ADDRESSES), `${delay}`).to.match(/^lo \S+\neth0 10\.71\.\S+\neth1 10\.72\.\S+\n$/); // prettier-ignore
        expect((await host.links()).filter((name) => name.startsWith(`ve${shortId(id)}`))).to.have.length(2); // prettier-ignore
        expect((await host.cli('network', 'disconnect', 'db', id)).stderr, `${delay}`).to.equal('');
        expect(claims()).to.have.length(1);
      }
      expect(completed).to.be.lessThan(7);
    });
  },
);
