/** What a build does not do again, what it does, and what is left of one that has ended early. */
import { expect } from 'chai';
import { readdirSync, utimesSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { BuildShop } from '../support/building.js';
import { needsRoot } from '../support/needs.js';
import { rejectionOf } from '../support/rejection.js';

needsRoot('a user’s builds are tested with those of users').describe(
  'The cache of builds',
  function () {
    this.timeout(120_000);
    let shop: BuildShop;

    before(async () => {
      shop = await BuildShop.open();
    });
    afterEach(() => shop.expectClean());
    after(() => shop.close());

    /** Another layer each time that it is done: its file has random bytes. */
    const RANDOM = 'RUN head -c 16 /dev/urandom >/random';

    it('The same build is the same image, and no program runs', async () => {
      const lines = [
        'FROM busybox',
        RANDOM,
        'WORKDIR /made',
        'COPY f .',
        'LABEL a=1',
        'CMD ["sh"]',
      ];
      const first = await shop.build(lines, { f: '1' });
      expect(first.cached).to.deep.equal([]);
      const second = await shop.build(lines, { f: '1' });
      expect(second.cached).to.deep.equal([RANDOM, 'WORKDIR /made', 'COPY f .']);
      expect(second.image.id).to.equal(first.image.id);
      const third = await shop.build(lines, { f: '1' }, { noCache: true });
      expect(third.cached).to.deep.equal([]);
      expect(third.image.config.diffIds[1]).not.to.equal(first.image.config.diffIds[1]);
      // What was done last is what the next build finds.
      expect((await shop.build(lines, { f: '1' })).image.id).to.equal(third.image.id);
    });

    it('A step is done again after a change of what it depends on, and of nothing else', async () => {
      const lines = (run: string, more: readonly string[] = []) => ['FROM busybox', 'ARG A=1', ...more, run, 'COPY f /f', 'RUN cat /f']; // prettier-ignore
      const build = async (run: string, content: string, args = {}, more: readonly string[] = []) =>
        (await shop.build(lines(run, more), { f: content }, { buildArgs: args })).executed;
      expect(await build('RUN echo a >/tmp/a', '1')).to.have.length(3);
      expect(await build('RUN echo a >/tmp/a', '1')).to.deep.equal([]);
      expect(await build('RUN echo a >/tmp/a', '2')).to.deep.equal(['COPY f /f', 'RUN cat /f']);
      expect(await build('RUN echo b >/tmp/a', '1')).to.have.length(3);
      expect(await build('RUN echo a >/tmp/a', '1', { A: '2' })).to.have.length(3);
      expect(await build('RUN echo a >/tmp/a', '1', { HTTP_PROXY: 'http://user:password@proxy' })).to.deep.equal([]); // prettier-ignore
      expect(await build('RUN echo a >/tmp/a', '1', {}, ['LABEL x=y', 'EXPOSE 80'])).to.deep.equal(
        [],
      );
      expect(await build('RUN echo a >/tmp/a', '1', {}, ['ENV X=y'])).to.have.length(3);
      expect(await build('RUN echo a >/tmp/a', '1', {}, ['USER 5'])).to.have.length(3);
    });

    it('Files are compared by what is in them and by their modes, and not by their times', async () => {
      const context = await shop.context({ f: '1' });
      const build = async (mode: string) =>
        (await shop.build(['FROM busybox', `COPY --chmod=${mode} f /g`], context)).cached.length;
      expect(await build('600')).to.equal(0);
      utimesSync(join(context, 'f'), 1e9, 1e9);
      expect(await build('600')).to.equal(1);
      expect(await build('601')).to.equal(0);
    });

    it('A stage that has changed is copied from again', async () => {
      const lines = (text: string) => ['FROM busybox AS one', `RUN echo ${text} >/x`, 'FROM busybox', 'COPY --from=one /x /x']; // prettier-ignore
      await shop.build(lines('1'));
      expect((await shop.build(lines('1'))).executed).to.deep.equal([]);
      const { image, executed } = await shop.build(lines('2'));
      expect(executed).to.have.length(2);
      expect(await shop.sh(image, 'cat /x')).to.equal('2');
    });

    it('What a failed build has done is kept, also from a collection, and is forgotten after four weeks', async () => {
      const lines = ['FROM busybox', RANDOM, 'RUN exit 3'];
      expect(await rejectionOf(shop.build(lines))).to.include({ code: 'ERR_BUILD_FAILED' });
      await shop.engine.images.prune();
      const fixed = [...lines.slice(0, 2), 'RUN exit 0'];
      const { cached, image } = await shop.build(fixed);
      expect(cached).to.deep.equal([RANDOM]);
      const directory = join(shop.engine.dataRoot, 'images/build-cache');
      const old = Date.now() / 1000 - 29 * 24 * 60 * 60;
      for (const name of readdirSync(directory)) utimesSync(join(directory, name), old, old);
      await shop.engine.images.remove(image.id);
      expect(readdirSync(directory)).to.deep.equal([]);
      expect((await shop.build(fixed)).cached).to.deep.equal([]);
    });

    it('It is counted beside images, and system prune removes it', async () => {
      await shop.engine.pruneUnused();
      expect((await shop.engine.usage()).builds).to.deep.equal({ items: [], active: 0, size: 0, reclaimable: 0 }); // prettier-ignore
      const { image } = await shop.build(['FROM busybox', 'RUN head -c 100000 /dev/urandom >/big', 'RUN rm /big']); // prettier-ignore
      const kept = (await shop.engine.usage()).builds;
      expect(kept.items).to.have.length(2);
      // Manifests and configurations alone: the image has the layers.
      expect(kept.size).to.be.within(1, 20_000);
      await shop.engine.images.remove(image.id);
      const { builds } = await shop.engine.usage();
      expect(builds.size).to.be.within(200_000, 250_000).and.to.equal(builds.reclaimable);
      const later = await shop.engine.pruneUnused({ filters: ['until=1h'] });
      expect(later.builds).to.deep.equal({ removed: [], freed: 0 });
      const { builds: pruned } = await shop.engine.pruneUnused();
      expect([...pruned.removed].sort()).to.deep.equal(builds.items.map(({ key }) => key).sort());
      expect(pruned.freed).to.equal(builds.size);
      expect((await shop.build(['FROM busybox', 'RUN head -c 100000 /dev/urandom >/big'])).cached).to.deep.equal([]); // prettier-ignore
    });

    it('An entry whose files are gone, or that is damaged, is none', async () => {
      const lines = ['FROM busybox', RANDOM];
      const { image } = await shop.build(lines);
      const directory = join(shop.engine.dataRoot, 'images/build-cache');
      const kept = new Map(readdirSync(directory).map((name) => [name, join(directory, name)]));
      const texts = new Map<string, string>();
      for (const [name, path] of kept) texts.set(name, await readFile(path, 'utf8'));
      await rm(directory, { recursive: true });
      await shop.engine.images.remove(image.id);
      await shop.build(['FROM scratch', 'WORKDIR /x']);
      for (const [name, path] of kept) await writeFile(path, texts.get(name)!);
      expect((await shop.build(lines)).cached).to.deep.equal([]);
      for (const path of kept.values()) await writeFile(path, '{"manifest":"x"}');
      expect((await shop.build(lines)).cached).to.deep.equal([]);
    });

    it('A signal ends the program of a step, and nothing of the build is left', async () => {
      for (const line of [
        'RUN echo begun; sleep 1000',
        'RUN echo begun; exec head -c 100M /dev/zero >/z',
      ]) {
        const abort = new AbortController();
        const reason = new Error('enough');
        const building = shop.build(['FROM busybox', line, 'RUN sleep 1000'], {}, {
        signal: abort.signal,
        onProgress: ({ kind }) => {
          if (kind === 'output') abort.abort(reason);
        },
      }); // prettier-ignore
        expect(await building.catch((error: unknown) => error)).to.equal(reason);
        await shop.expectClean();
      }
      const before = new AbortController();
      before.abort(new Error('never'));
      const never = shop.build(['FROM busybox'], {}, { signal: before.signal });
      expect(await never.catch((error: unknown) => error)).to.equal(before.signal.reason);
    });
  },
);
