/** Asks for a password; what is typed on a terminal is not shown. */
import type { Io } from "../framework/io.ts";

const CTRL_C = "\u0003";
const CTRL_D = "\u0004";
const BACKSPACES = "\u007f\b";

/** Empty at the end of the input. */
export async function askPassword(io: Io, prompt: string): Promise<string> {
  io.out(prompt);
  if (!io.stdin.isTerminal) {
    const line = await io.stdin.readLine();
    io.out("\n");
    return line?.replace(/\r?\n$/, "") ?? "";
  }
  const password = await readHidden();
  io.out("\n");
  return password;
}

function readHidden(): Promise<string> {
  const { stdin } = process;
  stdin.setRawMode(true);
  stdin.resume();
  stdin.setEncoding("utf8");
  let typed = "";
  return new Promise((resolve) => {
    const finish = (password: string): void => {
      stdin.off("data", onData);
      stdin.setRawMode(false);
      stdin.pause();
      resolve(password);
    };
    const onData = (text: string): void => {
      for (const char of text) {
        if (char === "\r" || char === "\n" || char === CTRL_D) {
          finish(typed);
          return;
        }
        if (char === CTRL_C) {
          stdin.setRawMode(false);
          process.exit(128 + 2);
        }
        if (BACKSPACES.includes(char)) typed = [...typed].slice(0, -1).join("");
        else typed += char;
      }
    };
    stdin.on("data", onData);
  });
}
