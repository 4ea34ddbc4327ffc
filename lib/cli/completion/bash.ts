/** For bash: one function, without the bash-completion package. */
import { type Position, quoted, spellings, valueKind } from './positions.js';

export function bashScript(positions: readonly Position[]): string {
  return `# Completion of caisson for bash: source <(caisson completion bash)

# The candidates at command $1, and the values of its flag $2.
__caisson_position() {
  children='' flags='' valued=' ' argument='' count=0 ends='' value=''
  case $1 in
${positions.map(positionCase).join('')}  esac
}

${FUNCTIONS}
complete -F _caisson caisson
`;
}

function positionCase({ path, flags, children, argument, count, ends }: Position): string {
  const valued = flags.filter((flag) => flag.value !== undefined);
  const values = valued
    .filter((flag) => valueKind(flag) !== '')
    .map((flag) => `        ${spellings(flag).join(' | ')}) value=${quoted(valueKind(flag))} ;;\n`);
  const lines = [
    `      children=${quoted(children.map(([name]) => name).join(' '))}`,
    `      flags=${quoted(flags.flatMap(spellings).join(' '))}`,
    `      valued=' ${valued.flatMap(spellings).join(' ')} '`,
    `      argument=${quoted(argument)} count=${Number.isFinite(count) ? count : 9999} ends=${ends ? 1 : "''"}`,
    ...(values.length === 0 ? [] : [`      case $2 in\n${values.join('')}      esac`]),
  ];
  return `    ${quoted(path)})\n${lines.join('\n')}\n      ;;\n`;
}

// Words for compgen -W are expanded by it: names of containers cannot have a dollar or a backquote in them.
const FUNCTIONS = `__caisson_containers() {
  "\${COMP_WORDS[0]}" \${roots[@]+"\${roots[@]}"} ps "$@" --format '{{.Names}}' 2>/dev/null
}

# Words that begin with $cur, of a kind.
__caisson_complete() {
  local list
  case $1 in
    @file) compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
    @directory) compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -d -- "$cur"); return ;;
    @all) list=$(__caisson_containers -a) ;;
    @running) list=$(__caisson_containers) ;;
    @paused) list=$(__caisson_containers --filter status=paused) ;;
    @stopped) list=$(__caisson_containers -a --filter status=created --filter status=exited) ;;
    @network) list=$("\${COMP_WORDS[0]}" \${roots[@]+"\${roots[@]}"} network ls --format '{{.Name}}' 2>/dev/null) ;;
    @volume) list=$("\${COMP_WORDS[0]}" \${roots[@]+"\${roots[@]}"} volume ls --format '{{.Name}}' 2>/dev/null) ;;
    @image) list=host ;;
    *) list=$1 ;;
  esac
  mapfile -t COMPREPLY < <(compgen -W "$list" -- "$cur")
  # A value follows the equals sign.
  [[ \${#COMPREPLY[@]} -eq 1 && \${COMPREPLY[0]} == *= ]] && compopt -o nospace 2>/dev/null
  return 0
}

# The flag of $word whose value is the next word, if there is one: --name, -n, or the last of -abn.
__caisson_waiting() {
  local letters letter
  waiting=''
  if [[ $word == --* ]]; then
    [[ $valued == *" $word "* ]] && waiting=$word
    return
  fi
  letters=\${word#-}
  while [[ -n $letters ]]; do
    letter=\${letters:0:1} letters=\${letters:1}
    if [[ $valued == *" -$letter "* ]]; then
      [[ -z $letters ]] && waiting=-$letter
      return
    fi
  done
}

_caisson() {
  local cur=\${COMP_WORDS[COMP_CWORD]} command='' word waiting over=''
  local children flags valued argument count ends value
  local -a roots=()
  local -i at=1 given=0
  COMPREPLY=()
  # Bash takes --name=value for three words.
  [[ $cur == = ]] && cur=''
  __caisson_position '' ''
  while ((at < COMP_CWORD)); do
    word=\${COMP_WORDS[at]}
    at+=1
    if [[ -z $over && $word == -- ]]; then
      over=1
    elif [[ -z $over && $word == -?* ]]; then
      __caisson_waiting
      [[ -z $waiting && \${COMP_WORDS[at]} != = ]] && continue
      [[ \${COMP_WORDS[at]} == = ]] && ((at < COMP_CWORD)) && at+=1
      if ((at >= COMP_CWORD)); then
        __caisson_position "$command" "$waiting"
        [[ -n $value ]] && __caisson_complete "$value"
        return 0
      fi
      [[ -z $command && $waiting == --*-root ]] && roots+=("$waiting" "\${COMP_WORDS[at]}")
      at+=1
    elif [[ $given -eq 0 && " $children " == *" $word "* ]]; then
      command=\${command:+$command }$word
      __caisson_position "$command" ''
    else
      given+=1
      [[ -n $ends ]] && over=1
    fi
  done
  if [[ -z $over && $cur == -* ]]; then
    __caisson_complete "$flags"
  elif [[ -n $children && $given -eq 0 ]]; then
    __caisson_complete "$children"
  elif ((given < count)); then
    [[ -n $argument ]] && __caisson_complete "$argument"
  elif [[ -n $ends ]]; then
    __caisson_complete @file
  fi
  return 0
}`;
