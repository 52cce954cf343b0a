/** `TOOL completion SHELL`, for the command table of any tool. */
import type { CommandSpec, Invocation } from "../command.ts";
import { quote } from "../../../base/go-quote.ts";
import type { Shell } from "./scripts.ts";

const SHELL_NAMES: readonly string[] = ["bash", "zsh", "fish", "powershell"];

export function completionCommand(tool: string): CommandSpec {
  return {
    use: "completion [bash|zsh|fish|powershell]",
    short: "Generate completion script",
    long: describe(tool),
    plainUsageLine: true,
    validArgs: SHELL_NAMES,
    checkArgs: (args, path) => {
      if (args.length !== 1) return `accepts 1 arg(s), received ${args.length}`;
      const [shell = ""] = args;
      return SHELL_NAMES.includes(shell)
        ? undefined
        : `invalid argument ${quote(shell)} for ${quote(path)}`;
    },
    load: async () => printScript,
  };
}

async function printScript({ command, args, io }: Invocation): Promise<void> {
  const { completionScript } = await import("./scripts.ts");
  io.out(completionScript(args[0] as Shell, command.root.name));
}

function describe(tool: string): string {
  return `To load completions:

Bash:

  $ source <(${tool} completion bash)

  # To load completions for each session, execute once:
  # Linux:
  $ ${tool} completion bash > /etc/bash_completion.d/${tool}
  # macOS:
  $ ${tool} completion bash > /usr/local/etc/bash_completion.d/${tool}

Zsh:

  # If shell completion is not already enabled in your environment,
  # you will need to enable it.  You can execute the following once:

  $ echo "autoload -U compinit; compinit" >> ~/.zshrc

  # To load completions for each session, execute once:
  $ ${tool} completion zsh > "\${fpath[1]}/_${tool}"

  # You will need to start a new shell for this setup to take effect.

fish:

  $ ${tool} completion fish | source

  # To load completions for each session, execute once:
  $ ${tool} completion fish > ~/.config/fish/completions/${tool}.fish

PowerShell:

  PS> ${tool} completion powershell | Out-String | Invoke-Expression

  # To load completions for every new session, run:
  PS> ${tool} completion powershell > ${tool}.ps1
  # and source this file from your PowerShell profile.
`;
}
