# SPDX-License-Identifier: Apache-2.0
# netextctl knows its own verbs and options; behind `run --` the shell knows better.

_netextctl()
{
        local IFS=$'\n' position

        for ((position = 1; position < COMP_CWORD; position++)); do
                if [[ ${COMP_WORDS[position]} == -- ]] && declare -F _command_offset > /dev/null; then
                        IFS=$' \t\n'
                        _command_offset $((position + 1))
                        return
                fi
        done
        COMPREPLY=($(netextctl complete -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2> /dev/null))
}

complete -o default -F _netextctl netextctl
