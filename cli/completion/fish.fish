# Completion of convoke for fish: convoke completion fish | source
function __convoke_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -l lines (convoke __complete $words[2..-1] "$current" 2>/dev/null)
    test (count $lines) -gt 0; or return
    set -l directive (string replace : '' -- $lines[-1])
    set -e lines[-1]
    # Behind `=` fish wants the whole word.
    set -l start ''
    if string match -q -- '--*=*' $current
        set start (string replace -r '=.*' '=' -- $current)
    end
    for line in $lines
        echo -- $start$line
    end
    if test (math "bitand($directive, 16)") -ne 0
        __fish_complete_directories (string replace -- $start '' $current)
    else if test (math "bitand($directive, 4)") -eq 0
        __fish_complete_path (string replace -- $start '' $current)
    end
end
complete -c convoke -f -k -a '(__convoke_complete)'
