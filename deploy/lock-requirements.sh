#!/usr/bin/env bash
# lock-requirements.sh PIP_COMPILE: writes requirements/*.txt from pyproject.toml. They hold versions and hashes and say
# nothing of where packages come from. dev is made first and binds the others: one version of a package in all of them.
set -euo pipefail
pip_compile=$1
export CUSTOM_COMPILE_COMMAND="make lock"

lock() {
    local name=$1
    shift
    "$pip_compile" --quiet --upgrade --generate-hashes --allow-unsafe --strip-extras \
        --no-emit-index-url --no-emit-trusted-host --no-emit-find-links \
        "$@" --output-file "requirements/$name.txt" pyproject.toml
}

# The build backend is locked wherever the project itself is installed from its tree.
lock dev --extra dev --build-deps-for editable
lock demo --extra edge --extra fences --extra sim --build-deps-for editable --constraint requirements/dev.txt
lock edge --extra edge --constraint requirements/dev.txt
