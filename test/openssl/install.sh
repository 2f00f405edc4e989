#!/bin/sh
# Installs OpenSSL, where it is not there yet: in tests it is the time-stamping authority that anchors are asked of.
set -eu
if ! command -v openssl > /dev/null; then
  apt-get update -q
  apt-get install -y -q --no-install-recommends openssl
fi
openssl version
