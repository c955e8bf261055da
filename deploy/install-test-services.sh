#!/usr/bin/env bash
# Sees to it that what the tests talk to is on this machine: the Mosquitto broker, which they start themselves.
set -euo pipefail

# Its home on Debian is not on everyone's path.
if PATH=$PATH:/usr/sbin:/usr/local/sbin command -v mosquitto >/dev/null; then
    exit 0
fi
if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends mosquitto >/dev/null
    exit 0
fi
echo "The tests need the Mosquitto broker: install the package mosquitto (apt-get install mosquitto)." >&2
exit 1
