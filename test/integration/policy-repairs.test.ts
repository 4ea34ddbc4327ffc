/** Policies of containers that run, after others have flushed the rules of the kernel. */
import { expect } from 'chai';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { untilNothing } from '../support/leftovers.js';
import { needsRoot } from '../support/needs.js';
import type { NetworkHost } from '../support/network-host.js';
import { eventually } from '../support/outside.js';
import { HOST, OTHER, PolicyLab, WEB } from '../support/policy-lab.js';
import { probing } from '../support/probe.js';

needsRoot('network namespaces and bridges').describe('Policies after a flush', function () {
  this.timeout(60_000);
  const lab = PolicyLab.forTests();
  const containers = new Set<string>();
  const runs: { readonly kill: () => Promise<void> }[] = [];
  afterEach(async () => {
    for (const id of containers) await remove(id);
    for (const each of runs.splice(0)) await each.kill();
  });

  const flush = () => lab.host.namespace.run('nft', 'flush', 'ruleset');
  const ruleset = () => lab.host.namespace.run('nft', 'list', 'ruleset');
  /** Without counters, times and handles, and in one order: what is enforced. */
  const enforced = async () => {
    const text = (await ruleset())
      .replace(/ counter packets \d+ bytes \d+| expires \w+| timeout \w+/g, '')
      .replace(
        /elements = \{([^}]*)\}/g,
        (_, list: string) =>
          `elements = { ${list
            .split(',')
            .map((each) => each.trim())
            .sort()
            .join(', ')} }`,
      );
    const parts = text.split(/^(?=table |\t(?:set|map|chain) )/m).sort();
    // What was counted is counted from the beginning; sets that no rule asks are missing, or empty.
    return parts
      .filter((each) => !each.startsWith('\tset') || each.includes('elements'))
      .filter((each) => !/^\tset (?:denied|refused|closed)/.test(each));
  };
  const started = async (command: string[], options: Parameters<NetworkHost['create']>[1]) => {
    const id = await lab.host.create(command, options);
    containers.add(id);
    await lab.host.onContainer(id, 'start');
    return id;
  };
  const remove = async (id: string) => {
    containers.delete(id);
    await lab.host.onContainer(id, 'remove', { force: true });
  };
  const web = { by: 'tcp', to: WEB, port: 80 } as const;
  const other = { by: 'tcp', to: OTHER, port: 80 } as const;
  const spoof = (mac: string) => [
    ...['perl', '-MSocket', '-e'],
    `socket(my $s, 17, 3, 0x0300) or die $!; my $index = unpack('x16 l', do { my $r = pack('a16x16', 'eth0'); ioctl($s, 0x8933, $r) or die $!; $r });
     my $frame = pack('H12 H12 n', 'ffffffffffff', '${mac}', 0x0800) . ('x' x 60);
     send($s, $frame, 0, pack('S n i S C C a8', 17, 0x0800, $index, 0, 0, 6, "\\xff" x 6)) or die $!;`,
  ];

  it('Policies, filters for frames and addresses of names are there again after the command that repairs networks', async () => {
    const allow = [`${WEB}:80`, 'deep.web.example:80'];
    const restricted = await started(['sleep', '1000'], { network: { name: 'web', allow }, dns: [WEB], macAddress: '02:00:00:00:00:77', linkLocalIps: ['169.254.7.7'] }); // prettier-ignore
    const open = await started(['sleep', '1000'], { network: 'web' });
    const run = await lab.host.start(['sleep', '1000'], {
      network: { name: 'web', deny: [OTHER] },
    });
    runs.push(run);
    const named = { by: 'tcp', to: 'deep.web.example', port: 80 } as const;
    const closed = { by: 'tcp', to: OTHER, port: 443 } as const;
    const expectPolicy = async () =>
      expect(await lab.reached(restricted, web, named, closed)).to.deep.equal([
        `internet ${HOST}`,
        `internet ${HOST}`,
        'ECONNREFUSED',
      ]);
    await expectPolicy();
    const before = await enforced();
    await flush();
    const gateway = { by: 'icmp', to: '10.77.0.1' } as const;
    expect(await lab.reached(restricted, gateway)).to.deep.equal(['echo']);
    expect(await lab.host.cli('network', 'reload')).to.deep.include({ code: 0, stderr: '' });
    // By the address: the resolver has not been asked again.
    expect(await lab.reached(restricted, other)).to.deep.equal([`internet ${HOST}`]);
    const after = await enforced();
    expect(after).to.deep.equal(before);
    await expectPolicy();
    const refused = () =>
      lab.host.namespace.run('nft', 'list', 'set', 'bridge', 'caisson', 'refused');
    for (const id of [restricted, open]) {
      expect(await refused()).not.to.include(`ve${id.slice(0, 12)}0`);
      const sent = await lab.host.cli('exec', id, ...spoof('020000000099'));
      expect(sent.stderr).to.equal('');
      expect(await refused()).to.include(`ve${id.slice(0, 12)}0`);
    }
    // Again, with everything there: nothing changes.
    expect(await lab.host.cli('network', 'reload')).to.deep.include({ code: 0, stderr: '' });
    expect(await enforced()).to.deep.equal(before);
    await runs.pop()?.kill();
    for (const id of [restricted, open]) await remove(id);
    await untilNothing(async () => (await ruleset()).match(/-[0-9a-f]{12}|"ve[0-9a-f]+"/g) ?? []);
    await untilNothing(async () => readdir(join(lab.directory, 'run/published')));
  });

  it('The next start restores what others have, also if the table for frames alone was removed', async () => {
    const id = await started(['sleep', '1000'], { network: { name: 'web', allow: [WEB] } });
    const before = await enforced();
    for (const command of [
      'flush ruleset',
      'delete table bridge caisson',
      'delete table inet caisson',
    ]) {
      // prettier-ignore
      await lab.host.namespace.run('nft', ...command.split(' '));
      expect((await lab.host.run(['true'], { network: 'web' })).exitCode).to.equal(0);
      expect(await lab.reached(id, web, other)).to.deep.equal([`internet ${HOST}`, 'ECONNREFUSED']);
      await eventually(async () => {
        expect(await enforced()).to.deep.equal(before);
      });
    }
    await remove(id);
  });

  it('A policy that was changed is restored as it is now', async () => {
    const id = await started(['sleep', '1000'], { network: { name: 'web', allow: [WEB] } });
    await lab.host.onContainer(id, 'updateNetwork', { allow: [OTHER] });
    await flush();
    expect(await lab.host.cli('network', 'reload')).to.deep.include({ code: 0, stderr: '' });
    expect(await lab.reached(id, web, other)).to.deep.equal(['ECONNREFUSED', `internet ${HOST}`]);
    await remove(id);
    await untilNothing(async () => readdir(join(lab.directory, 'run/published')));
  });

  it('A restart by the policy for restarts succeeds after a flush, with its policy, and the next start restores the others', async () => {
    const bystander = await started(['sleep', '1000'], { network: { name: 'web', allow: [WEB] } });
    const options = ['run', '-d', '--restart', 'always', '-p', '8080:80', '--network', 'web'];
    const serve = "require('net').createServer((socket) => socket.end('yes')).listen(80, '::')";
    const made = await lab.host.cli(...options, '--allow', WEB, 'host', 'node', '-e', serve);
    expect(made.stderr).to.equal('');
    const id = made.stdout.trim();
    containers.add(id);
    const outside = () => lab.internet.ask('tcp', HOST, 8080);
    await eventually(async () => expect(await outside()).to.equal('yes'));
    const { pid } = (await lab.host.inspect(id)).state;
    await flush();
    process.kill(pid, 'SIGKILL');
    await eventually(async () => {
      const { state, status } = await lab.host.inspect(id);
      expect(status).to.equal('running');
      expect(state.pid).to.be.greaterThan(0).and.not.equal(pid);
    });
    expect(await lab.reached(id, web, other)).to.deep.equal([`internet ${HOST}`, 'ECONNREFUSED']);
    await eventually(async () => expect(await outside()).to.equal('yes'));
    expect(await lab.reached(bystander, other)).to.deep.equal([`internet ${HOST}`]);
    expect((await lab.host.run(['true'], { network: 'web' })).exitCode).to.equal(0);
    expect(await lab.reached(bystander, other)).to.deep.equal(['ECONNREFUSED']);
    expect(await lab.reached(id, other)).to.deep.equal(['ECONNREFUSED']);
    for (const each of [id, bystander]) await remove(each);
    await untilNothing(async () => (await ruleset()).match(/-[0-9a-f]{12}|"ve[0-9a-f]+"/g) ?? []);
  });

  it('Nothing comes back of a container that ends while the firewall is restored', async () => {
    for (let round = 0; round < 12; round++) {
      const command = probing({ by: 'tcp', to: WEB, port: 80 });
      const network = { name: 'web', allow: [WEB] };
      const run = await lab.host.start(['sleep', '1000'], { network, ports: ['9000:80'] });
      await flush();
      const [repaired] = await Promise.all([
        lab.host.cli('network', 'reload'),
        // At another moment of the other one in each round.
        new Promise((resolve) => setTimeout(resolve, 130 + 10 * round)).then(() => run.kill()),
      ]);
      expect(repaired).to.deep.include({ code: 0, stderr: '' });
      await untilNothing(async () => (await ruleset()).match(/-[0-9a-f]{12}|"ve[0-9a-f]+"/g) ?? []);
      expect((await lab.host.run(command, { network, ports: ['9000:80'] })).exitCode).to.equal(0);
    }
  });
});
