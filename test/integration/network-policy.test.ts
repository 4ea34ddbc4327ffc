/** Policies for outgoing connections. */
import { expect } from 'chai';
import { readdir, readFile } from 'node:fs/promises';
import type { RunOptions } from '../../lib/index.js';
import { untilNothing } from '../support/leftovers.js';
import { needsRoot } from '../support/needs.js';
import { resolversOf } from '../support/network-churn.js';
import { eventually, sleep } from '../support/outside.js';
import { answersOf, HOST, METADATA, OTHER, OTHER6, PolicyLab, WEB, WEB6 } from '../support/policy-lab.js'; // prettier-ignore
import { type Probe, type Probed, probing } from '../support/probe.js';

needsRoot('network namespaces and bridges').describe(
  'Policies for outgoing connections',
  function () {
    this.timeout(60_000);
    const lab = PolicyLab.forTests();

    const probe = (network: RunOptions['network'], ...probes: Probe[]) =>
      lab.probe(network, ...probes);
    const answers = answersOf;
    const expectAtOnce = (probed: readonly Probed[]) => {
      for (const { took } of probed) expect(took).to.be.below(2000);
    };
    const table = () => lab.table();

    it('Without a policy a container reaches what the host reaches', async () => {
      const probed = await probe(
        'web',
        { by: 'tcp', to: WEB, port: 80 },
        { by: 'udp', to: WEB6, port: 443 },
        { by: 'icmp', to: OTHER },
        { by: 'tcp', to: METADATA, port: 80 },
      );
      expect(answers(probed)).to.deep.equal([
        `internet ${HOST}`,
        'internet 2001:db8:1::1',
        'echo',
        `internet ${HOST}`,
      ]);
    });

    it('What is allowed is reached, and everything else is refused at once', async () => {
      const allow = [`${WEB}:80/tcp`, `[${WEB6}]:443`, `${OTHER}/icmp`];
      const probed = await probe(
        { name: 'web', allow },
        { by: 'tcp', to: WEB, port: 80 },
        { by: 'tcp', to: WEB, port: 443 },
        { by: 'udp', to: WEB, port: 80 },
        { by: 'tcp', to: OTHER, port: 80 },
        { by: 'icmp', to: OTHER },
        { by: 'icmp', to: WEB },
        { by: 'tcp', to: WEB6, port: 443 },
        { by: 'udp', to: WEB6, port: 443 },
        { by: 'tcp', to: WEB6, port: 80 },
        { by: 'udp', to: OTHER6, port: 443 },
        { by: 'tcp', to: METADATA, port: 80 },
        // The host: by the bridge's address, and by another one.
        { by: 'tcp', to: '10.77.0.1', port: 22 },
        { by: 'icmp', to: HOST },
      );
      expect(answers(probed)).to.deep.equal([
        `internet ${HOST}`,
        'ECONNREFUSED',
        'EHOSTUNREACH',
        'ECONNREFUSED',
        'echo',
        'EHOSTUNREACH',
        'internet 2001:db8:1::1',
        'internet 2001:db8:1::1',
        'ECONNREFUSED',
        'EACCES',
        'ECONNREFUSED',
        'ECONNREFUSED',
        'EHOSTUNREACH',
      ]);
      expectAtOnce(probed);
    });

    it('With rules that deny alone, what is special is refused as well, and the rest is reached', async () => {
      const server = await lab.host.start(['node', '-e', SERVER], {
        network: 'web',
        ip: '10.77.0.99',
        ports: ['8080:80'],
      });
      try {
        const neighbour = { by: 'tcp', to: '10.77.0.99', port: 80 } as const;
        const published = { by: 'tcp', to: HOST, port: 8080 } as const;
        await eventually(async () =>
          expect(answers(await probe('web', neighbour, published))).to.deep.equal(['yes', 'yes']),
        );
        const probed = await probe(
          { name: 'web', deny: [`${OTHER}`, '[2001:db8:1::/64]:80-100'] },
          { by: 'tcp', to: WEB, port: 80 },
          { by: 'icmp', to: WEB },
          { by: 'tcp', to: OTHER, port: 80 },
          { by: 'icmp', to: OTHER },
          { by: 'tcp', to: WEB6, port: 80 },
          { by: 'udp', to: WEB6, port: 80 },
          { by: 'udp', to: WEB6, port: 443 },
          { by: 'tcp', to: METADATA, port: 80 },
          { by: 'tcp', to: '10.77.0.1', port: 22 },
          published,
        );
        expect(answers(probed)).to.deep.equal([
          `internet ${HOST}`,
          'echo',
          'ECONNREFUSED',
          'EHOSTUNREACH',
          'ECONNREFUSED',
          'EACCES',
          'internet 2001:db8:1::1',
          'ECONNREFUSED',
          'ECONNREFUSED',
          'ECONNREFUSED',
        ]);
        expectAtOnce(probed);
        const byName = probing({ by: 'tcp', to: 'web.example', port: 80 });
        const open = { network: { name: 'web', deny: [OTHER, 'deep.web.example'] }, dns: [WEB] };
        const { stdout } = await lab.host.run(byName, open);
        expect(answers(JSON.parse(stdout) as Probed[])).to.deep.equal([`internet ${HOST}`]);
        // An address that a rule names is no longer special.
        const allowed = {
          name: 'web',
          default: 'allow',
          allow: [METADATA, `${HOST}:8080`],
        } as const;
        const special = await probe(allowed, { by: 'tcp', to: METADATA, port: 80 }, published);
        expect(answers(special)).to.deep.equal([`internet ${HOST}`, 'yes']);
      } finally {
        await server.kill();
      }
    });

    it('A rule that denies wins over one that allows, and overlapping rules are one', async () => {
      const probed = await probe(
        {
          name: 'web',
          allow: [
            '203.0.113.0/24:443',
            `${WEB}:80-1000`,
            '203.0.113.0/25',
            '203.0.113.10-x.example',
          ],
          deny: [`${OTHER}:80/tcp`],
        },
        { by: 'tcp', to: WEB, port: 80 },
        { by: 'udp', to: OTHER, port: 443 },
        { by: 'udp', to: OTHER, port: 80 },
        { by: 'tcp', to: OTHER, port: 80 },
      );
      expect(answers(probed)).to.deep.equal([
        `internet ${HOST}`,
        `internet ${HOST}`,
        `internet ${HOST}`,
        'ECONNREFUSED',
      ]);
    });

    it('A policy without any rule refuses everything', async () => {
      const probed = await probe({ name: 'web' }, { by: 'tcp', to: WEB, port: 80 });
      expect(answers(probed)).to.deep.equal(['ECONNREFUSED']);
    });

    it('What a killed supervisor has left of a policy is removed by the next start', async () => {
      const network = { name: 'web', allow: ['10.0.0.0/8'] };
      const id = await lab.host.create(['sleep', '1000'], { network });
      await lab.host.onContainer(id, 'start');
      const { state } = await lab.host.inspect(id);
      const stat = await readFile(`/proc/${state.pid}/stat`, 'utf8');
      process.kill(Number(stat.slice(stat.lastIndexOf(')')).split(' ')[2]), 'SIGKILL');
      await untilNothing(async () =>
        (await lab.host.links()).filter((name) => name.startsWith('ve')),
      );
      expect(await table()).to.include(`chain policy-${id.slice(0, 12)}`);
      await lab.host.onContainer(id, 'start');
      expect((await lab.host.inspect(id)).state.status).to.equal('running');
      await lab.host.onContainer(id, 'remove', { force: true });
      await untilNothing(async () => (await table()).match(/policy-|-[0-9a-f]{12}/g) ?? []);
    });

    it('What was refused is in the result, counted', async () => {
      const began = new Date().toISOString();
      const { network } = await lab.host.run(
        probing(
          { by: 'tcp', to: WEB, port: 443 },
          { by: 'tcp', to: WEB, port: 443 },
          { by: 'tcp', to: WEB, port: 80 },
          { by: 'udp', to: WEB6, port: 80 },
          { by: 'icmp', to: OTHER },
          { by: 'tcp', to: METADATA, port: 80 },
          { by: 'tcp', to: HOST, port: 8080 },
        ),
        { network: { name: 'web', allow: [`${WEB}:80`] } },
      );
      const denied = network?.denied ?? [];
      expect(denied.map(({ first: _, ...rest }) => rest)).to.have.deep.members([
        { address: WEB, port: 443, protocol: 'tcp', count: 2 },
        { address: WEB6, port: 80, protocol: 'udp', count: 1 },
        { address: OTHER, protocol: 'icmp', count: 1 },
        { address: METADATA, port: 80, protocol: 'tcp', count: 1 },
        { address: HOST, port: 8080, protocol: 'tcp', count: 1 },
      ]);
      // The kernel counts time in ticks.
      const tolerance = 100;
      for (const { first } of denied)
        expect(Date.parse(first)).to.be.within(
          Date.parse(began) - tolerance,
          Date.now() + tolerance,
        );
    });

    it('Without a policy the result has nothing about it', async () => {
      expect((await lab.host.run(['true'], { network: 'web' })).network).to.equal(undefined);
    });

    it('What a detached container was refused is known while it runs and after its end', async () => {
      const network = { name: 'web', allow: [`${WEB}:80`] };
      const command = [...probing({ by: 'tcp', to: OTHER, port: 80 })];
      const id = await lab.host.create(['sh', '-c', '"$0" "$@"; exec sleep 1000', ...command], { network }); // prettier-ignore
      await lab.host.onContainer(id, 'start');
      const expected = { address: OTHER, port: 80, protocol: 'tcp', count: 1 };
      const seen = async () =>
        (await lab.host.inspect(id)).denied?.map(({ first: _, ...rest }) => rest);
      await eventually(async () => expect(await seen()).to.deep.equal([expected]));
      await lab.host.onContainer(id, 'kill');
      expect(await seen()).to.deep.equal([expected]);
      const { stdout } = await lab.host.cli(
        'inspect',
        '-f',
        '{{json .NetworkSettings.Policy}}',
        id,
      );
      const { Denied, ...policy } = JSON.parse(stdout) as { Denied: object[] };
      expect(policy).to.deep.equal({ Default: 'deny', Allow: [`${WEB}:80`], Deny: [] });
      expect(Denied[0]).to.include({ Address: OTHER, Port: 80, Protocol: 'tcp', Count: 1 });
      await lab.host.onContainer(id, 'remove');
    });

    it('A name opens the addresses that the resolver answers, and its ports alone', async () => {
      const { stdout, network } = await lab.host.run(
        probing(
          // Before the name was looked up.
          { by: 'tcp', to: WEB, port: 80 },
          { by: 'tcp', to: 'web.example', port: 80 },
          { by: 'tcp', to: WEB, port: 80 },
          { by: 'tcp', to: WEB6, port: 80 },
          { by: 'tcp', to: 'web.example', port: 443 },
          { by: 'tcp', to: 'deep.web.example', port: 443 },
          { by: 'tcp', to: 'inside.example', port: 22 },
          { by: 'tcp', to: 'other.example', port: 80 },
        ),
        {
          network: { name: 'web', allow: ['web.example:80', '*.web.example:443/tcp', 'inside.example'] }, // prettier-ignore
          dns: [WEB],
        },
      );
      const probed = JSON.parse(stdout) as Probed[];
      expect(answers(probed).slice(0, 6)).to.deep.equal([
        'ECONNREFUSED',
        `internet ${HOST}`,
        `internet ${HOST}`,
        'internet 2001:db8:1::1',
        'ECONNREFUSED',
        `internet ${HOST}`,
      ]);
      for (const answer of answers(probed).slice(6)) expect(answer).not.to.equal('timeout');
      expectAtOnce(probed);
      const denied = network?.denied ?? [];
      expect(denied.find(({ port }) => port === 443)).to.include({
        host: 'web.example',
        address: WEB,
      });
      expect(denied.find(({ host: name }) => name === 'other.example')).to.include({
        protocol: 'dns',
      });
    });

    it('A name that was refused is in the result also of a program that ends at once', async () => {
      for (let count = 0; count < 10; count++) {
        const { network } = await lab.host.run(['getent', 'hosts', 'other.example'], {
          network: { name: 'web', allow: [`${WEB}:80`] },
        });
        const found = network?.denied.map(({ host: name, protocol }) => `${protocol} ${name}`);
        expect(found).to.deep.equal(['dns other.example']);
      }
    });

    it('A result does not wait for the resolver if nothing was refused', async () => {
      const command = ['sleep', '1.0625'];
      const ended = lab.host.run(command, { network: { name: 'web', allow: [`${WEB}:80`] } });
      await eventually(async () => {
        const commands = (await readdir('/proc')).map((pid) =>
          readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => ''),
        );
        expect(await Promise.all(commands)).to.include(`${command.join('\0')}\0`);
      });
      const [broker = ''] = await resolversOf(lab.directory);
      process.kill(Number(broker), 'SIGSTOP');
      try {
        // The patience of a question to the resolver is twice as long.
        expect(await Promise.race([ended, sleep(5000)])).to.deep.include({
          network: { denied: [] },
        });
      } finally {
        process.kill(Number(broker), 'SIGCONT');
      }
    });

    it('Another policy is in effect at once, and is that of the next start', async () => {
      const command = `require('net').createServer((socket) => socket.end()).listen(1, '127.0.0.1')`;
      const id = await lab.host.create(['node', '-e', command], { network: { name: 'web' } });
      await lab.host.onContainer(id, 'start');
      const reach = async (to: string) => {
        const exec = await lab.host.exec(id, ...probing({ by: 'tcp', to, port: 80 }));
        return answers(JSON.parse(exec.stdout) as Probed[])[0];
      };
      expect(await reach(WEB)).to.equal('ECONNREFUSED');
      const told = await lab.host.cli('network', 'policy', '--allow', `${WEB}:80`, id);
      expect(told.code, told.stderr).to.equal(0);
      expect(await reach(WEB)).to.equal(`internet ${HOST}`);
      expect(await reach(OTHER)).to.equal('ECONNREFUSED');
      await lab.host.onContainer(id, 'updateNetwork', { deny: [WEB] });
      expect(await reach(WEB)).to.equal('ECONNREFUSED');
      expect(await reach(OTHER)).to.equal(`internet ${HOST}`);
      await lab.host.onContainer(id, 'restart', { timeout: 0 });
      expect(await reach(WEB)).to.equal('ECONNREFUSED');
      expect(await reach(OTHER)).to.equal(`internet ${HOST}`);
      const { stdout } = await lab.host.cli('network', 'policy', id);
      expect(JSON.parse(stdout)).to.deep.include({ default: 'allow', allow: [], deny: [WEB] });
      const renamed = await lab.host.cli('rename', id, 'other-name');
      expect(renamed.code, renamed.stderr).to.equal(0);
      expect(await reach(WEB)).to.equal('ECONNREFUSED');
      const wrong = await lab.host.cli('network', 'policy', '--allow', 'x/8', id);
      expect(wrong.code).not.to.equal(0);
      await lab.host.onContainer(id, 'remove', { force: true });
    });

    for (const [why, options, code] of [
      ['the network of the host', { network: { name: 'host', allow: ['10.0.0.1'] } }, 'ERR_CONFLICTING_OPTIONS'], // prettier-ignore
      ['no network', { network: { name: 'none' } }, 'ERR_CONFLICTING_OPTIONS'],
      ['a wrong rule', { network: { allow: ['10.0.0.1/8'] } }, 'ERR_INVALID_OPTION'],
      [
        'a port of a name that is denied',
        { network: { deny: ['a.example:80'] } },
        'ERR_INVALID_OPTION',
      ],
      ['an unknown field', { network: { alow: [] } as object }, 'ERR_INVALID_OPTION'],
    ] as const)
      it(`A policy with ${why} is refused`, async () => {
        expect((await lab.host.refusal(['true'], options)).code).to.equal(code);
      });

    it('Nothing is left of a policy', async () => {
      await lab.host.run(['true'], {
        network: { name: 'web', allow: ['10.0.0.0/8', '10.1.0.0/16:80'] },
      });
      await untilNothing(
        async () => (await table()).match(/policy-|allow[46]-|denied[46]-/g) ?? [],
      );
      expect(await table()).not.to.match(/jump policy/);
    });
  },
);

const SERVER = "require('net').createServer((socket) => socket.end('yes')).listen(80, '::')";
