/**
 * The command line's default network, without CAISSON_NETWORK. A network namespace stands for the machine, and an outer network of
 * the test's own for what an unprivileged user reaches.
 */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { NetworkHost } from '../support/network-host.js';
import { OuterNetwork, PORT, SERVER } from '../support/outer-network.js';
import { eventually } from '../support/outside.js';
import { RootlessGround } from '../support/rootless-ground.js';
import { skip } from '../support/skip.js';
import { UnprivilegedUser } from '../support/unprivileged-user.js';

const ADDRESS = ['sh', '-c', 'ip -o -4 address show | cut -d" " -f2,7'];
const NONE = 'lo 127.0.0.1/8\n';
const SLEEP = ['sleep', '1000'];
const MODE = ['inspect', '-f', '{{.HostConfig.NetworkMode}} {{range $name, $_ := .NetworkSettings.Networks}}{{$name}} {{end}}']; // prettier-ignore
const SERVE = `require('http').createServer((_, answer) => answer.end('served')).listen(80)`;
const WITHOUT_RIGHTS = ['setpriv', '--bounding-set=-net_admin'];
const WITHOUT_TABLES = ['perl', '-e', refusingSocket(16, 12, 93)];

/** A program that executes another one, to which the kernel has no such sockets: seccomp(2). */
function refusingSocket(domain: number, protocol: number, errno: number): string {
  const [socket, prctl] = process.arch === 'arm64' ? [198, 167] : [41, 157];
  const [load, equal, give] = [0x20, 0x15, 0x06];
  const lines = [
    [load, 0, 0, 0], // the number of the call
    [equal, 0, 5, socket],
    [load, 0, 0, 16],
    [equal, 0, 3, domain],
    [load, 0, 0, 32],
    [equal, 0, 1, protocol],
    [give, 0, 0, 0x50000 + errno],
    [give, 0, 0, 0x7fff0000],
  ];
  return `my $filter = pack('SCCL' x ${lines.length}, ${lines.flat().join(',')});
    my $program = pack('S x![P] P', ${lines.length}, $filter);
    syscall(${prctl}, 38, 1, 0, 0, 0) == 0 && syscall(${prctl}, 22, 2, $program, 0, 0) == 0 or die $!;
    exec { $ARGV[0] } @ARGV; die $!`;
}

describe("The command line's network", () => {
  describe('of root', function () {
    this.timeout(60_000);
    let directory: string;
    let host: NetworkHost;

    // A new one for each test: what is asked of the kernel depends on whether there is a bridge.
    beforeEach(async () => {
      directory = mkdtempSync(join(tmpdir(), 'caisson-default-'));
      host = await NetworkHost.make(directory);
    });
    afterEach(async () => {
      const { stdout } = await host.cli('ps', '-aq');
      const ids = stdout.split('\n').filter((id) => id !== '');
      if (ids.length > 0) await host.cli('rm', '-f', ...ids);
      await host.end();
      rmSync(directory, { recursive: true, force: true });
    });

    const cli = (...args: readonly string[]) =>
      host.cliWith(['env', '-u', 'CAISSON_NETWORK'], ...args);
    const cliWith = (before: readonly string[], ...args: readonly string[]) =>
      host.cliWith(['env', '-u', 'CAISSON_NETWORK', ...before], ...args);
    const ok = async (...args: readonly string[]) => {
      const { code, stdout, stderr } = await cli(...args);
      expect([code, stderr], args.join(' ')).to.deep.equal([0, '']);
      return stdout;
    };
    const nothingMade = async () => {
      expect(await host.links()).to.deep.equal(['lo']);
      expect(await host.namespace.run('nft', 'list', 'ruleset')).to.equal('');
      for (const made of ['data/networks', 'run/networks', 'run/resolver'])
        expect(existsSync(join(directory, made)), made).to.equal(false);
    };

    it('A container is on the network bridge, as Docker’s', async () => {
      expect(await ok('run', '--rm', 'host', ...ADDRESS)).to.equal(`${NONE}eth0 172.17.0.2/16\n`);
      const id = (await ok('create', 'host', ...SLEEP)).trim();
      expect(await ok(...MODE, id)).to.equal('bridge bridge \n');
      await ok('start', id);
      expect(await ok('exec', id, ...ADDRESS)).to.match(/^lo \S+\neth0 172\.17\.0\.\d+\/16\n$/);
      expect(await ok('ps', '--format', '{{.Networks}}')).to.equal('bridge\n');
      expect(await ok('ps', '-q', '--no-trunc', '-f', 'network=bridge')).to.equal(`${id}\n`);
      const joined = await ok('run', '--rm', '--pid', `container:${id}`, 'host', ...ADDRESS);
      expect(joined).to.match(/^lo \S+\neth0 172\.17\.0\.\d+\/16\n$/);
      expect(await ok('explain', 'run', 'host', 'true')).to.include('type veth peer');
    });

    it('A port is published without another flag', async () => {
      await ok('run', '-d', '-p', '8090:80', 'host', 'node', '-e', SERVE);
      const get = `require('http').get('http://127.0.0.1:8090/', (answer) => answer.pipe(process.stdout))`;
      await eventually(async () =>
        expect(await host.namespace.run(process.execPath, '-e', get)).to.equal('served'),
      );
    });

    it('A process without rights has a container without a network, and a warning that says why', async () => {
      const warning = /^WARNING: the container has no network: this (?:process|container) has no CAP_NET_ADMIN \(.*NET_ADMIN.*\); --network none avoids this warning\n$/; // prettier-ignore
      const run = (...args: readonly string[]) =>
        cliWith(WITHOUT_RIGHTS, 'run', '--rm', ...args, 'host', ...ADDRESS);
      const plain = await run();
      expect([plain.code, plain.stdout]).to.deep.equal([0, NONE]);
      expect(plain.stderr).to.match(warning);
      expect(await run('--network', 'none')).to.deep.equal({ code: 0, stdout: NONE, stderr: '' });
      await nothingMade();
      for (const flags of [
        ['--network', 'bridge'],
        ['-p', '80'],
        ['-P'],
        ['--mac-address', '02:00:00:00:00:01'],
      ]) {
        // prettier-ignore
        const { code, stdout, stderr } = await run(...flags);
        expect([code, stdout], flags.join(' ')).to.deep.equal([125, '']);
        expect(stderr, flags.join(' ')).to.match(/EPERM\nhint: networks need root/);
      }
      // The same where others have made the bridge.
      await ok('run', '--rm', 'host', 'true');
      expect((await run()).stderr).to.match(warning);
    });

    it('A kernel without nf_tables has containers without a network', async () => {
      const created = await cliWith(WITHOUT_TABLES, 'create', 'host', ...SLEEP);
      expect(created.code, created.stderr).to.equal(0);
      expect(created.stderr).to.match(/^WARNING: the container has no network: .*: EPROTONOSUPPORT \(this kernel has no nf_tables: as root: modprobe nf_tables\); --network none avoids this warning\n$/); // prettier-ignore
      await nothingMade();
      expect(await ok(...MODE, created.stdout.trim())).to.equal('none none \n');
      const run = await cliWith(WITHOUT_TABLES, 'run', '--rm', '--network', 'bridge', 'host', 'true'); // prettier-ignore
      expect(run.code).to.equal(125);
      expect(run.stderr).to.include('modprobe nf_tables');
    });

    it('CAISSON_NETWORK is what --network is if it is not given, and checked as the flag is', async () => {
      const run = (network: string, ...flags: readonly string[]) =>
        host.cliWith(['env', `CAISSON_NETWORK=${network}`], 'run', '--rm', ...flags, 'host', ...ADDRESS); // prettier-ignore
      await ok('network', 'create', '--subnet', '10.80.0.0/24', 'web');
      expect((await run('none')).stdout).to.equal(NONE);
      expect((await run('web')).stdout).to.equal(`${NONE}eth0 10.80.0.2/24\n`);
      expect((await run('name=web,ip=10.80.0.9')).stdout).to.equal(`${NONE}eth0 10.80.0.9/24\n`);
      expect((await run('')).stdout).to.equal(`${NONE}eth0 172.17.0.2/16\n`);
      expect((await run('web', '--network', 'none')).stdout).to.equal(NONE);
      for (const [network, flags, said] of [
        ['nosuch', [], 'network nosuch not found'],
        ['name=', [], 'CAISSON_NETWORK: "name=" network name/id is not specified'],
        ['web,x', [], '"web,x" is not the name of a network'],
        ['none', ['-p', '80'], 'network is "none"'],
        ['none', ['--allow', '10.0.0.0/8:80'], 'a policy needs a network with a bridge'],
      ] as const) {
        const { code, stderr } = await run(network, ...flags);
        expect([code, stderr.includes(said)], `${network}: ${stderr}`).to.deep.equal([125, true]);
      }
    });
  });

  describe('of an unprivileged user', function () {
    this.timeout(120_000);
    let outer: OuterNetwork;
    let user: UnprivilegedUser;

    before(async function () {
      const missing = RootlessGround.missing();
      if (missing !== undefined) skip(this, missing);
      outer = await OuterNetwork.make();
      user = await UnprivilegedUser.make(true);
    });
    after(async () => {
      await (user as UnprivilegedUser | undefined)?.cleanUp();
      await (outer as OuterNetwork | undefined)?.cleanUp();
    });
    afterEach(async () => {
      const { stdout } = await caisson('ps', '-aq');
      const ids = stdout.split('\n').filter(Boolean);
      if (ids.length > 0) await caisson('rm', '-f', ...ids);
      await eventually(() => expect(outer.guests(), 'processes').to.deep.equal([]), 20_000);
    });

    const caissonWith = (before: string, args: readonly string[]) =>
      user.caisson(args, { env: { CAISSON_NETWORK: '' }, before, within: outer.within });
    const caisson = (...args: readonly string[]) => caissonWith('', args);

    it('A container is on the network bridge, and reaches the outside', async () => {
      const dial = 'exec 3<>/dev/tcp/$0/$1 && echo hello >&3 && cat <&3';
      const flags = ['run', '--rm', 'host', 'timeout', '5', 'bash', '-c'];
      const run = await caisson(...flags, dial, SERVER, String(PORT));
      expect(run).to.deep.equal({ code: 0, stdout: 'outside\n', stderr: '' });
    });

    it('A container that joins another one is on the bridge if that one is; otherwise a warning says why it is not', async () => {
      const start = async (...flags: readonly string[]) =>
        (
          await caisson('run', '-d', '--ipc', 'shareable', ...flags, 'host', ...SLEEP)
        ).stdout.trim();
      const joining = (id: string, ...flags: readonly string[]) =>
        caisson('run', '--rm', '--ipc', `container:${id}`, ...flags, 'host', ...ADDRESS);
      const near = await joining(await start());
      expect([near.code, near.stderr]).to.deep.equal([0, '']);
      expect(near.stdout).to.match(/^lo \S+\neth0 172\.\d+\.0\.\d+\/16\n$/);
      const other = await start('--network', 'none');
      const plain = await joining(other);
      expect([plain.code, plain.stdout], plain.stderr).to.deep.equal([0, NONE]);
      expect(plain.stderr).to.match(/^WARNING: the container has no network: .*has other users than the networks of a rootless user \(.*\); --network none avoids this warning\n$/); // prettier-ignore
      const asked = await joining(other, '--network', 'bridge');
      expect([asked.code, asked.stdout]).to.deep.equal([125, '']);
      expect(asked.stderr).to.include('has other users');
      const nobody = await joining('nobody');
      expect([nobody.code, nobody.stdout]).to.deep.equal([125, '']);
      expect(nobody.stderr).to.equal('caisson: No such container: nobody\n');
    });

    it('Without pasta a container has no network, and a warning says what to install', async () => {
      const before = 'mount --bind /dev/null /usr/bin/pasta';
      const run = await caissonWith(before, ['run', '--rm', 'host', ...ADDRESS]);
      expect([run.code, run.stdout]).to.deep.equal([0, NONE]);
      expect(run.stderr).to.match(/^WARNING: the container has no network: pasta is not installed \(.*passt.*\); --network none avoids this warning\n$/); // prettier-ignore
    });
  });
});
