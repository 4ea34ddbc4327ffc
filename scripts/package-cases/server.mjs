import { Engine } from 'caisson';

const engine = await Engine.open();
const { stdout } = await engine.run('host', ['echo', 'works']);
await engine.close();
process.stdout.write(stdout);
