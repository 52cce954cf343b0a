/**
 * Scripts that make a shell ask the tool for completions (see complete.ts). They hold no list of
 * commands: an upgraded tool completes its new commands with the old script.
 */

export const SHELLS = ["bash", "zsh", "fish", "powershell"] as const;

export type Shell = (typeof SHELLS)[number];

export function completionScript(shell: Shell, tool: string): string {
  switch (shell) {
    case "bash":
      return bashScript(tool);
    case "zsh":
      return zshScript(tool);
    case "fish":
      return fishScript(tool);
    case "powershell":
      return powershellScript(tool);
  }
}

function bashScript(tool: string): string {
  return `# bash completion for ${tool}                              -*- shell-script -*-

__${tool}_complete() {
  local line directive=0 typed=\${COMP_WORDS[COMP_CWORD]} words=("\${COMP_WORDS[@]:1:COMP_CWORD}")
  COMPREPLY=()
  [ "$typed" = "=" ] && typed=""
  while IFS= read -r line; do
    case $line in
      :*) directive=\${line#:} ;;
      "$typed"*) COMPREPLY+=("$line") ;;
    esac
  done < <("\${COMP_WORDS[0]}" __completeNoDesc "\${words[@]}" 2>/dev/null)
  if [ "\${#COMPREPLY[@]}" -eq 0 ] && [ "$directive" -eq 0 ]; then
    compopt -o default 2>/dev/null
  fi
}

complete -F __${tool}_complete ${tool}
`;
}

function zshScript(tool: string): string {
  return `#compdef ${tool}
# zsh completion for ${tool}

_${tool}() {
  local line directive=0
  local -a candidates
  while IFS= read -r line; do
    case $line in
      :*) directive=\${line#:} ;;
      *) line=\${line//:/\\\\:}
         candidates+=("\${line/$'\\t'/:}") ;;
    esac
  done < <("\${words[1]}" __complete "\${(@)words[2,CURRENT]}" 2>/dev/null)
  if (( \${#candidates} )); then
    _describe completions candidates
  elif (( directive == 0 )); then
    _files
  fi
}

if [ "$funcstack[1]" = "_${tool}" ]; then
  _${tool} "$@"
else
  compdef _${tool} ${tool}
fi
`;
}

function fishScript(tool: string): string {
  return `# fish completion for ${tool}                              -*- shell-script -*-

function __${tool}_complete
    set -l words (commandline -opc) (commandline -ct)
    for line in ($words[1] __complete $words[2..-1] 2>/dev/null)
        string match -q -- ':*' $line; or echo $line
    end
end

function __${tool}_offers_files
    set -l words (commandline -opc) (commandline -ct)
    set -l answer ($words[1] __complete $words[2..-1] 2>/dev/null)
    test (count $answer) -eq 1 -a "$answer[-1]" = ":0"
end

complete -c ${tool} -e
complete -c ${tool} -n 'not __${tool}_offers_files' -f -a '(__${tool}_complete)'
complete -c ${tool} -n __${tool}_offers_files -F
`;
}

function powershellScript(tool: string): string {
  return `# powershell completion for ${tool}                        -*- shell-script -*-

Register-ArgumentCompleter -Native -CommandName '${tool}' -ScriptBlock {
    param($WordToComplete, $CommandAst, $CursorPosition)
    $words = @($CommandAst.CommandElements | Select-Object -Skip 1 | ForEach-Object { "$_" })
    if ($WordToComplete -eq '') { $words += '""' }
    & '${tool}' __complete @words 2>$null |
        Where-Object { $_ -notlike ':*' } |
        ForEach-Object {
            $word, $description = $_ -split "\`t", 2
            if (-not $description) { $description = $word }
            [System.Management.Automation.CompletionResult]::new(
                $word, $word, 'ParameterValue', $description)
        }
}
`;
}
