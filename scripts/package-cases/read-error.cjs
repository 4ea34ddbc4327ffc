// Prints the error of the package where it does not work.
async function main() {
  const { Engine } = require('caisson');
  await (await Engine.open()).close();
}
main().catch(({ name, code, message, hint }) =>
  console.log(JSON.stringify({ name, code, message, hint })),
);
