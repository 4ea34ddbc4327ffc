/** kill -9 of processes that load, import, commit, save and remove images; pulls are killed in image-pull.test.ts. */
import { KILLED_VERBS, killImageVerb } from '../support/image-kills.js';
import { needsRoot } from '../support/needs.js';
import { Workshop } from '../support/workshop.js';

/** For each verb; scripts/soak has 200 of all. */
const KILLS = Number(process.env['CAISSON_TEST_KILLS'] ?? 4);

needsRoot('layers with the owners of an archive').describe('Images, with killed processes', () => {
  let shop: Workshop;

  before(async () => {
    shop = await Workshop.open();
  });
  after(() => shop.close());

  for (const verb of KILLED_VERBS)
    it(`After ${KILLS} kills of ${verb} at random moments the images are whole, and nothing is left`, async function () {
      this.timeout(30_000 + KILLS * 5000);
      const { engine, directory, busybox } = shop;
      const runRoot = shop.path('run');
      const ground = {
        engine,
        directory,
        dataRoot: engine.dataRoot,
        runRoot,
        rootfs: busybox.path,
      };
      await killImageVerb(ground, verb, KILLS);
    });
});
