/** The command line asks for help. main prints it, because only main has all commands. */
export class HelpRequest extends Error {
  /** @param command such as `explain run`; empty for caisson itself. */
  constructor(readonly command: string) {
    super(`help for "${command}"`);
    this.name = 'HelpRequest';
  }
}
