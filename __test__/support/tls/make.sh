#!/bin/sh
# The certificates of the network tests, good for a hundred years: an authority, a server and a client that it vouches for.
set -e
cd "$(dirname "$0")"
days=36500
key() { openssl ecparam -name prime256v1 -genkey -noout -out "$1"; }

key authority.key
openssl req -x509 -new -key authority.key -days $days -subj '/CN=Test Authority' -out authority.pem
# sign NAME DAYS USE HOSTS
sign() {
  key $1.key
  openssl req -new -key $1.key -subj "/CN=$1" -out $1.csr
  printf 'subjectAltName=%s\nextendedKeyUsage=%s\n' "$4" "$3" > $1.ext
  openssl x509 -req -in $1.csr -CA authority.pem -CAkey authority.key -set_serial 0x$(openssl rand -hex 8) \
    -days $2 -extfile $1.ext -out $1.pem
}
hosts=DNS:flags.test,DNS:localhost,IP:127.0.0.1
sign server $days serverAuth $hosts
sign client $days clientAuth $hosts
# Of another server, and one that is over as soon as it is made.
sign elsewhere $days serverAuth DNS:elsewhere.test
sign expired 0 serverAuth $hosts
rm -f ./*.csr ./*.ext authority.key
