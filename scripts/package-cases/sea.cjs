// A single executable application, with node_modules beside it.
const { createRequire } = require('node:module');
const { Engine } = createRequire(process.execPath)('caisson');

async function main() {
  const engine = await Engine.open();
  const { stdout } = await engine.run('host', ['echo', 'works']);
  await engine.close();
  process.stdout.write(stdout);
}
main();
