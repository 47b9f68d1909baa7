#!/bin/sh
# Prints one line that says why the given Python cannot carry the project, or nothing.
# Runs before anything is installed, so it asks for no more than a shell.
python=${1:?usage: python-problem.sh PYTHON}

if ! command -v "$python" >/dev/null 2>&1; then
    echo "Python 3.11 or newer is needed and $python was not found; install it, or name yours: make setup PYTHON=python3.12"
    exit 0
fi
version=$("$python" -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])' 2>/dev/null)
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    echo "Python 3.11 or newer is needed and $python is ${version:-broken}; name a newer one: make setup PYTHON=python3.12"
elif ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    echo "$python $version lacks venv or ensurepip; on Debian and Ubuntu install the package python3-venv"
fi
