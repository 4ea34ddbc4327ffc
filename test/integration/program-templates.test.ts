/** Templates of launch programs, in TypeScript and in the addon. No container is started. */
import { expect } from 'chai';
import { readFileSync } from 'node:fs';
import { loadNative } from '../../lib/native/load.js';
import { Encoder } from '../../lib/program/encode.js';
import type { Program, Step } from '../../lib/program/instructions.js';
import type { BridgePlan, NetlinkRequest } from '../../lib/program/network-plan.js';
import { OwnTexts } from '../../lib/program/own-texts.js';
import {
  appendedTexts,
  CommandTemplate,
  type Identity,
  instantiate,
  PLACEHOLDER,
  Template,
  withCommand,
} from '../../lib/program/template.js';
import { systemdV2 } from '../support/cgroup-machines.js';
import { fuzzSeeds } from '../support/fuzz-seeds.js';
import {
  BASE,
  compiled,
  decoded,
  empty,
  encoded,
  ID,
  views,
  type Wanted,
} from '../support/launch-programs.js';
import { repository } from '../support/paths.js';
import { verdict } from '../support/program-verdict.js';

const binding = loadNative();

/** The kernel does not mind leading zeros in a map, and the template's numbers have ten digits. */
function padded(program: Program, base: number): Program {
  const host = program.host.map((step) =>
    step.op !== 'ids.map'
      ? step
      : {
          ...step,
          texts: step.texts?.map((text) =>
            (text as string).replaceAll(` ${base} `, ` ${String(base).padStart(10, '0')} `),
          ),
        },
  );
  return { ...program, host };
}

/** Without operands that are there but undefined. */
function present(program: Program): unknown {
  const tidy = (steps: readonly Step[]) =>
    steps.map((step) =>
      Object.fromEntries(Object.entries(step).filter(([, value]) => value !== undefined)),
    );
  const { host, container, teardown } = program;
  return {
    ...program,
    host: tidy(host),
    container: tidy(container),
    teardown: tidy(teardown),
  };
}

describe('templates', () => {
  const others: Record<string, Wanted> = {
    'on v1': {},
    'on v2': { machine: systemdV2, options: { memory: '64m' } },
    'with pipes for all streams': { options: { stdin: 'pipe', stdout: 'pipe', stderr: 'pipe' } },
    'with a terminal': { options: { tty: { cols: 80, rows: 24 } } },
    'with a root of several views': { root: views },
    "with the host's users": { options: { userns: 'host' } },
  };
  const identities: Identity[] = [
    { id: ID, base: 100_000 },
    { id: '0'.repeat(64), base: BASE },
    { id: 'f'.repeat(64), base: 1_000_000_000 },
    { id: '0123456789abcdef'.repeat(4), base: 3_999_934_464 },
    { id: 'a'.repeat(12) + 'b'.repeat(52), base: 1 },
  ];

  for (const [title, what] of Object.entries(others)) {
    it(`Templates are what would have been compiled: ${title}`, async () => {
      const { id, base } = PLACEHOLDER;
      const { program, teardown } = await compiled({ ...what, id, base });
      const encoder = new Encoder();
      const template = new Template(program, encoder);
      const undo = new Template(teardown, encoder);
      // In turn and back again: nothing of the one before is left.
      for (const whom of [...identities, ...identities.slice().reverse()]) {
        const own = what.options?.userns === 'host' ? { id: whom.id, base: undefined } : whom;
        const expected = await compiled({ ...what, id: whom.id, base: whom.base ?? 0 });
        expect(present(instantiate(program, own))).to.deep.equal(present(expected.program));
        expect(present(instantiate(teardown, own))).to.deep.equal(present(expected.teardown));

        const instantiated = Buffer.from(template.instantiate(binding, own));
        const compared = encoded(padded(expected.program, whom.base ?? 0));
        expect(instantiated.equals(compared), `instantiated for ${whom.id}`).to.equal(true);
        const undone = Buffer.from(undo.instantiate(binding, own));
        expect(undone.equals(encoded(expected.teardown)), 'the teardown').to.equal(true);

        for (const bytes of [instantiated, undone]) {
          expect(bytes.includes(id)).to.equal(false);
          expect(bytes.includes(id.slice(0, 12))).to.equal(false);
          if (own.base !== undefined) expect(bytes.includes(String(base))).to.equal(false);
        }
        expect(await verdict(instantiated)).to.equal(null);
      }
    });
  }
});

describe('templates without a command', () => {
  const commands = [
    { args: ['true'], env: [] },
    { args: ['sh', '-c', 'echo "$A"', ''], env: ['PATH=/bin', 'A=ä\u{1f600}', 'B='] },
    { args: ['true'], env: [`HOSTNAME=${PLACEHOLDER.id.slice(0, 12)}`, 'HOME=/root'] },
    { args: Array.from({ length: 1000 }, (_, index) => 'x'.repeat(index % 100)), env: ['A=1'] },
  ];

  it('C8: templates are, with arguments and environment put behind them, what would have been compiled', async () => {
    const { program } = await compiled({ id: PLACEHOLDER.id, base: PLACEHOLDER.base });
    const encoder = new Encoder();
    const template = new Template(withCommand(program, undefined), encoder);
    const whom = { id: ID, base: 1_111_111_111 };
    for (const command of [...commands, ...commands.slice().reverse()]) {
      const expected = instantiate(withCommand(program, command), whom);
      const put = new CommandTemplate(command, template, encoder).bytes;
      const instantiated = Buffer.from(template.instantiate(binding, whom, put));
      expect(instantiated.equals(encoded(expected)), command.args[0]).to.equal(true);
      expect(await verdict(instantiated)).to.equal(null);
    }
  });

  it('C8: templates keep nothing of the start that they were compiled for, and are no program alone', async () => {
    const { program } = await compiled({ id: PLACEHOLDER.id, base: PLACEHOLDER.base });
    const secret = { args: ['secret-argument'], env: ['SECRET=variable'] };
    const template = new Template(
      withCommand(withCommand(program, secret), undefined),
      new Encoder(),
    );
    expect(Buffer.from(template.bytes).includes('secret-argument')).to.equal(false);
    expect(Buffer.from(template.bytes).includes('SECRET')).to.equal(false);
    const alone = template.instantiate(binding, { id: ID, base: 1 });
    expect(await verdict(alone)).to.not.equal(null);
  });

  it('C8: templates are refused with texts that are cut off, or none', async () => {
    const { program } = await compiled({ id: PLACEHOLDER.id, base: PLACEHOLDER.base });
    const encoder = new Encoder();
    const template = new Template(withCommand(program, undefined), encoder);
    const whom = { id: ID, base: 1 };
    const command = new CommandTemplate(commands[1]!, template, encoder).bytes;
    for (let length = 1; length < command.length; length++) {
      const instantiated = template.instantiate(binding, whom, command.subarray(0, length));
      expect(await verdict(instantiated), String(length)).to.not.equal(null);
    }
    const long = Buffer.from(command);
    long.writeUInt32LE(0xffff_ffff, 4);
    expect(await verdict(template.instantiate(binding, whom, long))).to.not.equal(null);
    // A place of the short id that lies outside is none.
    for (const place of [command.length - 15, 0xffff_fff0]) {
      long.set(command);
      long.writeUInt32LE(place, 0);
      expect(await verdict(template.instantiate(binding, whom, long)), String(place)).to.equal(
        null,
      );
    }
    // And behind what is no program at all nothing is written over.
    const junk = Buffer.alloc(64, 0xff);
    for (let size = 0; size <= junk.length; size++)
      binding.instantiate(junk.subarray(0, size), new Uint32Array(0), ID, 1, command);
    const endless = { args: ['x'.repeat(8 << 20)], env: [] };
    expect(() => new CommandTemplate(endless, template, encoder)).to.throw(/larger than/);
  });
});

describe('templates with texts of each start', () => {
  /** As of a container with an address and a published port. */
  const planOf = (address: string): BridgePlan => {
    const request = (text: string): NetlinkRequest => ({
      protocol: 0,
      bytes: Buffer.from(text.repeat(3)),
      text,
      namespaceAt: 4,
    });
    return {
      outside: [request(`link of ${address}`)],
      detach: request(`no link of ${address}`),
      frames: { add: request(`frames of ${address}`), remove: request(`no ${address}`) },
      inside: request(`address ${address}`),
      sysctls: { 'net.ipv6.conf.eth0.disable_ipv6': 1 },
      claims: [{ file: `/claims/${address}/id`, directory: `/claims/${address}` }],
      published: {
        sockets: { text: `${address}:80`, bytes: Buffer.from(address) },
        forwards: false,
        others: Buffer.from(`others ${address}`),
        publish: request(`publish ${address}`),
        unpublish: request(`unpublish ${address}`),
      },
    };
  };
  const registration = (address: string) => ({
    directory: '/run/resolver',
    registration: Buffer.from(`register ${address}`),
  });
  /** Longer and shorter ones in turn. */
  const addresses = ['10.0.0.1', '192.168.100.200', '10.0.0.1', ''];
  const placeholder = { id: PLACEHOLDER.id, base: PLACEHOLDER.base };
  const taken = (address: string) => {
    const own = new OwnTexts();
    const { directory, registration: bytes } = registration(address);
    const resolver = { directory, registration: own.take(bytes) };
    return { own, resolver, bridges: own.takeAll(planOf(address)) };
  };

  it('Templates are, with the texts of a start put behind them, what would have been compiled for it', async () => {
    const { own: _, ...plans } = taken('172.17.0.2');
    const { program, teardown } = await compiled({ ...placeholder, ...plans });
    const encoder = new Encoder();
    const template = new Template(withCommand(program, undefined), encoder);
    const undo = new Template(teardown, encoder);
    for (const bytes of [template.bytes, undo.bytes])
      expect(Buffer.from(bytes).includes('172.17.0.2')).to.equal(false);
    for (const address of addresses) {
      const whom = { id: ID, base: 1_111_111_111 };
      const { own } = taken(address);
      const raw = { resolver: registration(address), bridges: planOf(address) };
      const expected = await compiled({ ...whom, ...raw });
      expect(present(instantiate(program, whom, own))).to.deep.equal(present(expected.program));
      expect(present(instantiate(teardown, whom, own))).to.deep.equal(present(expected.teardown));

      const command = new CommandTemplate(
        { args: ['sh', '-c', 'true'], env: [] },
        template,
        encoder,
      );
      const whole = template.instantiate(binding, whom, appendedTexts(template, encoder, own, command)); // prettier-ignore
      const asked = withCommand(padded(expected.program, whom.base), command.command);
      expect(decoded(whole)).to.deep.equal(decoded(encoded(asked)));
      expect(await verdict(whole)).to.equal(null);
      const undone = undo.instantiate(binding, whom, appendedTexts(undo, encoder, own));
      expect(decoded(undone)).to.deep.equal(decoded(encoded(expected.teardown)));
    }
  });

  it('Templates are refused without the texts of a start, and with too few or too many', async () => {
    const { own, ...plans } = taken('172.17.0.2');
    const { program } = await compiled({ ...placeholder, ...plans });
    const encoder = new Encoder();
    const template = new Template(program, encoder);
    const texts = appendedTexts(template, encoder, own);
    const whom = { id: ID, base: 1 };
    expect(await verdict(template.instantiate(binding, whom, texts))).to.equal(null);
    for (const wrong of [
      undefined,
      texts.subarray(0, 4),
      texts.subarray(0, -16),
      Buffer.concat([texts, texts.subarray(-16)]),
    ])
      // prettier-ignore
      expect(await verdict(template.instantiate(binding, whom, wrong))).to.not.equal(null);
    expect(() => appendedTexts(template, encoder, new OwnTexts())).to.throw(/no text/);
  });

  it('The seeds of the fuzzers are programs of this instruction set', () => {
    for (const [name, bytes] of Object.entries(fuzzSeeds())) {
      const seed = readFileSync(`${repository}/test/native/seeds/${name}`);
      const remedy = `${name} is outdated: node dist/test/support/programs/write-fuzz-seeds.js`;
      expect(seed.equals(bytes), remedy).to.equal(true);
    }
  });
});

describe('native templates', () => {
  const bytes = encoded(empty);
  const id = 'a'.repeat(64);

  it('Native templates have no offset outside the program', () => {
    for (const place of [
      [0, bytes.length - 63, 0],
      [1, bytes.length - 11, 0],
      [2, bytes.length - 3, 0],
      [3, bytes.length - 9, 0],
      [0, 0xffff_ffff, 0],
      [4, bytes.length - 3, 0],
      [4, 0, 1],
      [4, 0, 0, 4, 4, 0],
      [5, 0, 0],
      [2, 0],
    ]) {
      const places = Uint32Array.from(place);
      expect(() => binding.instantiate(bytes, places, id, 1), String(place)).to.throw(TypeError);
      const all = [bytes, places, bytes, places, [], []] as const;
      expect(() => binding.template(...all), String(place)).to.throw(TypeError);
    }
  });

  it('Native templates are for long ids only', () => {
    const none = new Uint32Array(0);
    for (const wrong of ['', 'a'.repeat(63), 'a'.repeat(65)])
      expect(() => binding.instantiate(bytes, none, wrong, 1)).to.throw(TypeError);
  });
});
