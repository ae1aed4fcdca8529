#!/bin/sh
# The certificates of the network tests, good for a hundred years: an authority, a server and a client that it vouches for.
set -e
cd "$(dirname "$0")"
days=36500
key() { openssl ecparam -name prime256v1 -genkey -noout -out "$1"; }

key authority.key
openssl req -x509 -new -key authority.key -days $days -subj '/CN=Test Authority' -out authority.pem
for name in server client; do
  key $name.key
  openssl req -new -key $name.key -subj "/CN=$name" -out $name.csr
  printf 'subjectAltName=DNS:flags.test,DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=%sAuth\n' $name > $name.ext
  openssl x509 -req -in $name.csr -CA authority.pem -CAkey authority.key -set_serial 0x$(openssl rand -hex 8) \
    -days $days -extfile $name.ext -out $name.pem
done
rm -f ./*.csr ./*.ext authority.key
