# Completion of convoke for bash: source <(convoke completion bash)
_convoke() {
  # Bash splits words at `=` and `:`; convoke does not.
  local words=() word previous='' current line directive value
  for word in "${COMP_WORDS[@]:1:COMP_CWORD}"; do
    if [[ ${#words[@]} -gt 0 && ( $word == [=:] || $previous == [=:] ) ]]; then
      words[${#words[@]} - 1]+=$word
    else
      words+=("$word")
    fi
    previous=$word
  done
  current=${words[${#words[@]} - 1]}
  local lines=()
  while IFS= read -r line; do lines+=("$line"); done < <(convoke __complete "${words[@]}" 2>/dev/null)
  [[ ${#lines[@]} -gt 0 ]] || return
  directive=${lines[${#lines[@]} - 1]#:}
  unset "lines[${#lines[@]} - 1]"
  [[ $current == --*=* ]] && current=${current#*=}
  COMPREPLY=()
  for line in "${lines[@]}"; do
    value=${line%%$'\t'*}
    # Of a word with a colon bash replaces only what stands behind it.
    [[ $current == *:* ]] && value=${value#"${current%:*}:"}
    COMPREPLY+=("$value")
  done
  (( directive & 2 )) && compopt -o nospace
  (( directive & 32 )) && compopt -o nosort 2>/dev/null
  if (( directive & 16 )); then
    compopt -o plusdirs
  elif (( ! (directive & 4) && ${#COMPREPLY[@]} == 0 )); then
    compopt -o default
  fi
}
complete -F _convoke convoke
