/** For bash: one function, without the bash-completion package. */
import { IMAGE_NAMES, type Position, quoted, spellings, valueKind } from './positions.js';

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

__caisson_images() {
  "\${COMP_WORDS[0]}" \${roots[@]+"\${roots[@]}"} ${IMAGE_NAMES} 2>/dev/null
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
    @image) list="host $(__caisson_images)" ;;
    @stored-image) list=$(__caisson_images) ;;
    *) list=$1 ;;
  esac
  mapfile -t COMPREPLY < <(compgen -W "$list" -- "$cur")
  # Bash replaces what was typed since the last colon only.
  if [[ $cur == *:* && \${COMP_WORDBREAKS-} == *:* && \${#COMPREPLY[@]} -gt 0 ]]; then
    local typed=\${cur%"\${cur##*:}"}
    COMPREPLY=("\${COMPREPLY[@]#"$typed"}")
  fi
  # A value follows the equals sign.
  [[ \${#COMPREPLY[@]} -eq 1 && \${COMPREPLY[0]} == *= ]] && compopt -o nospace 2>/dev/null
  return 0
}

# What was typed, without the words that bash makes of the colons of a name; the last one is the one to complete.
__caisson_words() {
  local word previous='' gap rest=\${COMP_LINE-}
  local -i at
  words=()
  for ((at = 0; at <= COMP_CWORD; at++)); do
    word=\${COMP_WORDS[at]} gap=$rest
    if [[ -n $word ]]; then
      gap=\${rest%%"$word"*} rest=\${rest#*"$word"}
    fi
    if ((at > 1)) && [[ -z $gap && ($word == :* || $previous == *:) ]]; then
      words[\${#words[@]}-1]+=$word
    else
      words+=("$word")
    fi
    previous=$word
  done
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
  local cur command='' word waiting over=''
  local children flags valued argument count ends value
  local -a roots=() words
  local -i at=1 given=0 last
  __caisson_words
  last=\${#words[@]}-1
  cur=\${words[last]}
  COMPREPLY=()
  # Bash takes --name=value for three words.
  [[ $cur == = ]] && cur=''
  __caisson_position '' ''
  while ((at < last)); do
    word=\${words[at]}
    at+=1
    if [[ -z $over && $word == -- ]]; then
      over=1
    elif [[ -z $over && $word == -?* ]]; then
      __caisson_waiting
      [[ -z $waiting && \${words[at]} != = ]] && continue
      [[ \${words[at]} == = ]] && ((at < last)) && at+=1
      if ((at >= last)); then
        __caisson_position "$command" "$waiting"
        [[ -n $value ]] && __caisson_complete "$value"
        return 0
      fi
      [[ -z $command && $waiting == --*-root ]] && roots+=("$waiting" "\${words[at]}")
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
