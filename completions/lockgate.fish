# SPDX-License-Identifier: Apache-2.0
# fish completion for lockgate(1).

# Reads the words before the cursor. Prints, one a line: the command, the number of its operands so far, yes if names
# are files, the index of the word at which the wrapped command begins (0: not yet), then the options that say where
# the locks are.
function __lockgate_scan
    set -l words (commandline -opc)
    set -l command ''
    set -l operands 0
    set -l path no
    set -l wrapped 0
    set -l dashes no
    set -l place
    set -l i 2
    while test $i -le (count $words)
        set -l word $words[$i]
        set i (math $i + 1)
        if test $dashes = no; and test "$word" = --
            set dashes yes
            if test "$command" = exec; and test $operands -gt 0
                set wrapped $i
                break
            end
        else if test $dashes = no; and string match -q -- '-?*' "$word"
            if string match -qr -- '^(--(backend|config|dir|url|token-file|cacert|cert|key|color|timeout|conflict-exit-code|ttl|value|reason|id|on-lost|max-hold|shell|kill-after|owner-pid|handle|name-prefix|until|listen|store|tls-cert|tls-key|client-ca|tokens|max-ttl|max-body|max-connections|max-connections-per-address|max-waiters|max-locks|log-format|name|role)|-[^-bwEc]*[bwEc])$' "$word"
                if contains -- "$word" -b --backend --config --dir --url --token-file --cacert --cert --key; and test $i -le (count $words)
                    set place $place $word $words[$i]
                end
                set i (math $i + 1)
            else if string match -qr -- '^--(backend|config|dir|url|token-file|cacert|cert|key)=' "$word"
                set place $place $word
            else if test "$word" = --path
                set path yes
            end
        else if test -z "$command"
            set command $word
        else if test "$command" = exec; and test $operands -gt 0
            set wrapped (math $i - 1)
            break
        else
            set operands (math $operands + 1)
            if test "$command" = exec; and test $dashes = yes
                set wrapped $i
                if test $i -le (count $words); and test "$words[$i]" = --
                    set wrapped (math $i + 1)
                end
                break
            end
        end
    end
    # The word at the cursor begins COMMAND, unless it is the value of an option or an option itself.
    if test "$command" = exec; and test $operands -gt 0 -a $wrapped -eq 0 -a $i -eq (math (count $words) + 1)
        if not string match -q -- '-*' (commandline -ct)
            set wrapped $i
        end
    end
    printf '%s\n' "$command" $operands $path $wrapped $place
end

# True before the command's name.
function __lockgate_before_command
    set -l scan (__lockgate_scan)
    test -z "$scan[1]"
end

# True among the options and names of one of these commands.
function __lockgate_using
    set -l scan (__lockgate_scan)
    contains -- "$scan[1]" $argv; and test $scan[4] -eq 0
end

# True where the options of no command in particular may stand.
function __lockgate_outside
    set -l scan (__lockgate_scan)
    test $scan[4] -eq 0
end

# True where a lock's name is expected.
function __lockgate_wants_name
    set -l scan (__lockgate_scan)
    test $scan[4] -eq 0
    and begin
        contains -- "$scan[1]" status watch
        or begin
            contains -- "$scan[1]" exec acquire release renew get set
            and test $scan[2] -eq 0
        end
    end
end

function __lockgate_names
    set -l scan (__lockgate_scan)
    if test $scan[3] = yes
        __fish_complete_path (commandline -ct)
    else
        set -l words (commandline -opc)
        command $words[1] $scan[5..-1] __complete names 2>/dev/null
    end
end

function __lockgate_backends
    set -l scan (__lockgate_scan)
    set -l words (commandline -opc)
    printf '%s\n' file http
    command $words[1] $scan[5..-1] __complete profiles 2>/dev/null
end

# True where options about the place of the locks may stand: `serve` has a place of its own.
function __lockgate_placed
    set -l scan (__lockgate_scan)
    test $scan[4] -eq 0; and test "$scan[1]" != serve
end

function __lockgate_in_wrapped
    set -l scan (__lockgate_scan)
    test $scan[4] -gt 0
end

# The wrapped command, completed as if it stood alone.
function __lockgate_wrapped
    set -l scan (__lockgate_scan)
    set -l words (commandline -opc)
    set -l rest
    if test $scan[4] -le (count $words)
        set rest (string escape -- $words[$scan[4]..-1])
    end
    complete -C (string join ' ' -- $rest (commandline -ct))
end

complete -c lockgate -f
complete -c lockgate -n __lockgate_in_wrapped -x -a '(__lockgate_wrapped)'
complete -c lockgate -n __lockgate_wants_name -x -a '(__lockgate_names)'

complete -c lockgate -n __lockgate_before_command -x -a exec -d 'Run a command while holding a lock'
complete -c lockgate -n __lockgate_before_command -x -a acquire -d 'Take a lock and leave it held'
complete -c lockgate -n __lockgate_before_command -x -a release -d 'Give a lock back'
complete -c lockgate -n __lockgate_before_command -x -a renew -d 'Have a hold last for another lease'
complete -c lockgate -n __lockgate_before_command -x -a status -d 'Show who holds what, and who waits'
complete -c lockgate -n __lockgate_before_command -x -a get -d 'Print the value of a held lock'
complete -c lockgate -n __lockgate_before_command -x -a set -d 'Change the value of a hold'
complete -c lockgate -n __lockgate_before_command -x -a watch -d 'Print a line for each change'
complete -c lockgate -n __lockgate_before_command -x -a serve -d 'Be the lock server'
complete -c lockgate -n __lockgate_before_command -x -a doctor -d 'Check configuration, backend and permissions'
complete -c lockgate -n __lockgate_before_command -x -a help -d 'Print help'
complete -c lockgate -n '__lockgate_using help' -x -a 'exec acquire release renew status get set watch serve doctor'

complete -c lockgate -n __lockgate_placed -s b -l backend -x -a '(__lockgate_backends)' -d 'Where the locks are'
complete -c lockgate -n __lockgate_placed -l config -r -F -d 'Read this configuration file'
complete -c lockgate -n __lockgate_placed -l dir -x -a '(__fish_complete_directories)' -d 'Where the lock files are'
complete -c lockgate -n __lockgate_placed -l allow-insecure-dir -d 'Use a directory that strangers could tamper with'
complete -c lockgate -n __lockgate_placed -l url -x -d 'Of the lock server'
complete -c lockgate -n __lockgate_placed -l token-file -r -F -d 'The token for the lock server'
complete -c lockgate -n __lockgate_placed -l cacert -r -F -d 'Certificates of the authorities to trust'
complete -c lockgate -n __lockgate_placed -l cert -r -F -d 'The certificate of the client'
complete -c lockgate -n __lockgate_placed -l key -r -F -d 'The key of that certificate'
complete -c lockgate -n __lockgate_outside -s q -l quiet -d 'Say nothing but errors'
complete -c lockgate -n __lockgate_outside -s v -l verbose -d 'Say more'
complete -c lockgate -n __lockgate_placed -l color -x -a 'auto always never' -d 'Use colours'
complete -c lockgate -n __lockgate_outside -l version -d 'Print the version'
complete -c lockgate -n __lockgate_outside -s h -l help -d 'Print help'
complete -c lockgate -n '__lockgate_using "" status get watch doctor' -l json -d 'Print JSON'

set -l take '__lockgate_using exec acquire'
complete -c lockgate -n $take -s s -l shared -d 'Share the lock with other shared holders'
complete -c lockgate -n $take -s x -l exclusive -d 'Have the lock alone'
complete -c lockgate -n $take -s n -l nonblock -d 'Do not wait'
complete -c lockgate -n $take -s w -l timeout -x -a none -d 'Wait at most this long'
complete -c lockgate -n $take -s E -l conflict-exit-code -x -d 'Exit status where the lock was not had'
complete -c lockgate -n $take -l ttl -x -d 'Lease length'
complete -c lockgate -n $take -l value -x -d 'Publish a value with the lock'
complete -c lockgate -n $take -l reason -x -d 'Publish why the lock is held'
complete -c lockgate -n $take -l id -x -d 'The id of the acquirer'
complete -c lockgate -n $take -l publish-command -d 'Publish the whole command line'
complete -c lockgate -n $take -l on-lost -x -a 'terminate continue' -d 'What to do when the lock is lost'
complete -c lockgate -n $take -l max-hold -x -d 'End the hold after this long'
complete -c lockgate -n '__lockgate_using exec acquire release status get' -l path -d 'The name is the file to lock'

complete -c lockgate -n '__lockgate_using exec' -s c -l shell -x -d 'Run a string with a shell'
complete -c lockgate -n '__lockgate_using exec' -l kill-after -x -d 'From SIGTERM to SIGKILL'
complete -c lockgate -n '__lockgate_using exec' -s o -l close -d 'Keep the descriptor of the lock from the command'
complete -c lockgate -n '__lockgate_using exec' -l reentrant -d 'Pass where an ancestor holds the lock'
complete -c lockgate -n '__lockgate_using exec' -l wait-tree -d 'Wait for the descendants of the command, too'

complete -c lockgate -n '__lockgate_using acquire' -l owner-pid -x -a '(__fish_complete_pids)' -d 'Give the lock back when this process ends'

complete -c lockgate -n '__lockgate_using release' -l mine -d 'Release all holds of this user'
complete -c lockgate -n '__lockgate_using release' -l force -d 'Break the hold of another'
complete -c lockgate -n '__lockgate_using release' -l yes -d 'Do not ask'

complete -c lockgate -n '__lockgate_using status' -l watch -d 'Redraw the table as things change'

complete -c lockgate -n '__lockgate_using renew' -l keep -d 'Renew until stopped'
complete -c lockgate -n '__lockgate_using set' -l handle -x -d 'The hold with this handle'
complete -c lockgate -n '__lockgate_using watch' -l until -x -a 'held free value=' -d 'End when it is so'
complete -c lockgate -n '__lockgate_using watch serve' -l name-prefix -x -d 'Locks whose names begin so'

set -l serve '__lockgate_using serve'
complete -c lockgate -n $serve -l listen -x -d 'ADDR:PORT or unix:PATH'
complete -c lockgate -n $serve -l store -x -a 'memory sqlite:' -d 'Where the locks are kept'
complete -c lockgate -n $serve -l tls-cert -r -F -d 'The certificate of the server'
complete -c lockgate -n $serve -l tls-key -r -F -d 'The key of that certificate'
complete -c lockgate -n $serve -l client-ca -r -F -d 'Who signs the certificates of clients'
complete -c lockgate -n $serve -l tokens -r -F -d 'Who may do what'
complete -c lockgate -n $serve -l insecure -d 'Let strangers in, without encryption'
complete -c lockgate -n $serve -l max-ttl -x -d 'The longest lease'
complete -c lockgate -n $serve -l no-restart-grace -d 'Grant at once after a restart'
complete -c lockgate -n $serve -l max-body -x -d 'Bytes of one request'
complete -c lockgate -n $serve -l max-connections -x -d 'Connections in all'
complete -c lockgate -n $serve -l max-connections-per-address -x -d 'Connections from one address'
complete -c lockgate -n $serve -l max-waiters -x -d 'Who may wait for one lock'
complete -c lockgate -n $serve -l max-locks -x -d 'Locks held or waited for'
complete -c lockgate -n $serve -l log-format -x -a 'text json' -d 'How the log is written'
complete -c lockgate -n $serve -l new-token -d 'Make a token and run no server'
complete -c lockgate -n $serve -l name -x -d 'Of the new token'
complete -c lockgate -n $serve -l role -x -a 'read lock admin' -d 'Of the new token'
