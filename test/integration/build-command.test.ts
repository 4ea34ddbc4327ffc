/** `caisson build` as people type it: its output, its exit codes, signals, and a build that is killed. */
import { expect } from 'chai';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { BuildShop } from '../support/building.js';
import { needsRoot } from '../support/needs.js';
import { eventually } from '../support/outside.js';
import { repository } from '../support/paths.js';

interface Ended {
  readonly status: number | null;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
}

needsRoot('a user’s builds are tested with those of users').describe(
  'The command build',
  function () {
    this.timeout(120_000);
    let shop: BuildShop;
    let roots: readonly string[];

    before(async () => {
      shop = await BuildShop.open();
      roots = ['--data-root', shop.engine.dataRoot, '--run-root', shop.workshop.path('run')];
    });
    afterEach(() => shop.expectClean());
    after(() => shop.close());

    const start = (args: readonly string[], cwd: string): [ChildProcess, Promise<Ended>] => {
      const child = spawn(join(repository, 'bin/caisson'), [...roots, ...args], {
        cwd,
        env: { ...process.env, CAISSON_NETWORK: 'none', FROM_OUTSIDE: 'outside' },
      });
      let [stdout, stderr] = ['', ''];
      child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
      child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
      const ended = once(child, 'close').then(([status, signal]: unknown[]) => ({ status, signal, stdout, stderr }) as Ended); // prettier-ignore
      return [child, ended];
    };
    const caisson = async (
      args: readonly string[],
      cwd = shop.workshop.directory,
      input: string | Buffer = '',
    ) => {
      const [child, ended] = start(args, cwd);
      child.stdin?.on('error', () => undefined).end(input);
      return ended;
    };

    it('Its output has each step, what programs write, and at the end the image', async () => {
      const context = await shop.context({
        Dockerfile:
          'FROM busybox AS base\nRUN echo one; printf two\nFROM base\nARG FROM_OUTSIDE\nCOPY f /\nRUN echo $FROM_OUTSIDE >&2\nLABEL x=y\n',
        f: 'f',
      });
      const args = ['build', '-t', 'shown:1', '-t', 'other', '--build-arg', 'FROM_OUTSIDE', '--iidfile', 'id', '.']; // prettier-ignore
      const first = await caisson(args, context);
      expect(first.status, first.stderr).to.equal(0);
      expect(first.stdout).to.equal('');
      const id = readFileSync(join(context, 'id'), 'utf8');
      expect(
        first.stderr.replaceAll(/\d+\.\d{3} /g, 'T ').replaceAll(/DONE \d+\.\ds/g, 'DONE T'),
      ).to.equal(
        '#1 [base 1/2] FROM busybox AS base\n#1 DONE T\n\n' +
          '#2 [base 2/2] RUN echo one; printf two\n#2 T one\n#2 T two\n#2 DONE T\n\n' +
          '#3 [stage-1 1/3] FROM base\n#3 DONE T\n\n' +
          '#4 [stage-1 2/3] COPY f /\n#4 DONE T\n\n' +
          '#5 [stage-1 3/3] RUN echo $FROM_OUTSIDE >&2\n#5 T outside\n#5 DONE T\n\n' +
          `#6 writing image ${id} done\n#6 naming to shown:1 done\n#6 naming to other:latest done\n`,
      );
      const again = await caisson(['build', '-q', '--build-arg', 'FROM_OUTSIDE', '.'], context);
      expect(again).to.include({ status: 0, stdout: `${id}\n`, stderr: '' });
      const { stderr } = await caisson(args, context);
      expect(stderr).to.include('#4 [stage-1 2/3] COPY f /\n#4 CACHED\n\n');
    });

    it('A failure shows the line of the Dockerfile, and exits with 1', async () => {
      const context = await shop.context({ 'sub/D': 'FROM busybox\n\n# why\nRUN echo so; exit 3\nRUN true\n' }); // prettier-ignore
      const { status, stderr } = await caisson(['build', '-f', 'sub/D', '.'], context);
      expect(status).to.equal(1);
      expect(stderr.replaceAll(/\d+\.\d{3} /g, 'T ')).to.include(
        '#2 T so\nD:4\n--------------------\n   2 |\n   3 |     # why\n   4 | >>> RUN echo so; exit 3\n   5 |     RUN true\n   6 |\n--------------------\n' +
          'caisson: Dockerfile:4: process "/bin/sh -c echo so; exit 3" did not complete successfully: exit code: 3\n',
      );
      for (const [code, ...args] of [
        [1, 'build', '-f', 'none', '.'],
        [1, 'build', 'https://example.org/repository.git'],
        [1, 'build', '/no/such/directory'],
        [1, 'build'],
        [1, 'build', '--platform', 'x/y/z/w', '.'],
        [1, 'build', '-t', 'WRONG', '.'],
        [125, 'build', '--secret', 'src=x', '.'],
        [1, 'build', '--secret', 'id=x,env=NOT_SET', '.'],
        [125, 'build', '--ssh', 'default', '.'],
        [125, 'build', '--progress', 'x', '.'],
      ] as const)
        expect((await caisson(args, context)).status, args.join(' ')).to.equal(code);
    });

    it('Standard input is a Dockerfile, or a tar archive with one', async () => {
      const context = await shop.context({ f: 'f', D: 'FROM busybox\nCOPY f /from-archive\n' });
      const text = 'FROM busybox\nRUN echo 1 >/one\n';
      for (const [args, input, path] of [
        [['build', '-q', '-'], text, '/one'],
        [['build', '-q', '-f', '-', '.'], `${text}COPY f /f\n`, '/f'],
        [['build', '-q', '-f', 'D', '-'], await archive(context), '/from-archive'],
      ] as const) {
        const { status, stdout, stderr } = await caisson(args, context, input);
        expect(status, stderr).to.equal(0);
        const seen = await caisson(['run', '--rm', stdout.trim(), 'test', '-e', path]);
        expect(seen.status, seen.stderr).to.equal(0);
      }
      const both = await caisson(['build', '-f', '-', '-'], context, text);
      expect(both.status).to.equal(1);
      expect((await caisson(['build', '-'], context, 'FROM busybox\nCOPY f /f\n')).stderr).to.include('Dockerfile:2: "f": the build has no context'); // prettier-ignore
    });

    const archive = async (directory: string) => {
      const child = spawn('tar', ['-C', directory, '-czf', '-', '.']);
      const parts: Buffer[] = [];
      for await (const part of child.stdout) parts.push(part as Buffer);
      return Buffer.concat(parts);
    };

    it('The command builder prune removes what builds have done, and asks before', async () => {
      await caisson(['builder', 'prune', '-f']);
      await caisson(['build', '-q', '-'], undefined, 'FROM busybox\nRUN echo 1 >/pruned\n');
      const asked = await caisson(['builder', 'prune'], undefined, 'n\n');
      expect(asked).to.include({ status: 0, stdout: 'WARNING! This will remove all dangling build cache.\nAre you sure you want to continue? [y/N] ' }); // prettier-ignore
      expect((await caisson(['builder', 'prune', '-f', '--filter', 'until=1h'])).stdout).to.equal('Total reclaimed space: 0B\n'); // prettier-ignore
      expect((await caisson(['builder', 'prune', '--filter', 'label=x'])).status).to.equal(1);
      const { stdout } = await caisson(['builder', 'prune', '-af']);
      expect(stdout).to.match(
        /^Deleted build cache objects:\n[0-9a-f]{12}\n\nTotal reclaimed space: [\d.]+k?B\n$/,
      );
    });

    it('Secrets come from files and from the environment, and are in no image', async () => {
      const context = await shop.context({
        Dockerfile:
          'FROM busybox\nRUN --mount=type=secret,id=a --mount=type=secret,id=FROM_OUTSIDE,env=B cat /run/secrets/a; echo " $B"\n',
        secret: 'of the file',
      });
      const args = ['build', '--no-cache', '--secret', 'id=a,src=secret', '--secret', 'id=FROM_OUTSIDE', '-t', 'secret', '.']; // prettier-ignore
      const { status, stderr } = await caisson(args, context);
      expect(status, stderr).to.equal(0);
      expect(stderr).to.include('of the file outside\n');
      expect(readdirSync(shop.workshop.path('run'))).not.to.include('builds');
      const image = await shop.engine.images.inspect('secret');
      expect(await shop.sh(image, 'ls -A /run 2>&1')).not.to.include('a\n');
      expect(JSON.stringify(await shop.engine.images.history('secret'))).not.to.include('outside');
    });

    /** A build whose program runs. */
    const running = async (): Promise<[ChildProcess, Promise<Ended>]> => {
      const [child, ended] = start(
        ['build', '--secret', 'id=FROM_OUTSIDE', '-'],
        shop.workshop.directory,
      );
      child.stdin?.end('FROM busybox\nRUN --mount=type=secret,id=FROM_OUTSIDE echo begun; sleep 1000\n'); // prettier-ignore
      await new Promise<void>((resolve) => {
        child.stderr?.on('data', (text: string) => {
          if (/\d begun\n/.test(text)) resolve();
        });
      });
      return [child, ended];
    };

    it('A signal ends it and its program, and nothing is left', async () => {
      for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
        const [child, ended] = await running();
        child.kill(signal);
        expect(await ended).to.include({ status: null, signal });
        await shop.expectClean();
      }
    });

    it('The program of a build that was killed ends with it, and the next command removes what is left', async () => {
      const [child, ended] = await running();
      const [id = ''] = readdirSync(join(shop.engine.dataRoot, 'containers'));
      const ps = async () => (await caisson(['ps', '-a', '--no-trunc', '--format', '{{.ID}} {{.State}}'])).stdout; // prettier-ignore
      expect(await ps()).to.equal(`${id} running\n`);
      child.kill('SIGKILL');
      await ended;
      await eventually(async () => expect(await ps()).to.match(/^[0-9a-f]{64} exited\n$/));
      expect((await caisson(['build', '-q', '-'], undefined, 'FROM busybox\nWORKDIR /x\n')).status).to.equal(0); // prettier-ignore
      expect(await ps()).to.equal('');
      expect(readdirSync(shop.workshop.path('run'))).not.to.include('builds');
      await caisson(['image', 'prune', '-f']);
    });
  },
);
