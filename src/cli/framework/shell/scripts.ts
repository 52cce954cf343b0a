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
  local word line directive=0 typed=\${COMP_WORDS[COMP_CWORD]} words=() glue=""
  COMPREPLY=()
  # bash cuts --flag=value into three words.
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD}"; do
    if [ \${#words[@]} -gt 0 ] && { [ "$word" = "=" ] || [ -n "$glue" ]; }; then
      words[\${#words[@]}-1]+=$word
    else
      words+=("$word")
    fi
    if [ "$word" = "=" ]; then glue=yes; else glue=""; fi
  done
  [ "$typed" = "=" ] && typed=""
  while IFS= read -r line; do
    case $line in
      :*) directive=\${line#:} ;;
      "$typed"*) COMPREPLY+=("$line") ;;
    esac
  done < <("\${COMP_WORDS[0]}" __completeNoDesc "\${words[@]}" 2>/dev/null)
  if [ "\${#COMPREPLY[@]}" -eq 0 ]; then
    case $directive in
      0) compopt -o default 2>/dev/null ;;
      16) compopt -o dirnames 2>/dev/null ;;
    esac
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
  local -a candidates typed
  typed=("\${(@Q)words[2,CURRENT]}")
  while IFS= read -r line; do
    case $line in
      :*) directive=\${line#:} ;;
      *) line=\${line//:/\\\\:}
         candidates+=("\${line/$'\\t'/:}") ;;
    esac
  done < <("\${(Q)words[1]}" __complete "\${typed[@]}" 2>/dev/null)
  # What stands before the value of --flag=value is there already.
  [[ \${typed[-1]} == -*=* ]] && compset -P '*='
  if (( \${#candidates} )); then
    _describe completions candidates
  elif (( directive == 0 )); then
    _files
  elif (( directive == 16 )); then
    _files -/
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

function __${tool}_answer
    set -l words (commandline -opc) (commandline -ct)
    $words[1] __complete $words[2..-1] 2>/dev/null
end

function __${tool}_complete
    # A candidate is the whole word: for --flag=value, with the flag before it.
    set -l before (string match -r -- '^-.*?=' (commandline -ct))
    for line in (__${tool}_answer)
        string match -q -- ':*' $line; or echo "$before$line"
    end
end

function __${tool}_offers
    set -l answer (__${tool}_answer)
    test (count $answer) -eq 1 -a "$answer[-1]" = ":$argv[1]"
end

complete -c ${tool} -e
complete -c ${tool} -n 'not __${tool}_offers 0' -f -a '(__${tool}_complete)'
complete -c ${tool} -n '__${tool}_offers 0' -F
complete -c ${tool} -n '__${tool}_offers 16' -f -a '(__fish_complete_directories (commandline -ct))'
`;
}

function powershellScript(tool: string): string {
  return `# powershell completion for ${tool}                        -*- shell-script -*-

Register-ArgumentCompleter -Native -CommandName '${tool}' -ScriptBlock {
    param($WordToComplete, $CommandAst, $CursorPosition)
    $words = @($CommandAst.CommandElements | Select-Object -Skip 1 | ForEach-Object { "$_" })
    if ($WordToComplete -eq '') { $words += '""' }
    # A candidate is the whole word: for --flag=value, with the flag before it.
    $before = if ($WordToComplete -match '^-[^=]*=') { $Matches[0] } else { '' }
    & '${tool}' __complete @words 2>$null |
        Where-Object { $_ -notlike ':*' -and "$before$_".StartsWith($WordToComplete) } |
        ForEach-Object {
            $word, $description = $_ -split "\`t", 2
            if (-not $description) { $description = $word }
            [System.Management.Automation.CompletionResult]::new(
                "$before$word", $word, 'ParameterValue', $description)
        }
}
`;
}
