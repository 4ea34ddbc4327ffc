/** Many containers on networks: at the same time, and one after the other. */
import { expect } from 'chai';
import { randomInt } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathsBelow, untilNothing } from '../support/leftovers.js';
import { needsRoot } from '../support/needs.js';
import { amountsOf, churn, expectUnchanged } from '../support/network-churn.js';
import { NetworkHost } from '../support/network-host.js';

/** Nothing listens there: what is not known fails at once. */
const dns = ['127.0.0.1'];

needsRoot('network namespaces and bridges').describe('Many containers on networks', function () {
  this.timeout(180_000);
  let directory: string;
  let host: NetworkHost;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'caisson-scale-'));
    host = await NetworkHost.make(directory);
    await host.createNetwork('web', '10.77.0.0/16');
  });
  afterEach(async () => {
    await host.end();
    await rm(directory, { recursive: true, force: true });
  });

  const steady = async () => {
    const id = await host.create(['sleep', '1000'], { network: 'web', dns });
    await host.onContainer(id, 'start');
    return id;
  };

  it('Two hundred containers on one bridge find and reach each other', async () => {
    const COUNT = 200;
    const started: { readonly kill: () => Promise<void> }[] = [];
    for (let at = 0; at < COUNT; at += 4)
      started.push(
        ...(await Promise.all(
          Array.from({ length: 4 }, (_, more) =>
            host.start(['sleep', '1000'], {
              network: 'web',
              networkAliases: [`c${at + more}`, 'all'],
              dns,
            }),
          ),
        )),
      );
    expect((await host.links()).filter((name) => name.startsWith('ve'))).to.have.length(COUNT);
    // Each asks for the names of ten others, and connects to them: nothing listens there, which they say themselves.
    const script = `
      for name; do
        address=$(getent ahostsv4 $name | sed -n 's/ .*//;1p')
        [ -n "$address" ] || echo "$name is unknown"
        timeout 5 bash -c "</dev/tcp/$address/9" 2>&1 | grep -q 'connect: Connection refused' || echo "$name is not reached"
      done
      getent ahostsv4 all | sed -n 's/ .*//p' | sort -u | wc -l`;
    for (let asking = 0; asking < 5; asking++) {
      const names = Array.from({ length: 10 }, () => `c${randomInt(COUNT)}`);
      const { stdout } = await host.run(['bash', '-c', script, 'bash', ...names], { network: 'web', dns }); // prettier-ignore
      expect(stdout).to.equal(`${COUNT}\n`);
    }
    await Promise.all(started.map(({ kill }) => kill()));
    // The kernel removes one namespace after the other.
    const patience = 60_000;
    await untilNothing(async () => (await host.links()).filter((name) => name.startsWith('ve')), patience); // prettier-ignore
    await untilNothing(
      async () =>
        (await pathsBelow(join(directory, 'run/networks'))).filter(
          (path) => path.split('/').length === 3,
        ),
      patience,
    );
  });

  it('Names are answered while other containers are started two hundred times', async () => {
    const target = await host.create(['sleep', '1000'], { network: 'web', networkAliases: ['steady'], dns }); // prettier-ignore
    await host.onContainer(target, 'start');
    const script = `
      while ! [ -e /tmp/end ]; do
        [ "$(getent ahostsv4 steady | sed -n 's/ .*//;1p')" = 10.77.0.2 ] || echo wrong
        echo asked
      done`;
    const asking = await host.create(['sh', '-c', script], { network: 'web', dns });
    await host.onContainer(asking, 'start');
    for (let round = 0; round < 50; round++)
      await Promise.all(
        Array.from({ length: 4 }, async () => {
          const { stdout } = await host.run(
            ['sh', '-c', "getent ahostsv4 coming | sed -n 's/ .*//p' | sort -u | wc -l"],
            { network: 'web', networkAliases: ['coming'], dns },
          );
          // Itself, and those beside it.
          expect(Number(stdout)).to.be.within(1, 4);
        }),
      );
    await host.exec(asking, 'touch', '/tmp/end');
    await host.onContainer(asking, 'wait');
    const { stdout } = await host.cli('logs', asking);
    expect(stdout).not.to.include('wrong');
    expect(stdout.match(/asked/g)?.length).to.be.greaterThan(50);
    const gone = await host.run(['sh', '-c', 'getent ahostsv4 coming || echo none'], { network: 'web', dns }); // prettier-ignore
    expect(gone.stdout).to.equal('none\n');
  });

  it('A hundred starts with published ports leave nothing, and nothing grows', async () => {
    // The resolver stays.
    await steady();
    await churn(host, directory, 'web', 20);
    const before = await amountsOf(host, directory);
    await churn(host, directory, 'web', 100);
    await expectUnchanged(host, directory, before, { engine: 48 << 10, resolver: 512 });
  });
});
