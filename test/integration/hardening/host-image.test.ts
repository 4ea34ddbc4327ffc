/** What of the host's own files a container of the `host` image can read. */
import { randomBytes } from 'node:crypto';
import { chmod, chown, mkdir, rm, writeFile } from 'node:fs/promises';
import { expect } from 'chai';
import { needsRoot } from '../../support/needs.js';
import { Workshop } from '../../support/workshop.js';

const { describe: describeAsRoot } = needsRoot('files of root and of others below /usr');

describeAsRoot('the host image', () => {
  const place = `/usr/local/share/caisson-test-${randomBytes(6).toString('hex')}`;
  let shop: Workshop;
  before(async () => {
    shop = await Workshop.open();
    await mkdir(place, { mode: 0o755 });
  });
  after(async () => {
    await rm(place, { recursive: true, force: true });
    await shop.close();
  });

  async function file(name: string, mode: number, uid = 0, gid = 0): Promise<void> {
    await writeFile(`${place}/${name}`, `secret of ${name}\n`);
    await chown(`${place}/${name}`, uid, gid);
    await chmod(`${place}/${name}`, mode);
  }

  for (const userns of ['auto', 'host'] as const) {
    it(`A4: a root shows nothing of what not every user of the host may read, with userns "${userns}"`, async () => {
      await file('own', 0o600);
      await file('group', 0o640);
      await file('other-user', 0o600, 1000, 1000);
      await file('public', 0o644);
      await file('replaced', 0o644);
      await mkdir(`${place}/closed/below`, { recursive: true });
      await file('closed/below/open', 0o644);
      await chmod(`${place}/closed`, 0o700);
      await using box = await shop.session({ userns }, 'host');
      const readable = async (name: string) =>
        (await box.sh(`cat ${place}/${name} 2>/dev/null || echo refused`)) !== 'refused';
      expect(await readable('public')).to.equal(true);
      for (const name of ['own', 'group', 'other-user', 'closed/below/open'])
        expect(await readable(name), name).to.equal(false);
      expect(await box.sh(`ls ${place}/closed 2>/dev/null || echo refused`)).to.equal('refused');
      expect(await box.sh(`cp ${place}/own /tmp/x 2>/dev/null || echo refused`)).to.equal(
        'refused',
      );
      const changed = `chmod 644 ${place}/own 2>/dev/null; cat ${place}/own 2>/dev/null || echo refused`;
      expect(await box.sh(changed)).to.equal('refused');

      // The layer is the host's live directory.
      await file('later', 0o600);
      await chmod(`${place}/replaced`, 0o600);
      expect(await readable('later'), 'later').to.equal(false);
      expect(await readable('replaced'), 'replaced').to.equal(false);

      // What the container makes itself is its own.
      const own = `echo mine >${place}/made && chmod 600 ${place}/made && cat ${place}/made`;
      expect(await box.sh(own)).to.equal('mine');
      expect(
        await box.sh(`rm ${place}/own && echo new >${place}/own && cat ${place}/own`),
      ).to.equal('new');
      await rm(`${place}/closed`, { recursive: true });
    });
  }
});
