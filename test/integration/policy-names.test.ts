/** Names that a policy allows, and that do not exist. */
import { expect } from 'chai';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { CaissonError } from '../../lib/index.js';
import { needsRoot } from '../support/needs.js';
import { HOST, PolicyLab, WEB } from '../support/policy-lab.js';

needsRoot('network namespaces and bridges').describe('Names that a policy allows', function () {
  this.timeout(60_000);
  const lab = PolicyLab.forTests();

  const dns = [WEB];
  const expectNothing = async () => {
    expect((await lab.host.cli('ps', '-aq')).stdout).to.equal('');
    expect((await lab.host.links()).filter((name) => name.startsWith('ve'))).to.deep.equal([]);
    expect(await readdir(join(lab.directory, 'run/published')).catch(() => [])).to.deep.equal([]);
  };
  const refusalOf = async (work: Promise<unknown>) => {
    const [reason] = await Promise.allSettled([work]);
    if (reason.status === 'fulfilled') throw new Error('nothing was refused');
    return reason.reason as CaissonError;
  };

  it('A name that does not exist, or has no address, is an error that names it, and nothing is made', async () => {
    const allow = ['web.example:80', 'typo.example:443', '*.typo.example', '10.0.0.1', 'empty.example']; // prettier-ignore
    const options = { network: { name: 'web', allow }, dns };
    for (const refused of [
      () => lab.host.run(['true'], options),
      () => lab.host.create(['true'], options),
    ]) {
      const { code, message, path, hint } = await refusalOf(refused());
      expect([code, path]).to.deep.equal(['ERR_NAME_NOT_FOUND', 'typo.example']);
      expect(message).to.include('typo.example, empty.example: no address is known').and.to.include(WEB); // prettier-ignore
      expect(hint).to.include('*.NAME');
      await expectNothing();
    }
    const flags = ['--rm', '--network', 'web', '--dns', WEB, '--allow', 'typo.example'];
    const { code, stderr } = await lab.host.cli('run', ...flags, 'host', 'true');
    expect(code).to.equal(125);
    expect(stderr).to.include('typo.example').and.to.include('hint: ');
    await expectNothing();
  });

  it('Names are asked for at the same time, and once in a minute; wildcards and denied names are not', async () => {
    const slow = ['one', 'two', 'three'].map((name) => `slow-${name}.example`);
    const options = { network: { name: 'web', allow: [...slow, 'six.example', '*.typo.example'], deny: ['typo.example'] }, dns }; // prettier-ignore
    lab.queries.length = 0;
    const began = performance.now();
    expect((await lab.host.run(['true'], options)).exitCode).to.equal(0);
    // One after the other they would take 1.2 s for each family.
    expect(performance.now() - began).to.be.below(1200);
    const asked = [...new Set(lab.queries)].sort();
    expect(asked).to.deep.equal([...slow, 'six.example'].sort());
    lab.queries.length = 0;
    expect((await lab.host.run(['true'], options)).exitCode).to.equal(0);
    expect(lab.queries).to.deep.equal([]);
  });

  it('Without an answer there is a warning, in bounded time', async () => {
    const flags = ['--rm', '--network', 'web', '--allow', 'web.example'];
    for (const server of ['127.0.0.1', '203.0.113.99']) {
      const began = performance.now();
      const { code, stderr } = await lab.host.cli('run', ...flags, '--dns', server, 'host', 'true');
      expect(code).to.equal(0);
      expect(stderr).to.match(/^WARNING: .* no name server has told whether web\.example exists\n/);
      expect(performance.now() - began).to.be.below(10_000);
    }
  });

  it('Names of containers are not looked up outside, whether they exist or not', async () => {
    const network = { name: 'web', allow: ['db:80', 'db.web', 'db.internal'] };
    const { path } = await refusalOf(lab.host.create(['true'], { network, dns }));
    expect(path).to.equal('db.internal');
    const id = await lab.host.create(['true'], { network: 'web', networkAliases: ['DB.internal'] });
    lab.queries.length = 0;
    expect((await lab.host.run(['true'], { network, dns })).exitCode).to.equal(0);
    expect([...new Set(lab.queries)]).to.deep.equal(['db.internal']);
    await lab.host.onContainer(id, 'remove');
    // On the network `bridge` no containers are found.
    const onBridge = { network: { name: 'bridge', allow: ['db:80'] }, dns };
    expect((await refusalOf(lab.host.run(['true'], onBridge))).code).to.equal('ERR_NAME_NOT_FOUND');
  });

  it('A change of a policy to a name that does not exist is refused, and the policy stays', async () => {
    const id = await lab.host.create(['sleep', '1000'], {
      network: { name: 'web', allow: [WEB] },
      dns,
    });
    const web = { by: 'tcp', to: WEB, port: 80 } as const;
    for (const runs of [false, true]) {
      if (runs) await lab.host.onContainer(id, 'start');
      const refused = lab.host.onContainer(id, 'updateNetwork', { allow: ['typo.example'] });
      expect((await refusalOf(refused)).code).to.equal('ERR_NAME_NOT_FOUND');
      const told = await lab.host.cli('network', 'policy', '--allow', 'typo.example', id);
      expect(told.stderr).to.include('typo.example');
      const { stdout } = await lab.host.cli('network', 'policy', id);
      expect(JSON.parse(stdout)).to.deep.include({ allow: [WEB] });
    }
    expect(await lab.reached(id, web)).to.deep.equal([`internet ${HOST}`]);
    await lab.host.onContainer(id, 'remove', { force: true });
  });
});
