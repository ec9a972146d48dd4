#!/bin/bash
# Installs the Debian packages of the peers. While it runs, a policy-rc.d keeps their services from being started by the install.
set -eu
if [ ! -e /usr/sbin/policy-rc.d ]; then
  trap 'rm -f /usr/sbin/policy-rc.d' EXIT
  printf '#!/bin/sh\nexit 101\n' > /usr/sbin/policy-rc.d; chmod 755 /usr/sbin/policy-rc.d
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -q || echo "apt-get update failed; going on with the lists that are here" >&2
apt-get install -y --no-install-recommends -o Dpkg::Options::=--force-confold \
  postfix sasl2-bin libsasl2-modules libsasl2-modules-db libsasl2-modules-gssapi-mit \
  dovecot-core dovecot-imapd dovecot-submissiond dovecot-gssapi \
  krb5-kdc krb5-admin-server krb5-user libkrb5-dev gcc openssl swaks
