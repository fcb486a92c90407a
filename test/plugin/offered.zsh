# What zsh offers at Tab behind a line, one a line: zsh -f offered.zsh 'convoke sta'
zmodload zsh/zpty
folder=$(mktemp -d)
cat > $folder/rc <<'END'
PROMPT=''
unsetopt zle_bracketed_paste 2>/dev/null
autoload -Uz compinit
compinit -u -D
source <(convoke completion zsh)
zstyle ':completion:*' insert-tab false
bindkey '^I' complete-word
# Whatever is to be offered goes through here; what is asked only to look (-O, -A, -D) is none of it.
compadd() {
  if [[ ${@[1,(i)(-|--)]} != *-(O|A|D)\ * ]]; then
    typeset -a offered
    builtin compadd -A offered "$@"
    print -rl -- ${offered/#/OFFERED } >> $OFFERED
  fi
  builtin compadd "$@"
}
print ready > $OFFERED.ready
END
export OFFERED=$folder/offered
zpty shell zsh -f -i
zpty -w shell "source $folder/rc"
repeat 200; do [[ -e $OFFERED.ready ]] && break; sleep 0.05; done
zpty -w -n shell "$1"$'\t'
repeat 200; do [[ -e $OFFERED ]] && break; sleep 0.05; done
sleep 0.2
zpty -d shell
grep -h '^OFFERED ' $OFFERED 2>/dev/null | sed 's/^OFFERED //' | sort -u
rm -rf $folder
