/** Images from Dockerfiles: what each instruction leaves in the files and in the configuration. */
import { expect } from 'chai';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { readlink, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { archiveOf, BuildShop } from '../support/building.js';
import { needsRoot } from '../support/needs.js';
import { rejectionOf } from '../support/rejection.js';

needsRoot('a user’s builds are tested with those of users').describe('Builds', function () {
  this.timeout(120_000);
  let shop: BuildShop;

  before(async () => {
    shop = await BuildShop.open();
  });
  afterEach(() => shop.expectClean());
  after(() => shop.close());

  it('RUN changes the files, with the environment, the user and the directory of the instructions before it', async () => {
    const { image, output } = await shop.build([
      'FROM busybox',
      'ARG A=1',
      'ENV B=2 C=$A',
      'WORKDIR /made/here',
      'RUN chown 12 . && rm /bin/vi && rm -r /var && echo "$A $B $C" >/env',
      'USER 12:34',
      'RUN id -u >user; id -g >>user; pwd >>user; ls -ln user; echo said; echo wrong >&2',
      'RUN ["sh", "-c", "echo exec >/made/here/exec"]',
    ]);
    expect(output)
      .to.match(/12 +34 .* user\n/)
      .and.to.include('said\n')
      .and.to.include('wrong\n');
    const seen = await shop.sh(image, 'cat /env user exec; ls /bin/vi /var 2>&1; id -u; pwd; stat -c %u:%g exec'); // prettier-ignore
    expect(seen).to.equal(
      '1 2 1\n12\n34\n/made/here\nexec\nls: /bin/vi: No such file or directory\n' +
        'ls: /var: No such file or directory\n12\n/made/here\n12:34',
    );
  });

  it('Instructions about the configuration are in the image and its history, and make no layers', async () => {
    const { image } = await shop.build([
      'FROM busybox',
      'MAINTAINER A <a@example.org>',
      'ENV A=1 B="two words"',
      'LABEL l=$A m=n',
      'EXPOSE 80 90-91/udp',
      'VOLUME ["/data"]',
      'USER nobody',
      'WORKDIR /',
      'SHELL ["/bin/sh", "-ec"]',
      'HEALTHCHECK --interval=5s --retries=2 CMD true',
      'STOPSIGNAL SIGINT',
      'ONBUILD RUN echo triggered >/tmp/triggered',
      'ENTRYPOINT ["echo", "-n"]',
      'CMD words',
    ]);
    const base = await shop.engine.images.inspect('busybox');
    expect(image.config).to.deep.include({
      author: 'A <a@example.org>',
      labels: { l: '1', m: 'n' },
      exposedPorts: ['80/tcp', '90/udp', '91/udp'],
      volumes: ['/data'],
      user: 'nobody',
      workdir: '/',
      stopSignal: 'SIGINT',
      shell: ['/bin/sh', '-ec'],
      entrypoint: ['echo', '-n'],
      cmd: ['/bin/sh', '-ec', 'words'],
      onBuild: ['RUN echo triggered >/tmp/triggered'],
      diffIds: base.config.diffIds,
    });
    expect(image.config.env).to.include.members(['A=1', 'B=two words']);
    expect(image.config.healthcheck).to.deep.include({ test: { shell: 'true' }, interval: 5000, retries: 2 }); // prettier-ignore
    const history = await shop.engine.images.history(image.id);
    expect(history.map(({ createdBy }) => createdBy).slice(0, 3)).to.deep.equal([
      'CMD words',
      'ENTRYPOINT ["echo", "-n"]',
      'ONBUILD RUN echo triggered >/tmp/triggered',
    ]);

    await shop.engine.images.tag(image.id, 'parent');
    const child = await shop.build(['FROM parent']);
    expect(await shop.workshop.sh('cat /tmp/triggered', { entrypoint: [] }, child.image.id)).to.equal('triggered'); // prettier-ignore
    expect(child.image.config.onBuild).to.deep.equal([]);
  });

  it('COPY has Docker’s rules for files, directories, patterns, owners and modes', async () => {
    const context = await shop.context({
      'one.txt': '1',
      'two.txt': '2',
      'tree/a/b': 'deep',
      'tree/c': 'c',
      [`${'long'.repeat(30)}/ü`]: 'long',
      empty: undefined,
    });
    await symlink('c', join(context, 'tree/link'));
    await utimes(join(context, 'one.txt'), 1e9, 1e9);
    const { image } = await shop.build(
      [
        'FROM busybox',
        'RUN ln -s /tmp /place && echo u:x:7:8::/:/bin/sh >>/etc/passwd && echo g:x:9: >>/etc/group',
        'COPY one.txt /new/dir/file',
        'COPY one.txt /etc',
        'COPY *.txt /pattern/',
        'COPY tree /tree',
        'COPY one.txt /place/in-link',
        'COPY --chown=u --chmod=640 one.txt /owned/by/u',
        'COPY --chown=u:g tree /owned/tree',
        'COPY --chown=5 one.txt /owned/by/5',
        'COPY l* empty /rest/',
        'WORKDIR /work',
        'COPY one.txt .',
        'COPY --chmod=755 <<one <<"two" /here/',
        'first $HOME\none',
        'second $HOME\ntwo',
      ],
      context,
    );
    const look = async (command: string) => (await shop.sh(image, command)).split('\n');
    expect(
      await look('stat -c "%a %u:%g %Y" /new/dir/file; stat -c "%a %u:%g" /new'),
    ).to.deep.equal(['644 0:0 1000000000', '755 0:0']);
    expect(await look('cat /etc/one.txt /pattern/one.txt /pattern/two.txt /tmp/in-link /work/one.txt')).to.deep.equal(['11211']); // prettier-ignore
    expect(await look('cat /tree/a/b; echo; readlink /tree/link')).to.deep.equal(['deep', 'c']);
    expect(
      await look('stat -c "%a %u:%g %n" /owned /owned/by/* /owned/tree /owned/tree/a/b'),
    ).to.deep.equal([
      '755 7:8 /owned',
      '644 5:5 /owned/by/5',
      '640 7:8 /owned/by/u',
      '755 7:9 /owned/tree',
      '644 7:9 /owned/tree/a/b',
    ]);
    expect(await look('find /rest | sort')).to.deep.equal(['/rest', '/rest/ü']);
    expect(await look('cat /here/one /here/two; stat -c %a /here/one')).to.deep.equal([
      'first ',
      'second $HOME',
      '755',
    ]);
  });

  it('A directory is not copied over a link or a file, and a file not over a directory', async () => {
    const base = [
      'FROM busybox',
      'RUN mkdir -p /real/dir /isdir && ln -s real/dir /link && echo kept >/file',
    ];
    const files = { 't/link/new': 'n', 'u/file/new': 'n', 'v/isdir': 'f', 'w/real/dir/new': 'n' };
    for (const tree of ['t', 'u', 'v']) {
      const error = await rejectionOf(shop.build([...base, `COPY ${tree} /`], files));
      expect(error, tree).to.include({ code: 'ERR_FILES_FAILED', path: 'Dockerfile:3' });
    }
    const { image } = await shop.build([...base, 'COPY w /', 'COPY t/link/new /link/'], files);
    expect(await shop.sh(image, 'readlink /link; ls /real/dir; cat /file')).to.equal('real/dir\nnew\nkept'); // prettier-ignore
  });

  it('ADD unpacks archives, and copies other files', async () => {
    const context = await shop.context({ 'a/b': 'packed', plain: 'plain' });
    execFileSync('tar', ['-C', context, '--owner=12', '--group=13', '-czf', join(context, 'x.tgz'), 'a']); // prettier-ignore
    const { image } = await shop.build(
      ['FROM busybox', 'ADD x.tgz plain /x/', 'ADD --chown=3:4 x.tgz /y', 'COPY x.tgz /z/'],
      context,
    );
    expect(await shop.sh(image, 'cat /x/a/b /x/plain; stat -c %u:%g /x/a/b /y/a/b')).to.equal(
      'packedplain12:13\n3:4',
    );
    expect(await shop.sh(image, 'ls /z')).to.equal('x.tgz');
  });

  it('ADD fetches what a URL names, with its time, and checks its digest', async () => {
    let asked = 0;
    let content = 'fetched';
    const server = createServer(({ url }, answer) => {
      asked++;
      if (url === '/moved') answer.writeHead(302, { location: '/dir/a%20file?x=1' }).end();
      else if (url === '/short') answer.writeHead(200, { 'content-length': '9' }).end('x');
      else if (url?.startsWith('/dir/a%20file') === true)
        answer.writeHead(200, { 'last-modified': new Date(1e12).toUTCString() }).end(content);
      else answer.writeHead(404).end();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const host = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    try {
      const digest = `sha256:${createHash('sha256').update(content).digest('hex')}`;
      const lines = [
        'FROM busybox',
        `ADD ${host}/dir/a%20file /got/`,
        `ADD --checksum=${digest} --chown=5 --chmod=644 ${host}/moved /moved`,
      ];
      const { image } = await shop.build(lines);
      const seen = await shop.sh(image, 'cat "/got/a file" /moved; stat -c "%a %u %Y" "/got/a file" /moved'); // prettier-ignore
      expect(seen).to.equal('fetchedfetched600 0 1000000000\n644 5 1000000000');
      const before = asked;
      expect((await shop.build(lines)).executed).to.deep.equal([]);
      expect(asked).to.be.greaterThan(before);
      content = 'other';
      const mismatch = await rejectionOf(shop.build(lines));
      expect(mismatch).to.include({ code: 'ERR_INVALID_DOCKERFILE', path: 'Dockerfile:3' });
      for (const [path, code] of [
        ['/missing', 'ERR_DOWNLOAD_FAILED'],
        ['/short', 'ERR_DOWNLOAD_FAILED'],
        ['/repository.git', 'ERR_UNSUPPORTED_OPTION'],
      ] as const)
        expect(await rejectionOf(shop.build(['FROM busybox', `ADD ${host}${path} /x`])), path).to.include({ code, path: 'Dockerfile:2' }); // prettier-ignore
    } finally {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  });

  it('Patterns of .dockerignore leave files out', async () => {
    const context = await shop.context({
      '.dockerignore': 'secret\n*.log\n!keep.log\n',
      secret: 's',
      'a.log': 'a',
      'keep.log': 'k',
      kept: 'x',
    });
    const { image } = await shop.build(['FROM busybox', 'COPY . /all/'], context);
    expect(await shop.sh(image, 'ls /all')).to.equal('keep.log\nkept');
    const error = await rejectionOf(shop.build(['FROM busybox', '', 'COPY secret /x'], context));
    expect(error).to.include({ code: 'ERR_INVALID_DOCKERFILE', path: 'Dockerfile:3' });
    expect(error.message).to.include('.dockerignore');
  });

  it('A stage takes files from others and from images; stages that nothing needs are not built', async () => {
    const lines = [
      'ARG BASE=busybox',
      'FROM $BASE AS one',
      'RUN mkdir -p /out/d && echo 1 >/out/d/f && chown -R 3:4 /out && ln -s f /out/d/l && echo x >/out/skip',
      'FROM one AS two',
      'ENV TWO=2',
      'RUN echo 2 >/out/d/g',
      'FROM busybox AS unused',
      'RUN false',
      'FROM scratch',
      'COPY --from=busybox /bin /bin',
      'COPY --from=two --exclude=skip /out /taken',
      'COPY --from=0 --chown=6:7 --chmod=600 /out/d/l /single',
      'COPY --from=two /out/d/? /several/',
    ];
    const { image, executed } = await shop.build(lines);
    expect(executed.join()).not.to.include('false');
    expect(await shop.sh(image, 'cat /taken/d/f /taken/d/g; readlink /taken/d/l; ls /taken')).to.equal('1\n2\nf\nd'); // prettier-ignore
    expect(await shop.sh(image, 'stat -c "%u:%g %a" /taken/d/f /single; cat /single; ls /several')).to.equal('3:4 644\n6:7 600\n1\nf\ng\nl'); // prettier-ignore
    const { image: two } = await shop.build(lines, {}, { target: 'two' });
    expect(two.config.env).to.include('TWO=2');
    expect(await shop.sh(two, 'cat /out/d/g')).to.equal('2');
    const missing = await rejectionOf(shop.build(lines, {}, { target: 'three' }));
    expect(missing).to.include({ code: 'ERR_INVALID_DOCKERFILE' });
  });

  it('Names, labels and build arguments are those of the options', async () => {
    const { image } = await shop.build(
      ['ARG V=1', 'FROM busybox', 'ARG V', 'ARG W=w', 'RUN echo $V $W >/args', 'LABEL a=1 b=2'],
      {},
      { tags: ['named', 'other:2'], labels: { b: '3' }, buildArgs: { W: 'x' } },
    );
    expect(image.names).to.deep.equal(['named:latest', 'other:2']);
    expect(image.config.labels).to.deep.equal({ a: '1', b: '3' });
    expect(await shop.sh(image, 'cat /args')).to.equal('1 x');
  });

  it('A program of RUN has the network that was asked for, and none without', async () => {
    const lines = (flag: string) => [
      'FROM busybox',
      `RUN ${flag} readlink /proc/self/ns/net; ip -o link | wc -l`,
    ];
    const own = (await readlink('/proc/self/ns/net')) + '\n';
    expect((await shop.build(lines('--network=host'))).output).to.include(own);
    for (const [flag, network] of [['', undefined], ['--network=none', 'host']] as const) // prettier-ignore
      expect((await shop.build(lines(flag), {}, { network })).output).to.match(/^net:\[\d+\]\n1\n$/).and.not.to.include(own); // prettier-ignore
    expect((await shop.build(lines('--network=default'), {}, { network: 'host', noCache: true })).output).to.include(own); // prettier-ignore
  });

  it('An image may be for another platform, as long as no program of it runs', async () => {
    const lines = ['FROM scratch', 'ARG TARGETPLATFORM', 'LABEL for=$TARGETPLATFORM', 'COPY f /f'];
    const { image } = await shop.build(lines, { f: 'f' }, { platform: 'linux/arm64', tags: ['foreign'] }); // prettier-ignore
    expect(image.config).to.deep.include({ architecture: 'arm64', labels: { for: 'linux/arm64' } });
    const { image: next } = await shop.build(['FROM foreign', 'COPY f /g'], { f: 'g' }, { platform: 'linux/arm64' }); // prettier-ignore
    expect(next.config).to.deep.include({ architecture: 'arm64' });
    expect(next.config.diffIds).to.have.length(2);
  });

  it('A script of a here-document is run by its interpreter, and others by the shell', async () => {
    const { image } = await shop.build([
      'FROM busybox',
      'RUN <<end',
      'echo shell >/one',
      'end',
      'RUN <<end',
      '#!/bin/cat',
      'text of the script',
      'end',
    ]);
    expect(await shop.sh(image, 'cat /one; ls -A /dev | grep caisson; true')).to.equal('shell');
  });

  it('The context may be a tar stream, with the Dockerfile in it', async () => {
    const context = await shop.context({ 'sub/Dockerfile': 'FROM busybox\nCOPY f /f\n', f: 'f' });
    const stream = archiveOf(context, shop.workshop.path('context.tar'));
    const image = await shop.engine.build(stream, { file: 'sub/Dockerfile' });
    expect(await shop.sh(image, 'cat /f')).to.equal('f');
    const outside = await rejectionOf(shop.engine.build(context, { file: 'none' }));
    expect(outside).to.include({ code: 'ERR_NO_SUCH_FILE' });
  });

  it('Errors name the line of the Dockerfile', async () => {
    const failed = async (...lines: readonly string[]) => rejectionOf(shop.build(lines));
    expect(await failed('FROM busybox', '', 'RUN exit 7')).to.deep.include({
      code: 'ERR_BUILD_FAILED',
      path: 'Dockerfile:3',
      message:
        'Dockerfile:3: process "/bin/sh -c exit 7" did not complete successfully: exit code: 7',
    });
    for (const [code, ...lines] of [
      ['ERR_COMMAND_NOT_FOUND', 'FROM busybox', 'RUN ["/no/such"]'],
      ['ERR_NO_SUCH_USER', 'FROM busybox', 'USER nobody-here\nRUN true'],
      ['ERR_NO_SUCH_USER', 'FROM busybox', 'COPY --chown=nobody-here <<a /b', 'x', 'a'],
      ['ERR_INVALID_DOCKERFILE', 'FROM busybox', 'COPY missing /x'],
      ['ERR_INVALID_DOCKERFILE', 'FROM busybox', 'COPY --from=busybox /missing /x'],
      ['ERR_UNSUPPORTED_OPTION', 'FROM busybox', 'ADD git@example.org:x /x'],
      ['ERR_INVALID_DOCKERFILE', 'FROM busybox', 'ADD --checksum=sha256:0 f /x'],
      ['ERR_FILES_FAILED', 'FROM busybox', 'COPY <<a /etc/passwd/below/', 'x', 'a'],
    ] as const) {
      const error = await failed(...lines);
      expect(error, lines.join()).to.include({ code });
      expect(error.message).to.match(/^Dockerfile:[23]: /);
    }
  });

  it('A build keeps its image from a collection, and leaves the name where it was if it fails', async () => {
    const first = await shop.build(['FROM busybox', 'RUN echo 1 >/x'], {}, { tags: ['moving'] });
    let pruned = 0;
    const { image } = await shop.build(['FROM busybox', 'RUN echo 2 >/x', 'RUN cat /x'], {}, {
      noCache: true,
      onProgress: ({ kind }) => {
        if (kind === 'done') void shop.engine.images.prune().then(() => pruned++);
      },
    }); // prettier-ignore
    expect(await shop.sh(image, 'cat /x')).to.equal('2');
    expect(pruned).to.be.greaterThan(0);
    await rejectionOf(shop.build(['FROM busybox', 'RUN false'], {}, { tags: ['moving'] }));
    expect((await shop.engine.images.inspect('moving')).id).to.equal(first.image.id);
  });

  it('An image is what other tools take it for', async () => {
    const { image } = await shop.build(['FROM busybox', 'RUN echo 1 >/x', 'CMD cat /x'], {}, { tags: ['saved'] }); // prettier-ignore
    const path = shop.workshop.path('saved.tar');
    await writeFile(path, shop.engine.images.save(['saved']));
    await shop.engine.images.remove('saved');
    const [loaded] = await shop.engine.images.load(path);
    expect(loaded?.id).to.equal(image.id);
    expect((await shop.engine.run('saved')).stdout).to.equal('1\n');
  });
});
