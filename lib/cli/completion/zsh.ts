/** For zsh, with descriptions. */
import { IMAGE_NAMES, type Position, quoted, spellings, valueKind } from './positions.js';

export function zshScript(positions: readonly Position[]): string {
  return `#compdef caisson
# Completion of caisson for zsh: source <(caisson completion zsh), or in a file _caisson of $fpath

# The candidates at command $1, and the values of its flag $2.
__caisson_position() {
  children=() flags=() valued=() argument='' count=0 ends='' value=''
  case $1 in
${positions.map(positionCase).join('')}  esac
}

${FUNCTIONS}
if [[ $funcstack[1] == _caisson ]]; then
  _caisson "$@"
else
  compdef _caisson caisson
fi
`;
}

/** A colon separates the word from its description. */
function described(word: string, help: string): string {
  return quoted(`${word.replace(/:/g, '\\:')}:${help}`);
}

function positionCase({ path, flags, children, argument, count, ends }: Position): string {
  const valued = flags.filter((flag) => flag.value !== undefined);
  const values = valued
    .filter((flag) => valueKind(flag) !== '')
    .map((flag) => `        ${spellings(flag).join(' | ')}) value=${quoted(valueKind(flag))} ;;\n`);
  const options = flags.flatMap((flag) =>
    spellings(flag).map((word) => described(word, flag.help)),
  );
  const lines = [
    `      children=(${children.map(([name, what]) => described(name, what)).join(' ')})`,
    `      flags=(${options.join(' ')})`,
    `      valued=(${valued.flatMap(spellings).join(' ')})`,
    `      argument=${quoted(argument)} count=${Number.isFinite(count) ? count : 9999} ends=${ends ? 1 : "''"}`,
    ...(values.length === 0 ? [] : [`      case $2 in\n${values.join('')}      esac`]),
  ];
  return `    ${path === '' ? "''" : quoted(path)})\n${lines.join('\n')}\n      ;;\n`;
}

const FUNCTIONS = `__caisson_containers() {
  local -a names
  names=(\${(f)"$("\${(Q)words[1]}" "\${roots[@]}" ps "$@" --format '{{.Names}}' 2>/dev/null)"})
  compadd -a names
}

__caisson_images() {
  local -a names
  names=(\${(f)"$("\${(Q)words[1]}" "\${roots[@]}" ${IMAGE_NAMES} 2>/dev/null)"})
  compadd -a names
}

__caisson_complete() {
  case $1 in
    @file) _files ;;
    @directory) _files -/ ;;
    @all) __caisson_containers -a ;;
    @running) __caisson_containers ;;
    @paused) __caisson_containers --filter status=paused ;;
    @stopped) __caisson_containers -a --filter status=created --filter status=exited ;;
    @network) compadd -- \${(f)"$("\${(Q)words[1]}" "\${roots[@]}" network ls --format '{{.Name}}' 2>/dev/null)"} ;;
    @volume) compadd -- \${(f)"$("\${(Q)words[1]}" "\${roots[@]}" volume ls --format '{{.Name}}' 2>/dev/null)"} ;;
    @image) compadd host; __caisson_images ;;
    @stored-image) __caisson_images ;;
    *) compadd -- \${=1} ;;
  esac
}

# The flag of $word whose value is the next word, if there is one: --name, -n, or the last of -abn.
__caisson_waiting() {
  local letters letter
  waiting=''
  if [[ $word == --* ]]; then
    (( \${valued[(Ie)$word]} )) && waiting=$word
    return 0
  fi
  letters=\${word#-}
  while [[ -n $letters ]]; do
    letter=\${letters[1]} letters=\${letters[2,-1]}
    if (( \${valued[(Ie)-$letter]} )); then
      [[ -z $letters ]] && waiting=-$letter
      return 0
    fi
  done
}

_caisson() {
  local command='' word waiting over='' argument ends value
  local -a children flags valued roots
  local -i at=2 given=0 count
  __caisson_position '' ''
  while (( at < CURRENT )); do
    word=\${(Q)words[at]}
    at+=1
    if [[ -z $over && $word == -- ]]; then
      over=1
    elif [[ -z $over && $word == -?* ]]; then
      __caisson_waiting
      [[ -z $waiting ]] && continue
      if (( at >= CURRENT )); then
        __caisson_position "$command" "$waiting"
        [[ -n $value ]] && __caisson_complete "$value"
        return
      fi
      [[ -z $command && $waiting == --*-root ]] && roots+=("$waiting" "\${(Q)words[at]}")
      at+=1
    elif (( given == 0 )) && [[ -n \${(M)children:#$word:*} ]]; then
      command=\${command:+$command }$word
      __caisson_position "$command" ''
    else
      given+=1
      [[ -n $ends ]] && over=1
    fi
  done
  if [[ -z $over && \${words[CURRENT]} == --*=* ]]; then
    waiting=\${words[CURRENT]%%=*}
    __caisson_position "$command" "$waiting"
    compset -P '*='
    [[ -n $value ]] && __caisson_complete "$value"
  elif [[ -z $over && \${words[CURRENT]} == -* ]]; then
    _describe -o 'option' flags
  elif (( $#children && given == 0 )); then
    _describe 'command' children
  elif (( given < count )); then
    [[ -n $argument ]] && __caisson_complete "$argument"
  elif [[ -n $ends ]]; then
    _files
  fi
}
`;
