#!/usr/bin/env bash
# Prints the newest Python of this machine, where it is newer than that of .venv; else nothing.
set -euo pipefail
shopt -s nullglob
IFS=: read -ra folders <<<"$PATH"
newest=""
minor=$(.venv/bin/python -c 'import sys; print(sys.version_info.minor)')

for folder in "${folders[@]}" "${PYENV_ROOT:-$HOME/.pyenv}"/versions/*/bin; do
    for python in "$folder"/python3.[0-9]*; do
        found=${python##*/python3.}
        if [[ $found =~ ^[0-9]+$ ]] && ((found > minor)) &&
            [[ -z $(sh .ci/python-problem.sh "$python") ]]; then
            newest=$python minor=$found
        fi
    done
done
echo "$newest"
