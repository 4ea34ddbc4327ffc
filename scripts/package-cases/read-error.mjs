// Prints the error of the package where it does not work.
import('caisson')
  .then(({ Engine }) => Engine.open())
  .then(
    (engine) => engine.close(),
    ({ name, code, message, hint }) => console.log(JSON.stringify({ name, code, message, hint })),
  );
