/** A command line asked for help instead of being run: main prints it, as only main knows all commands. */
export class HelpRequest extends Error {
  /** @param command such as `explain run`; empty for caisson itself. */
  constructor(readonly command: string) {
    super(`help for "${command}"`);
    this.name = 'HelpRequest';
  }
}
