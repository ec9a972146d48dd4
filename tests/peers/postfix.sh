#!/bin/bash
# A private Postfix instance with Cyrus SASL (PLAIN LOGIN NTLM GSSAPI CRAM-MD5): postfix.sh start|stop|status|log
# Mail for the users goes to the maildir $PEERS_STATE/mail/<user>@test.local/, mail for anybody else to .../mail/all/ (the headers
# X-Original-To, Delivered-To and Return-Path, which Postfix adds, tell whose it was). Nothing leaves the machine.
# Recipients whose local part starts with one of these words make Postfix answer for real:
#   reject- 550 5.1.1 | grey- 450 4.2.0 (always) | full- 452 4.2.2 | policy- 554 5.7.1 | bye- 421 and disconnect | slow- waits 5 s
. "$(dirname "$0")/lib.sh"; d="$PEERS_STATE/postfix"
case "${1:-}" in
start)
  postfix -c "$d" status >/dev/null 2>&1 && { say "postfix runs already"; exit 0; }
  base_dirs; make_certs || { say "no certificates"; exit 1; }
  mkdir -p "$d"/sasl "$PEERS_STATE"/postfix-data "$PEERS_STATE"/postfix-queue; chown postfix "$PEERS_STATE"/postfix-data
  rm -f "$d/sasldb2"; users | while read -r u pw _; do printf '%s' "$pw" | saslpasswd2 -c -p -f "$d/sasldb2" -u test.local "$u"; done
  chown root:postfix "$d/sasldb2"; chmod 640 "$d/sasldb2"
  sasl() { # sasl NAME MECHANISMS: what smtpd_sasl_path=NAME offers
    printf '%s\n' "pwcheck_method: auxprop" "auxprop_plugin: sasldb" "sasldb_path: $d/sasldb2" "mech_list: $2" \
      "keytab: $PEERS_STATE/krb5/smtp.keytab" > "$d/sasl/$1.conf"
  }
  sasl smtpd 'PLAIN LOGIN NTLM GSSAPI'; sasl smtpd_cram CRAM-MD5; sasl smtpd_login LOGIN
  # sender address -> logins that may use it (Cyrus gives the login as the client wrote it, GSSAPI without the realm)
  : > "$d/senders"; users | while read -r u pw s; do [ "$s" = '*' ] && continue
    for a in ${s//,/ }; do echo "$a $u,$u@test.local,$u@TEST.LOCAL,$u@TEST,$u@test,relay,relay@test.local,relay@TEST.LOCAL"; done; done >> "$d/senders"
  # every other address belongs to relay alone
  echo '/./ relay,relay@test.local,relay@TEST.LOCAL,relay@TEST' > "$d/senders.any"
  cat > "$d/rcpt" <<'C'
/^reject-/  550 5.1.1 User unknown
/^grey-/    450 4.2.0 Greylisted, try again later
/^full-/    452 4.2.2 Mailbox full
/^policy-/  554 5.7.1 Message refused by policy
/^bye-/     421 4.3.2 Service shutting down
/^slow-/    sleep 5
C
  echo '/./ OK' > "$d/any"; users | while read -r u _; do echo "$u@test.local $u@test.local/"; done > "$d/boxes"
  cat > "$d/main.cf" <<C
compatibility_level = 3.6
queue_directory = $PEERS_STATE/postfix-queue
data_directory = $PEERS_STATE/postfix-data
maillog_file_prefixes = $PEERS_STATE
maillog_file = $PEERS_STATE/log/postfix.log
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = mail.test.local
mydestination =
mynetworks = 127.0.0.0/8
alias_maps =
alias_database =
default_transport = error:nothing leaves this machine
relay_transport = error:nothing leaves this machine
virtual_mailbox_domains = regexp:$d/any
virtual_mailbox_maps = texthash:$d/boxes, static:all/
virtual_mailbox_base = $PEERS_STATE/mail
virtual_mailbox_limit = 0
virtual_minimum_uid = 100
virtual_uid_maps = static:$PEERS_MAIL_UID
virtual_gid_maps = static:$PEERS_MAIL_UID
message_size_limit = $PEERS_SIZE_LIMIT
smtpd_recipient_limit = $PEERS_RCPT_LIMIT
smtpd_relay_restrictions = reject_unauth_destination
smtpd_sender_login_maps = texthash:$d/senders, regexp:$d/senders.any
smtpd_sasl_path = smtpd
cyrus_sasl_config_path = $d/sasl
smtpd_sasl_local_domain = test.local
smtpd_sasl_security_options = noanonymous
smtpd_tls_cert_file = $PEERS_STATE/tls/good.pem
smtpd_tls_key_file = $PEERS_STATE/tls/good.key
smtpd_tls_loglevel = 1
smtpd_recipient_restrictions = check_recipient_access regexp:$d/rcpt, permit
smtputf8_enable = yes
import_environment = MAIL_CONFIG MAIL_DEBUG MAIL_LOGTAG TZ XAUTHORITY DISPLAY LANG=C KRB5_CONFIG=$KRB5_CONFIG_FILE KRB5_KTNAME=$PEERS_STATE/krb5/smtp.keytab
unknown_local_recipient_reject_code = 550
local_recipient_maps =
C
  auth='  -o smtpd_sasl_auth_enable=yes -o smtpd_sender_restrictions=reject_sender_login_mismatch -o smtpd_client_restrictions=permit_sasl_authenticated,reject'
  tlsw='  -o smtpd_tls_wrappermode=yes'
  leaf() { echo "  -o smtpd_tls_cert_file=$PEERS_STATE/tls/$1.pem -o smtpd_tls_key_file=$PEERS_STATE/tls/$1.key"; }
  cat > "$d/master.cf" <<C
127.0.0.1:$P_MX inet n - n - - smtpd
127.0.0.1:$P_CLEAR inet n - n - - smtpd
$auth
127.0.0.1:$P_CRAM inet n - n - - smtpd
  -o smtpd_sasl_path=smtpd_cram
$auth
127.0.0.1:$P_LOGIN inet n - n - - smtpd
  -o smtpd_sasl_path=smtpd_login
$auth
127.0.0.1:$P_SUBMISSION inet n - n - - smtpd
  -o smtpd_tls_security_level=encrypt -o smtpd_tls_auth_only=yes
$auth
127.0.0.1:$P_SMTPS inet n - n - - smtpd
$tlsw
$auth
127.0.0.1:$P_EXPIRED inet n - n - - smtpd
$tlsw
$(leaf expired)
$auth
127.0.0.1:$P_WRONGNAME inet n - n - - smtpd
$tlsw
$(leaf wrongname)
$auth
127.0.0.1:$P_SELFSIGNED inet n - n - - smtpd
$tlsw
$(leaf selfsigned)
$auth
127.0.0.1:$P_MUTUAL inet n - n - - smtpd
$tlsw
  -o smtpd_tls_req_ccert=yes -o smtpd_tls_CAfile=$PEERS_STATE/tls/ca.pem
127.0.0.1:$P_OLDTLS inet n - n - - smtpd
$tlsw
  -o smtpd_tls_protocols=<=TLSv1.1 -o smtpd_tls_mandatory_protocols=<=TLSv1.1 -o smtpd_tls_mandatory_ciphers=low -o smtpd_tls_ciphers=low -o tls_low_cipherlist=ALL:@SECLEVEL=0 -o smtpd_tls_exclude_ciphers=
$auth
127.0.0.1:$P_RATE inet n - n - - smtpd
  -o smtpd_client_event_limit_exceptions= -o smtpd_client_message_rate_limit=3 -o smtpd_client_connection_count_limit=2
127.0.0.1:$P_OAUTH inet n - n - - smtpd
  -o smtpd_tls_security_level=encrypt -o smtpd_tls_auth_only=yes
  -o smtpd_sasl_type=dovecot -o smtpd_sasl_path=$PEERS_STATE/run/dovecot-sasl
$auth
127.0.0.1:$P_OAUTHCLEAR inet n - n - - smtpd
  -o smtpd_sasl_type=dovecot -o smtpd_sasl_path=$PEERS_STATE/run/dovecot-sasl
$auth
pickup    unix  n       -       n       60      1       pickup
cleanup   unix  n       -       n       -       0       cleanup
qmgr      unix  n       -       n       300     1       qmgr
rewrite   unix  -       -       n       -       -       trivial-rewrite
bounce    unix  -       -       n       -       0       bounce
defer     unix  -       -       n       -       0       bounce
trace     unix  -       -       n       -       0       bounce
verify    unix  -       -       n       -       1       verify
flush     unix  n       -       n       1000?   0       flush
proxymap  unix  -       -       n       -       -       proxymap
smtp      unix  -       -       n       -       -       smtp
showq     unix  n       -       n       -       -       showq
error     unix  -       -       n       -       -       error
retry     unix  -       -       n       -       -       error
discard   unix  -       -       n       -       -       discard
virtual   unix  -       n       n       -       -       virtual
anvil     unix  -       -       n       -       1       anvil
tlsmgr    unix  -       -       n       1000?   1       tlsmgr
postlog   unix-dgram n  -       n       -       1       postlogd
C
  postfix -c "$d" start >/dev/null 2>"$PEERS_STATE/log/postfix-start.log" || { cat "$PEERS_STATE/log/postfix-start.log" "$PEERS_STATE/log/postfix.log" >&2; exit 1; }
  wait_banner "$P_SUBMISSION" && say "postfix up: mx $P_MX clear $P_CLEAR submission $P_SUBMISSION smtps $P_SMTPS" ;;
stop) if postfix -c "$d" status >/dev/null 2>&1; then postfix -c "$d" stop >/dev/null 2>&1; fi; true ;;
status) postfix -c "$d" status >/dev/null 2>&1 && echo "postfix up" || { echo "postfix down"; exit 1; } ;;
log) cat "$PEERS_STATE/log/postfix.log" ;;
*) say "usage: $0 start|stop|status|log"; exit 2 ;;
esac
