/** Standard streams that lead nowhere, by Node's own word for it. */
import { expect } from 'chai';
import type { AttachOptions } from '../../../lib/engine/options/attach-options.js';
import type { CreateOptions } from '../../../lib/engine/options/create-options.js';
import { type DetachedContainers, refused, setUpDetached } from '../../support/detached.js';
import type { Workshop } from '../../support/workshop.js';

const IGNORED = { stdin: 'ignore', stdout: 'ignore', stderr: 'ignore' } as const;

/** Ends with 0 where all three streams are the null device. */
const NULL_STREAMS = [
  'sh',
  '-c',
  'for fd in 0 1 2; do [ "$(stat -L -c %t:%T /proc/$$/fd/$fd)" = 1:3 ] || exit 1$fd; done',
];

describe('hardening: ignored streams', () => {
  let shop: Workshop;
  let detached: DetachedContainers;

  setUpDetached((made) => ({ shop, detached } = made));

  it("C7: 'ignore' connects each stream of a run and of an exec to the null device, as 'null' does", async () => {
    const nothing = { stdin: undefined, stdout: undefined, stderr: undefined };
    const container = await detached.start('sleep 1000');
    for (const streams of [IGNORED, { stdin: 'null', stdout: 'null', stderr: 'null' } as const]) {
      for (const execution of [
        shop.engine.run(shop.busybox, NULL_STREAMS, streams),
        container.exec(NULL_STREAMS, streams),
      ]) {
        expect({ ...nothing, stdin: execution.stdin, stdout: execution.stdout }).to.deep.equal(
          nothing,
        );
        expect(execution.stderr).to.equal(undefined);
        const { exitCode, stdout, stderr } = await execution;
        expect({ exitCode, stdout, stderr }).to.deep.equal({ exitCode: 0, stdout: '', stderr: '' });
      }
    }
    const { detached: left } = await container.exec(['true'], { detach: true, ...IGNORED });
    expect(left).to.equal(true);
  });

  it("C7: a client that attaches with 'ignore' has no such stream, and a word that means nothing is an error", async () => {
    const { container, client } = await detached.startAttached(
      'echo out; echo err >&2; read line',
      {
        openStdin: true,
      },
    );
    await client.started;
    const ignoring = container.attach({ stdin: 'ignore', stdout: 'ignore', stderr: 'pipe' });
    await ignoring.started;
    expect(ignoring.stdin ?? ignoring.stdout).to.equal(undefined);
    expect(ignoring.stderr).to.not.equal(undefined);
    for (const wrong of [{ stdout: 'inherit' }, { stderr: 1 }, { output: true }, null]) {
      const options = wrong as unknown as AttachOptions;
      await refused(Promise.resolve(container.attach(options)), 'ERR_INVALID_OPTION');
      await refused(Promise.resolve(container.startAttached(options)), 'ERR_INVALID_OPTION');
    }
    ignoring.detach();
    await ignoring;
    client.stdin!.end('done\n');
    expect((await client).exitCode).to.equal(0);
  });

  it('C7: a detached container refuses streams, and the error says what it has instead', async () => {
    const error = await refused(
      detached.create('true', { stdout: 'ignore' } as CreateOptions),
      'ERR_INVALID_OPTION',
    );
    expect(error.hint).to.match(/logDriver.*attach\(\)/);
  });
});
