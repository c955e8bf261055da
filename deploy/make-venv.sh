#!/usr/bin/env bash
# make-venv.sh DIR: makes the virtual environment DIR with the first suitable Python, or says in one sentence what is
# missing. Suitable is 3.11 or newer and able to make environments; 3.11 comes first because the locks are made with it.
set -euo pipefail
dir=$1

runs() { "$1" -c "$2" >/dev/null 2>&1; }

recent=""
for python in python3.11 python3.12 python3.13 python3; do
    # A name on the path may be a stand-in for a version that is not there: only running it tells.
    runs "$python" 'import sys; sys.exit(sys.version_info < (3, 11))' || continue
    recent=${recent:-$python}
    if runs "$python" 'import ensurepip, venv'; then
        exec "$python" -m venv --clear "$dir"
    fi
done

if [ -z "$recent" ]; then
    echo "Wayside needs Python 3.11 or newer, and $(python3 --version 2>/dev/null || echo 'no python3') is what this machine has." >&2
    exit 1
fi
package=$("$recent" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$package" >/dev/null
    exec "$recent" -m venv --clear "$dir"
fi
echo "$recent cannot make virtual environments; install what is missing: apt-get install $package" >&2
exit 1
