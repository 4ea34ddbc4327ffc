/** `RUN --mount`: what programs of a build see, and that none of it is in the image. */
import { expect } from 'chai';
import { readdirSync } from 'node:fs';
import { BuildShop } from '../support/building.js';
import { needsRoot } from '../support/needs.js';
import { rejectionOf } from '../support/rejection.js';

needsRoot('a user’s builds are tested with those of users').describe(
  'Mounts of builds',
  function () {
    this.timeout(120_000);
    let shop: BuildShop;

    before(async () => {
      shop = await BuildShop.open();
    });
    afterEach(() => shop.expectClean());
    after(() => shop.close());

    it('A bind shows files of the context, of a stage or of an image; what is written there is lost', async () => {
      const lines = [
        'FROM busybox AS one',
        'RUN mkdir /out && echo 1 >/out/f && chown 3:4 /out/f && ln -s f /out/l',
        'FROM busybox',
        'WORKDIR /work',
        'RUN --mount=target=. --mount=type=bind,source=sub/x,target=/file cat /file sub/x && ls && ! touch new 2>/dev/null',
        'RUN --mount=type=bind,from=one,source=/out,target=/o stat -c "%u:%g %n" /o/* && cat /o/l',
        'RUN --mount=type=bind,from=one,source=/out/f,target=/single cat /single',
        'RUN --mount=type=bind,from=busybox,source=etc,target=/e,rw touch /e/new && ls /e/passwd',
      ];
      const context = await shop.context({ 'sub/x': 'x\n', ignored: '', '.dockerignore': 'ignored\n.dockerignore\n' }); // prettier-ignore
      const { output, image } = await shop.build(lines, context);
      expect(output).to.equal('x\nx\nsub\n3:4 /o/f\n0:0 /o/l\n1\n1\n/e/passwd\n');
      expect(await shop.sh(image, 'ls -A /work; ls -d /o /e /single 2>&1; true')).to.equal(
        'ls: /o: No such file or directory\nls: /e: No such file or directory\nls: /single: No such file or directory',
      );
      expect(readdirSync(context).sort()).to.deep.equal(['.dockerignore', 'ignored', 'sub']);
      expect((await shop.build(lines, context)).executed).to.deep.equal([]);
      const changed = await shop.build(lines, { 'sub/x': 'y\n' });
      expect(changed.executed[0]).to.include('target=.');
    });

    it('A cache keeps its files from one build to the next, for programs one at a time where it is locked', async () => {
      const lines = ['FROM busybox', 'RUN --mount=type=cache,target=/cache echo x >>/cache/f; wc -l </cache/f; stat -c %u:%a /cache']; // prettier-ignore
      expect((await shop.build(lines)).output).to.match(/^1\n0:755\n$/);
      const { output, image } = await shop.build(lines, {}, { noCache: true });
      expect(output).to.match(/^2\n/);
      expect(await shop.sh(image, 'ls -d /cache 2>&1; true')).to.include('No such file');
      const volumes = await shop.engine.volumes.list();
      expect(volumes.map(({ name }) => name)).to.have.length(1).and.to.satisfy(([name]: string[]) => name?.startsWith('build-cache-')); // prettier-ignore
      const locked = (n: number) => ['FROM busybox', `RUN --mount=type=cache,id=l,target=/l,sharing=locked mkdir /l/busy && sleep 0.3 && rmdir /l/busy && echo ${n}`]; // prettier-ignore
      const all = await Promise.all([1, 2, 3].map((n) => shop.build(locked(n))));
      expect(all.map((built) => built.output)).to.deep.equal(['1\n', '2\n', '3\n']);
      for (const { name } of await shop.engine.volumes.list())
        await shop.engine.volumes.remove(name);
      await shop.engine.images.prune();
    });

    it('A tmpfs is empty, and is not in the image', async () => {
      const { output, image } = await shop.build([
        'FROM busybox',
        'RUN --mount=type=tmpfs,target=/etc,size=1m ls -A /etc; df -m /etc | tail -n 1; touch /etc/new /kept',
      ]);
      expect(output).to.match(/^(?:hostname\nhosts\nresolv\.conf\n)?tmpfs +1 /);
      expect(await shop.sh(image, 'ls /etc/new /kept 2>&1; true')).to.include('/kept');
      expect(await shop.sh(image, 'ls /etc/passwd')).to.equal('/etc/passwd');
    });

    it('A secret is a file that only its user can read, or a variable, and is no part of the cache', async () => {
      const lines = [
        'FROM busybox',
        'RUN --mount=type=secret,id=s stat -c "%a %u %s" /run/secrets/s; cat /run/secrets/s',
        'RUN --mount=type=secret,id=s,target=/place,mode=0444,env=S cat /place; echo "$S"',
        'RUN --mount=type=secret,id=missing test ! -e /run/secrets/missing',
      ];
      const secrets = { s: 'top' };
      const { output, image } = await shop.build(lines, {}, { secrets });
      expect(output).to.equal('400 0 3\ntoptoptop\n');
      expect(await shop.sh(image, 'cat /place /run/secrets/s 2>&1 | grep -v No; env')).not.to.include('top'); // prettier-ignore
      expect((await shop.build(lines, {}, { secrets: { s: 'other' } })).executed).to.deep.equal([]);
      expect(readdirSync(shop.workshop.path('run'))).not.to.include('builds');
      const required = await rejectionOf(shop.build(['FROM busybox', 'RUN --mount=type=secret,id=x,required true'])); // prettier-ignore
      expect(required).to.include({ code: 'ERR_INVALID_DOCKERFILE', message: 'Dockerfile:2: secret x: not found' }); // prettier-ignore
    });

    it('What is not supported, or wrong, is an error with the line', async () => {
      for (const [code, mount] of [
        ['ERR_UNSUPPORTED_OPTION', 'type=ssh'],
        ['ERR_UNSUPPORTED_OPTION', 'type=cache,target=/x,uid=5'],
        ['ERR_UNSUPPORTED_OPTION', 'type=cache,target=/x,from=busybox'],
        ['ERR_UNSUPPORTED_OPTION', 'type=cache,target=/x,sharing=private'],
        ['ERR_INVALID_DOCKERFILE', 'type=bind'],
        ['ERR_INVALID_DOCKERFILE', 'type=bind,target=/x,source=missing'],
        ['ERR_INVALID_DOCKERFILE', 'type=bind,target=/x,from=busybox,source=/missing'],
        ['ERR_INVALID_DOCKERFILE', 'type=tmpfs,target=/x,other=1'],
        ['ERR_INVALID_DOCKERFILE', 'type=tmpfs,target=/x,size=many'],
        ['ERR_INVALID_DOCKERFILE', 'type=tmpfs,target=/'],
      ] as const) {
        const error = await rejectionOf(shop.build(['FROM busybox', `RUN --mount=${mount} true`]));
        expect(error, mount).to.include({ code, path: 'Dockerfile:2' });
      }
    });
  },
);
