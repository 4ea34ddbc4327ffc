// scripts/make-images calls this: makes one image. Arguments: its name, the new directory of its layout.
import { Layout } from './layout.mjs';

const [name, directory] = process.argv.slice(2);
const { make } = await import(`./${name}.mjs`);
const layout = new Layout(directory);
await layout.create();
await make(layout);
