import fc from 'fast-check';
import { parseMountFlag } from '../../../../lib/cli/args/mount-flag.js';
import { parseRun } from '../../../../lib/cli/args/run-invocation.js';
import { normalize } from '../../../../lib/engine/options/config.js';
import { RUN_OPTION_NAMES } from '../../../../lib/engine/options/options.js';
import { toSpec } from '../../../../lib/engine/spec/to-spec.js';
import { CaissonError } from '../../../../lib/base/errors.js';
import { sampleSize } from '../../../support/sample.js';

const IMAGE = { env: [], cmd: ['sh'], entrypoint: [] };
const HOST = { cpus: '0-1', mems: '0' };
const USER = { uid: 0, gid: 0, additionalGids: [0], home: '/root' };

/** It works, or it says what is wrong; it never falls over. */
function survives(call: () => unknown): void {
  try {
    call();
  } catch (error) {
    if (!(error instanceof CaissonError)) throw error;
  }
}

/** Strings of the characters that the grammars of options are made of, and some that belong nowhere. */
const grammar = fc.string({
  unit: fc.constantFrom(...'a0/.:=,-_"[] \0\nrwm1kG%~ä'),
  maxLength: 24,
});
const value = fc.oneof(
  fc.anything(),
  grammar,
  fc.array(grammar, { maxLength: 3 }),
  fc.dictionary(grammar, grammar, { maxKeys: 3 }),
  fc.double(),
  fc.integer(),
);

describe('options of the wrong kind', () => {
  for (const name of Object.keys(RUN_OPTION_NAMES)) {
    if (name === 'signal') continue;
    it(`Wrong values are refused with a typed error: ${name}`, () => {
      fc.assert(
        fc.property(value, (given) => {
          survives(() => {
            const config = normalize(['x'], { [name]: given }, IMAGE, HOST);
            const spec = toSpec(config, { id: 'a'.repeat(64), user: USER });
            // Nothing that the kernel would cut short gets through.
            if (JSON.stringify(spec).includes('\\u0000')) throw new Error('a NUL byte got through');
          });
        }),
        { numRuns: sampleSize(200) },
      );
    });
  }

  it('Wrong values are refused with a typed error: argv', () => {
    fc.assert(
      fc.property(value, (given) => survives(() => normalize(given as string[], {}, IMAGE, HOST))),
    );
  });

  it('Wrong values are refused with a typed error: words of the command line', () => {
    const word = fc.oneof(
      grammar,
      fc.constantFrom(
        '-it',
        '--rm',
        '-m',
        '--mount',
        '-e',
        '--',
        'host',
        '--init=x',
        '-v',
        '--rootfs',
      ),
    );
    fc.assert(
      fc.property(fc.array(word, { maxLength: 6 }), (words) =>
        survives(() => parseRun('run', words, { env: {}, cwd: '/here' })),
      ),
    );
    fc.assert(fc.property(grammar, (text) => survives(() => parseMountFlag(text, '/here'))));
  });
});
