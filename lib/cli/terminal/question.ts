/** A question on the terminal, whose answer is one line. */
import { print } from '../report.js';
import { SignalError } from './command-signals.js';

const [INTERRUPT, END, BACKSPACE, DELETE] = ['\x03', '\x04', '\b', '\x7f'];

/**
 * @param hidden the terminal does not show the answer. Its keys arrive here one by one then.
 * @throws SignalError for Ctrl-C
 */
export async function askTerminal(question: string, hidden = false): Promise<string> {
  const { stdin } = process;
  // First, so that nothing is shown of an answer that comes at once.
  if (hidden) stdin.setRawMode(true);
  print(1, question);
  stdin.setEncoding('utf8');
  try {
    return await new Promise<string>((resolve, reject) => {
      let text = '';
      const finish = (error?: SignalError): void => {
        stdin.off('data', take);
        stdin.off('end', ended);
        if (error === undefined) resolve(text);
        else reject(error);
      };
      const ended = (): void => finish();
      const take = (chunk: string): void => {
        for (const character of chunk) {
          if (character === '\r' || character === '\n' || character === END) return finish();
          if (character === INTERRUPT) return finish(new SignalError('SIGINT'));
          if (character === BACKSPACE || character === DELETE) text = text.slice(0, -1);
          else text += character;
        }
      };
      stdin.on('data', take);
      stdin.once('end', ended);
      stdin.resume();
    });
  } finally {
    stdin.pause();
    if (hidden) {
      stdin.setRawMode(false);
      print(1, '\n');
    }
  }
}
