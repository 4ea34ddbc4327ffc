// Starts a container from the package, on the main thread and in a worker.
import { isMainThread, Worker } from 'node:worker_threads';
import { Engine } from 'caisson';

const engine = await Engine.open();
const { stdout, exitCode } = await engine.run('host', ['sh', '-c', 'hostname'], { memory: '64m' });
await engine.close();
if (exitCode !== 0 || !/^[0-9a-f]{12}\n$/.test(stdout)) {
  throw new Error(`exit code ${exitCode}, output ${JSON.stringify(stdout)}`);
}
if (isMainThread) {
  await new Promise((resolve, reject) => {
    new Worker(new URL(import.meta.url))
      .on('error', reject)
      .on('exit', (code) => (code === 0 ? resolve() : reject(new Error(`worker: ${code}`))));
  });
  console.log(`package: works on Node ${process.versions.node}, also in a worker`);
}
