/** The remedy where a bundler has included code of caisson, and not the files that this code needs. */
export const BUNDLER_HINT =
  'exclude `caisson` from the bundle, so that it is loaded from node_modules (esbuild: `--external:caisson`, webpack: ' +
  '`externals`, Next.js: `serverExternalPackages`; single executable applications: `createRequire(process.execPath)`)';
