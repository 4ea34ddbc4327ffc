// What installs the package, and with which release of Node: each is run with a home and a cache of its own.

/** @param tools the directory of node_modules with what package.json names */
export function installers(tools, tarball) {
  const npm = (major) => ({
    name: `npm ${major}`,
    version: `npm-${major}`,
    isNpm: true,
    command: ['node', `${tools}/npm-${major}/bin/npm-cli.js`, 'install', tarball],
  });
  const yarn = ['node', `${tools}/@yarnpkg/cli-dist/bin/yarn.js`];
  const berry = {
    version: '@yarnpkg/cli-dist',
    command: [...yarn, 'add', `caisson@file:${tarball}`],
  };
  return [
    // Newer ones run no scripts without being told to.
    { ...npm(10), node: '20', env: { npm_config_ignore_scripts: 'true' } },
    { ...npm(11), node: '24', env: { npm_config_ignore_scripts: 'true' } },
    { ...npm(12), node: '26' },
    {
      name: 'pnpm',
      version: 'pnpm',
      node: '24',
      command: ['node', `${tools}/pnpm/bin/pnpm.mjs`, 'add', tarball],
    },
    {
      name: 'yarn classic',
      version: 'yarn',
      node: '20',
      // Root's cache would be in /usr/local.
      command: [
        ...['node', `${tools}/yarn/bin/yarn.js`, 'add', '--ignore-scripts'],
        ...['--cache-folder', '../home/cache', tarball],
      ],
    },
    {
      ...berry,
      name: 'yarn, node-modules',
      node: '22',
      files: { 'yarn.lock': '', '.yarnrc.yml': 'nodeLinker: node-modules\nenableScripts: false\n' },
    },
    {
      ...berry,
      name: 'yarn, pnp',
      node: '22',
      files: { 'yarn.lock': '', '.yarnrc.yml': 'nodeLinker: pnp\nenableScripts: false\n' },
      // Sets what Node needs to find packages.
      runner: [...yarn, 'node'],
    },
    {
      name: 'bun',
      version: 'bun',
      node: '24',
      // The package has the program itself as a dependency.
      command: [
        `${tools}/@oven/bun-linux-${process.arch}/bin/bun`,
        'add',
        '--ignore-scripts',
        tarball,
      ],
    },
  ];
}

/**
 * Warnings that an installer has written, whatever they are about, but that of Yarn classic that it was told to run no scripts. Yarn numbers all that it writes: 0000 is progress, 0013 and
 * 0085 what was added, 0092 that its loader for ES modules is experimental (in every project with an ES module).
 */
export function warningsOf(output) {
  return output
    .split('\n')
    .filter((line) =>
      line.startsWith('➤')
        ? !/^➤ YN00(00|13|85|92):/.test(line)
        : line !== 'warning Ignored scripts due to flag.' &&
          /warn|deprecat|\bERR|peer|rebuil|node-gyp|blocked|ignored/i.test(line),
    );
}
