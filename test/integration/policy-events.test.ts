/** Events that tell what policies refuse. */
import { expect } from 'chai';
import { needsRoot } from '../support/needs.js';
import { OTHER, PolicyLab, WEB } from '../support/policy-lab.js';

interface Shown {
  readonly Type: string;
  readonly Action: string;
  readonly Actor: { readonly ID: string; readonly Attributes: Readonly<Record<string, string>> };
}

needsRoot('network namespaces and bridges').describe('Events of policies', function () {
  this.timeout(60_000);
  const lab = PolicyLab.forTests();

  /** What `caisson events` tells in so many seconds. */
  const eventsFor = async (seconds: number, ...flags: string[]) => {
    const until = (Date.now() / 1000 + seconds).toFixed(3);
    const { code, stdout, stderr } = await lab.host.cli('events', ...flags, '--format', 'json', '--until', until); // prettier-ignore
    expect([code, stderr]).to.deep.equal([0, '']);
    return stdout.split('\n').filter((line) => line !== '').map((line) => JSON.parse(line) as Shown); // prettier-ignore
  };

  it('What is refused is told with its address, port, protocol, name and count, once a second for each destination', async () => {
    const network = { name: 'web', allow: ['web.example:80'] };
    const id = await lab.host.create(['sleep', '1000'], { network, dns: [WEB] });
    await lab.host.onContainer(id, 'start');
    const other = { by: 'tcp', to: OTHER, port: 80 } as const;
    // Refused before anything listens: no event tells of it.
    expect(await lab.reached(id, { ...other, port: 81 })).to.deep.equal(['ECONNREFUSED']);
    const listening = eventsFor(9, '--filter', 'event=denied');
    const attempts = Array.from({ length: 30 }, () => other);
    const byName = { by: 'tcp', to: 'web.example', port: 443 } as const;
    const unknown = { by: 'tcp', to: 'other.example', port: 80 } as const;
    // It has begun to listen before all of these are over.
    for (let round = 0; round < 4; round++) await lab.reached(id, ...attempts, byName, unknown);
    const events = await listening;
    const of = (wanted: Readonly<Record<string, string>>) =>
      events.filter(({ Actor }) =>
        Object.entries(wanted).every(([key, value]) => Actor.Attributes[key] === value),
      );
    const told = of({ address: OTHER, port: '80' });
    expect(told.length).to.be.within(1, 9);
    const counted = told.reduce((sum, { Actor }) => sum + Number(Actor.Attributes['count']), 0);
    expect(counted).to.be.within(30, 120);
    const info = JSON.parse((await lab.host.cli('network', 'inspect', '-f', '{{json .Id}}', 'web')).stdout) as string; // prettier-ignore
    expect(told[0]).to.deep.include({ Type: 'network', Action: 'denied' });
    expect(told[0]?.Actor.ID).to.equal(info);
    expect(told[0]?.Actor.Attributes).to.include({ name: 'web', type: 'bridge', container: id, protocol: 'tcp' }); // prettier-ignore
    expect(of({ address: WEB, port: '443', host: 'web.example' }).length).to.be.greaterThan(0);
    expect(of({ host: 'other.example', protocol: 'dns' }).length).to.be.greaterThan(0);
    expect(of({ port: '81' })).to.deep.equal([]);
    await lab.host.onContainer(id, 'remove', { force: true });
  });

  it('Other events come as before, and no file has what was refused', async () => {
    const since = (Date.now() / 1000).toFixed(3);
    const id = await lab.host.create(['true'], { network: { name: 'web' } });
    await lab.host.onContainer(id, 'remove');
    const events = await eventsFor(0.1, '--since', since, '--filter', `container=${id}`);
    expect(events.map(({ Action }) => Action)).to.deep.equal(['create', 'destroy']);
    const all = await eventsFor(0.1, '--since', '1');
    expect(all.filter(({ Action }) => Action === 'denied')).to.deep.equal([]);
  });
});
