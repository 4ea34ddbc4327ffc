/**
 * Workers that are terminated just before they call the addon for a promise. JavaScript goes on until it comes to a
 * loop or to the beginning of a function of its own, and nothing can be made for it any more. To be run with
 * MALLOC_PERTURB_, so that memory that is not initialized is never zero. Writes the calls that were tried.
 */
import { createHash } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { loadNative } from '../../../lib/native/load.js';

const CALLS = ['readBelow', 'treeSize', 'netlink', 'compileSeccomp'] as const;
type Call = (typeof CALLS)[number];

/** Takes at least 0.1 s to hash: by then the main thread has terminated this one. */
const MUCH = 256 << 20;

function call(chosen: Call): void {
  const native = loadNative();
  const port = parentPort!;
  const much = new Uint8Array(MUCH);
  const hash = createHash('sha256');
  const nothing = new Uint8Array();
  const words = new BigUint64Array();
  port.postMessage('now');
  hash.update(much);
  // From here on no loop, and no function but the addon's.
  if (chosen === 'readBelow') void native.readBelow(['/'], 'etc/passwd', 4096);
  else if (chosen === 'treeSize') void native.treeSize('/proc/self/fdinfo');
  else if (chosen === 'netlink') void native.netlink(0, nothing, -1, false, '');
  else void native.compileSeccomp([], [], words);
}

if (isMainThread) {
  for (const chosen of CALLS) {
    const worker = new Worker(fileURLToPath(import.meta.url), { workerData: chosen });
    const said: string[] = [];
    worker.on('message', (message: string) => {
      said.push(message);
      void worker.terminate();
    });
    const code = await new Promise<number>((resolve) => worker.once('exit', resolve));
    if (code !== 1 || said.length !== 1) throw new Error(`${chosen}: exit ${code}, ${said.join()}`);
  }
  console.log(JSON.stringify(CALLS.join(' ')));
} else {
  call(workerData as Call);
}
