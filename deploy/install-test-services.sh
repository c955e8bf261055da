#!/usr/bin/env bash
# Sees to it that what the tests talk to, and are tried with, is on this machine: the Mosquitto broker, which they start
# themselves; faketime, which lets a process believe in another day; fiu-run, which lets its disk fail; strace, which
# records what it does to its files.
set -euo pipefail

# Program and package, as Debian calls them.
missing=()
for pair in mosquitto:mosquitto faketime:faketime fiu-run:fiu-utils strace:strace; do
    # Their home on Debian is not on everyone's path.
    PATH=$PATH:/usr/sbin:/usr/local/sbin command -v "${pair%%:*}" >/dev/null || missing+=("${pair##*:}")
done
if [ "${#missing[@]}" -eq 0 ]; then
    exit 0
fi
if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
    exit 0
fi
echo "The tests need what these packages have: ${missing[*]} (apt-get install ${missing[*]})." >&2
exit 1
