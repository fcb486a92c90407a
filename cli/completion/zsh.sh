#compdef convoke
# Completion of convoke for zsh: source <(convoke completion zsh), or a file _convoke in a folder of $fpath
_convoke() {
  local -a lines candidates options
  local line directive value about
  lines=("${(@f)$(convoke __complete "${(@Q)words[2,CURRENT]}" 2>/dev/null)}")
  directive=${${lines[-1]}#:}
  [[ $directive == <-> ]] || return 1
  lines=("${(@)lines[1,-2]}")
  for line in "${lines[@]}"; do
    value=${line%%$'\t'*}
    about=''
    [[ $line == *$'\t'* ]] && about=${line#*$'\t'}
    candidates+=("${value//:/\\:}${about:+:$about}")
  done
  # Only what stands behind `=` is to be completed.
  [[ $PREFIX == --*=* ]] && compset -P '*='
  (( directive & 2 )) && options+=(-S '')
  if (( directive & 16 )); then
    _files -/
  elif (( ${#candidates} > 0 )); then
    if (( directive & 32 )); then
      _describe -V convoke candidates "${options[@]}"
    else
      _describe convoke candidates "${options[@]}"
    fi
    (( directive & 4 )) || _files
  elif (( ! (directive & 4) )); then
    _files
  fi
}
# Sourced, it is to be registered; as a file of $fpath it is called.
if [[ ${funcstack[1]} == _convoke ]]; then
  _convoke "$@"
else
  compdef _convoke convoke
fi
