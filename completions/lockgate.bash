# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# bash completion for lockgate(1). Works with and without the bash-completion package.

# The options of a command, or those that stand before its name.
_lockgate_options() {
  local place='-b --backend --config --dir --allow-insecure-dir --url --token-file --cacert --cert --key'
  local basic='-q --quiet -v --verbose --version -h --help'
  local global="$place $basic --color"
  local take='-s --shared -x --exclusive -n --nonblock -w --timeout -E --conflict-exit-code --ttl --value --reason
    --id --publish-command --path --on-lost --max-hold'
  case $1 in
    exec) echo "$global $take -c --shell --kill-after -o --close --reentrant --wait-tree" ;;
    acquire) echo "$global $take --owner-pid" ;;
    release) echo "$global --mine --force --yes --path" ;;
    renew) echo "$global --keep" ;;
    status) echo "$global --json --watch --path" ;;
    get) echo "$global --json --path" ;;
    set) echo "$global --handle" ;;
    watch) echo "$global --json --name-prefix --until" ;;
    serve)
      echo "$basic --listen --store --tls-cert --tls-key --client-ca --tokens --insecure --max-ttl
        --no-restart-grace --max-body --max-connections --max-connections-per-address --max-waiters --max-locks
        --log-format --new-token --name --role --name-prefix"
      ;;
    doctor | '') echo "$global --json" ;;
    *) echo '-h --help' ;;
  esac
}

# True for an option that takes the next word as its value.
_lockgate_takes_value() {
  case $1 in
    --backend | --config | --dir | --url | --token-file | --cacert | --cert | --key | --color | --timeout | \
      --conflict-exit-code | --ttl | --value | --reason | --id | --on-lost | --max-hold | --shell | --kill-after | \
      --owner-pid | --handle | --name-prefix | --until | --listen | --store | --tls-cert | --tls-key | --client-ca | --tokens | \
      --max-ttl | --max-body | --max-connections | --max-connections-per-address | --max-waiters | --max-locks | \
      --log-format | --name | --role) return 0 ;;
    --*) return 1 ;;
    -*[bwEc]) [[ ${1%?} != *[bwEc]* ]] ;;
    *) return 1 ;;
  esac
}

# Reads the words before the cursor. Sets in the caller: command, operands (how many words follow it), path (yes where
# names are files), place (options that say where the locks are), wrapped (index of COMMAND, or 0), dashes.
_lockgate_scan() {
  local i=1 word value
  while ((i < COMP_CWORD)); do
    word=${COMP_WORDS[i]}
    if [[ $dashes == no && $word == -- ]]; then
      dashes=yes
      if [[ $command == exec ]] && ((operands > 0)); then
        wrapped=$((i + 1))
        return
      fi
    elif [[ $dashes == no && $word == -?* ]]; then
      value=
      # readline splits --dir=x into three words.
      if [[ ${COMP_WORDS[i + 1]-} == = ]]; then
        value=${COMP_WORDS[i + 2]-}
        i=$((i + 2))
      elif _lockgate_takes_value "$word"; then
        i=$((i + 1))
        value=${COMP_WORDS[i]-}
      fi
      case $word in
        -b | --backend | --config | --dir | --url | --token-file | --cacert | --cert | --key)
          ((i < COMP_CWORD)) && place+=("$word" "$value")
          ;;
        --path) path=yes ;;
      esac
    elif [[ -z $command ]]; then
      command=$word
    elif [[ $command == exec ]] && ((operands > 0)); then
      wrapped=$i
      return
    else
      operands=$((operands + 1))
      if [[ $command == exec && $dashes == yes ]]; then
        wrapped=$((i + 1))
        [[ ${COMP_WORDS[i + 1]-} == -- ]] && ((i + 1 < COMP_CWORD)) && wrapped=$((i + 2))
        return
      fi
    fi
    i=$((i + 1))
  done
  if ((i == COMP_CWORD)) && [[ $command == exec && ${COMP_WORDS[COMP_CWORD]} != -* ]] && ((operands > 0)); then
    wrapped=$COMP_CWORD
  fi
}

# Fills COMPREPLY with the lines of $2 that begin with $1.
_lockgate_lines() {
  local line
  while IFS= read -r line; do
    [[ -n $line && $line == "$1"* ]] && COMPREPLY+=("$(printf %q "$line")")
  done <<<"$2"
}

# The wrapped command, completed as if it stood alone.
_lockgate_wrapped() {
  if declare -F _command_offset >/dev/null; then
    _command_offset "$1"
  elif ((COMP_CWORD == $1)); then
    mapfile -t COMPREPLY < <(compgen -A command -- "$2")
  else
    compopt -o default 2>/dev/null
    mapfile -t COMPREPLY < <(compgen -f -- "$2")
  fi
}

# The value of an option. False where there is nothing to choose from.
_lockgate_value() {
  case $1 in
    --color) mapfile -t COMPREPLY < <(compgen -W 'auto always never' -- "$2") ;;
    --on-lost) mapfile -t COMPREPLY < <(compgen -W 'terminate continue' -- "$2") ;;
    --config | --token-file | --cacert | --cert | --key | --tls-cert | --tls-key | --client-ca | --tokens)
      compopt -o filenames 2>/dev/null
      mapfile -t COMPREPLY < <(compgen -f -- "$2")
      ;;
    --until) mapfile -t COMPREPLY < <(compgen -W 'held free value=' -- "$2") ;;
    --log-format) mapfile -t COMPREPLY < <(compgen -W 'text json' -- "$2") ;;
    --role) mapfile -t COMPREPLY < <(compgen -W 'read lock admin' -- "$2") ;;
    --store) mapfile -t COMPREPLY < <(compgen -W 'memory sqlite:' -- "$2") ;;
    --dir) compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -d -- "$2") ;;
    --owner-pid) mapfile -t COMPREPLY < <(compgen -W "$(ps -o pid= 2>/dev/null)" -- "$2") ;;
    -*b | --backend) _lockgate_lines "$2" "file"$'\n'"http"$'\n'"$("$lockgate" "${place[@]}" __complete profiles 2>/dev/null)" ;;
    *) return 1 ;;
  esac
}

_lockgate() {
  local lockgate=$1 current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
  local command='' operands=0 path=no wrapped=0 dashes=no place=()
  COMPREPLY=()
  _lockgate_scan
  if ((wrapped > 0 && COMP_CWORD >= wrapped)); then
    _lockgate_wrapped "$wrapped" "$current"
    return
  fi
  local option=''
  if [[ $dashes == yes ]]; then
    :
  elif [[ $current == = ]]; then
    option=$previous current=
  elif [[ $previous == = ]] && ((COMP_CWORD > 2)); then
    option=${COMP_WORDS[COMP_CWORD - 2]}
  elif _lockgate_takes_value "$previous"; then
    option=$previous
  fi
  if [[ -n $option ]]; then
    _lockgate_value "$option" "$current"
  elif [[ $dashes == no && $current == -* ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$(_lockgate_options "$command")" -- "$current")
  elif [[ -z $command ]]; then
    mapfile -t COMPREPLY < <(compgen -W 'exec acquire release renew status get set watch serve doctor help' -- "$current")
  elif [[ $command == help ]]; then
    mapfile -t COMPREPLY < <(compgen -W 'exec acquire release renew status get set watch serve doctor' -- "$current")
  elif [[ $command == doctor || $command == serve ]] ||
    { [[ $command != status && $command != watch ]] && ((operands > 0)); }; then
    return
  elif [[ $path == yes ]]; then
    compopt -o filenames 2>/dev/null
    mapfile -t COMPREPLY < <(compgen -f -- "$current")
  else
    _lockgate_lines "$current" "$("$lockgate" "${place[@]}" __complete names 2>/dev/null)"
  fi
}

complete -F _lockgate lockgate
