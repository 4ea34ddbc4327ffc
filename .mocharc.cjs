// The command line's default for suites that are not about networks: they make no bridge on this machine.
process.env.CAISSON_NETWORK ??= 'none';

module.exports = {
  timeout: 20_000,
  slow: 2000,
  parallel: false,
  reporter: './dist/test/support/reporter.js',
  ignore: ['dist/test/**/fixtures/**', 'dist/test/**/support/**'],
};
