#!/bin/bash
# MIT KDC of realm TEST.LOCAL: kdc.sh start|stop|status. Leaves $PEERS_STATE/krb5/{krb5.conf,smtp.keytab,anna.keytab,service.keytab}
# Clients: export KRB5_CONFIG=$PEERS_STATE/krb5/krb5.conf; kinit -kt $PEERS_STATE/krb5/anna.keytab anna
. "$(dirname "$0")/lib.sh"; d="$PEERS_STATE/krb5"
export KRB5_CONFIG="$KRB5_CONFIG_FILE" KRB5_KDC_PROFILE="$d/kdc.conf"
case "${1:-}" in
start)
  base_dirs; mkdir -p "$d"; chmod 755 "$d"
  alive "$d/kdc.pid" && { say "kdc runs already"; exit 0; }
  cat > "$d/krb5.conf" <<C
[libdefaults]
 default_realm = $REALM
 dns_lookup_kdc = false
 dns_lookup_realm = false
 dns_canonicalize_hostname = false
 rdns = false
 udp_preference_limit = 1
 forwardable = true
 ignore_acceptor_hostname = true
[realms]
 $REALM = {
  kdc = 127.0.0.1:$P_KDC
 }
[domain_realm]
 localhost = $REALM
 .test.local = $REALM
 test.local = $REALM
C
  cat > "$d/kdc.conf" <<C
[kdcdefaults]
 kdc_listen = 127.0.0.1:$P_KDC
 kdc_tcp_listen = 127.0.0.1:$P_KDC
[realms]
 $REALM = {
  database_name = $d/principal
  key_stash_file = $d/stash
  acl_file = $d/kadm5.acl
  max_life = 10h
 }
[logging]
 kdc = FILE:$PEERS_STATE/log/kdc.log
C
  if [ ! -e "$d/principal" ]; then
    kdb5_util create -s -r $REALM -P master-pw >/dev/null 2>&1 || { say "kdb5_util failed"; exit 1; }
    for h in localhost mail.test.local; do for s in smtp imap HTTP; do kadmin.local -q "addprinc -randkey $s/$h" >/dev/null 2>&1
      kadmin.local -q "ktadd -k $d/smtp.keytab $s/$h" >/dev/null 2>&1; done; done
    users | while read -r u pw _; do kadmin.local -q "addprinc +requires_preauth -pw $pw $u" >/dev/null 2>&1
      kadmin.local -q "ktadd -norandkey -k $d/$u.keytab $u" >/dev/null 2>&1; done
    chmod 644 "$d"/smtp.keytab; chmod 600 "$d"/{anna,bernd,rechnungen,relay,grete}.keytab
  fi
  krb5kdc -P "$d/kdc.pid" || exit 1
  wait_port "$P_KDC" && say "kdc on 127.0.0.1:$P_KDC, KRB5_CONFIG=$d/krb5.conf" ;;
stop) stop_pid "$d/kdc.pid" ;;
status) alive "$d/kdc.pid" && echo "kdc up" || { echo "kdc down"; exit 1; } ;;
*) say "usage: $0 start|stop|status"; exit 2 ;;
esac
