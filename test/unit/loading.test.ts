/** Most of a short command's time is loading: what each part of the command line pulls in with it. */
import { expect } from 'chai';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const DIST = new URL('../../', import.meta.url);
const IMPORT = /^(?:import|export)\s(?:[^'"]*?\sfrom\s)?['"]([^'"]+)['"]/gm;

/** Everything that the compiled file imports, and what that does; not what is imported when it is needed. */
function loaded(entry: string): ReadonlySet<string> {
  const seen = new Set<string>();
  const visit = (url: URL): void => {
    if (!existsSync(url)) throw new Error(`${url.href} is not there`);
    for (const [, name = ''] of readFileSync(url, 'utf8').matchAll(IMPORT)) {
      const next = name.startsWith('.') ? new URL(name, url) : undefined;
      const key = next === undefined ? name : fileURLToPath(next).slice(fileURLToPath(DIST).length);
      if (seen.has(key)) continue;
      seen.add(key);
      if (next !== undefined) visit(next);
    }
  };
  visit(new URL(`${entry}.js`, new URL('lib/', DIST)));
  return seen;
}

describe('loading', () => {
  it('The test sees imports at all', () => {
    expect([...loaded('cli/help')]).to.include('commander');
    expect([...loaded('cli/flags/explain-flags')]).to.include('lib/cli/flags/run-flags.js');
    expect([...loaded('engine/engine')].some((name) => name.startsWith('lib/native/'))).to.equal(
      true,
    );
  });

  const parts: Readonly<Record<string, readonly string[]>> = {
    main: ['cli/main'],
    ps: ['cli/commands/list-commands'],
    inspect: ['docker/inspect-shape', 'cli/template/go-template', 'cli/flags/inspect-flags'],
    events: [
      'engine/views/event-filters',
      'base/time-stamp',
      'docker/event-shape',
      'cli/flags/events-flags',
    ],
    stop: ['cli/args/command-line', 'cli/flags/stop-flags', 'base/signals'],
    attach: ['cli/terminal/detach-keys', 'cli/flags/attach-flags'],
    prune: ['engine/views/prune-filters', 'cli/flags/prune-flags'],
  };
  for (const [name, entries] of Object.entries(parts)) {
    it(`The command ${name} takes neither the addon nor commander nor the flags of others`, () => {
      const all = entries.flatMap((entry) => [...loaded(entry)]);
      expect(
        all.filter((file) =>
          /^commander$|node-gyp-build|lib\/native\/|lib\/image\/|engine\/engine\.js/.test(file),
        ),
      ).to.deep.equal([]);
      expect(all).to.not.include('lib/cli/flags/run-flags.js');
    });
  }

  it('No unit test loads the addon: such tests are in test/integration', () => {
    const names = readdirSync('test/unit', { recursive: true, encoding: 'utf8' });
    const loading = names.filter(
      (name) =>
        name.endsWith('.ts') &&
        /from '[^']*native\/load\.js'/.test(readFileSync(`test/unit/${name}`, 'utf8')),
    );
    expect(loading).to.deep.equal([]);
  });

  it('A run takes the file of no verb of a detached container, and none of its supervisor', () => {
    const files = [...loaded('engine/engine')].filter((file) =>
      /engine\/(container|supervisor)\//.test(file),
    );
    expect(files).to.have.members([
      'lib/engine/container/create-container.js',
      'lib/engine/container/tear-down.js',
      'lib/engine/container/tear-down-abandoned.js',
    ]);
  });
});
