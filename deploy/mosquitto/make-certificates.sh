#!/usr/bin/env bash
# make-certificates.sh: the certificates of one Wayside broker: its own authority, itself, its units and gateways.
#
#   make-certificates.sh DIR ca                   an authority, and an empty list of what it revoked
#   make-certificates.sh DIR server NAME...       the broker's certificate, for the names and addresses it is reached by
#   make-certificates.sh DIR client ID...         one certificate each for a unit or gateway, in its name
#   make-certificates.sh DIR revoke ID...         take certificates back; the broker has to be told
#
# No key and no certificate is ever overwritten. Keys are P-256 and readable by their owner only. DIR/ca.key makes anyone
# a unit or a gateway: keep DIR off the devices. The broker needs ca.crt, ca.crl, server.crt and server.key of it, a
# client ca.crt and its own two files.
set -euo pipefail
umask 077

CA_DAYS=3650
LEAF_DAYS=825 # then the broker's and each client's has to be made anew
# An id as it stands in a topic, and a name or address as it stands in a certificate.
ID='^[A-Za-z0-9][A-Za-z0-9._:@-]{0,63}$'
HOST='^[A-Za-z0-9:][A-Za-z0-9.:-]{0,252}$'

die() {
    echo "make-certificates.sh: $*" >&2
    exit 1
}

must_be_new() {
    for file in "$@"; do
        if [ -e "$file" ]; then die "$file is there already, and is not overwritten"; fi
    done
}

# sign NAME SUBJECT EXTENSIONS: a new key, and the authority's certificate for it. What fails leaves nothing behind.
sign() {
    must_be_new "$dir/$1.key" "$dir/$1.crt"
    [ -f "$dir/ca.key" ] || die "$dir has no authority: make-certificates.sh $dir ca"
    openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$2" \
        -keyout "$work/key" -out "$work/request" 2>"$work/said" || die "$(cat "$work/said")"
    printf '%s\n' 'basicConstraints = critical, CA:FALSE' 'keyUsage = critical, digitalSignature' \
        'subjectKeyIdentifier = hash' 'authorityKeyIdentifier = keyid' "$3" >"$work/extensions"
    openssl x509 -req -in "$work/request" -CA "$dir/ca.crt" -CAkey "$dir/ca.key" -days "$LEAF_DAYS" -sha256 \
        -set_serial "0x$(openssl rand -hex 16)" -extfile "$work/extensions" \
        -out "$work/crt" 2>"$work/said" || die "$(cat "$work/said")"
    mv -n "$work/key" "$dir/$1.key"
    chmod 644 "$work/crt"
    mv -n "$work/crt" "$dir/$1.crt"
}

# revocations OPTIONS...: what `openssl ca` does with the record of them.
revocations() {
    printf '%s\n' '[ca]' 'default_ca = own' '[own]' "database = $dir/revoked.txt" "crlnumber = $dir/revoked.number" \
        'default_md = sha256' 'default_crl_days = 36500' >"$work/config"
    openssl ca -config "$work/config" -cert "$dir/ca.crt" -keyfile "$dir/ca.key" "$@" 2>"$work/said" \
        || die "$(cat "$work/said")"
}

# A list that has ended would shut everyone out; so it never ends, and is published anew at each revocation.
publish_revocations() {
    revocations -gencrl -out "$work/crl"
    chmod 644 "$work/crl"
    mv -f "$work/crl" "$dir/ca.crl"
}

make_ca() {
    must_be_new "$dir/ca.key" "$dir/ca.crt" "$dir/ca.crl" "$dir/revoked.txt"
    openssl req -x509 -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days "$CA_DAYS" -sha256 \
        -subj "/CN=Wayside broker authority" -addext 'basicConstraints = critical, CA:TRUE, pathlen:0' \
        -addext 'keyUsage = critical, keyCertSign, cRLSign' \
        -keyout "$work/key" -out "$work/crt" 2>"$work/said" || die "$(cat "$work/said")"
    mv -n "$work/key" "$dir/ca.key"
    chmod 644 "$work/crt"
    mv -n "$work/crt" "$dir/ca.crt"
    touch "$dir/revoked.txt"
    echo 01 >"$dir/revoked.number"
    publish_revocations
}

make_server() {
    local names=""
    for name in "$@"; do
        [[ $name =~ $HOST ]] || die "$name is neither a name nor an address"
        if [[ $name =~ ^[0-9.]+$ || $name == *:* ]]; then names+=",IP:$name"; else names+=",DNS:$name"; fi
    done
    sign server "$1" "extendedKeyUsage = serverAuth
subjectAltName = ${names#,}"
}

# All or none: what is wrong with one of them is found before the first is made.
make_clients() {
    for id in "$@"; do
        [[ $id =~ $ID ]] || die "'$id' is no id of a unit or gateway"
        case $id in ca | server) die "$id is what the broker calls its own" ;; esac
        must_be_new "$dir/$id.key" "$dir/$id.crt"
    done
    for id in "$@"; do
        sign "$id" "$id" "extendedKeyUsage = clientAuth"
    done
}

revoke() {
    [[ $1 =~ $ID && $1 != ca ]] || die "'$1' is no id of a unit or gateway"
    [ -f "$dir/$1.crt" ] || die "$dir has no certificate of $1"
    revocations -revoke "$dir/$1.crt"
    mv -n "$dir/$1.crt" "$dir/$1.revoked-$(date +%s).crt"
    rm -f "$dir/$1.key"
}

[ $# -ge 2 ] || die "say where and what: the head of this file tells"
dir=$1 what=$2
shift 2
[ $# -gt 0 ] || [ "$what" = ca ] || die "say for whom: the head of this file tells"
mkdir -p "$dir"
dir=$(cd "$dir" && pwd)
work=$(mktemp -d "$dir/.work.XXXXXX")
trap 'rm -rf "$work"' EXIT

case $what in
ca) make_ca ;;
server) make_server "$@" ;;
client) make_clients "$@" ;;
revoke)
    for id in "$@"; do revoke "$id"; done
    publish_revocations
    ;;
*) die "$what is none of ca, server, client, revoke" ;;
esac
