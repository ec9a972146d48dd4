# Common settings of the test peers; sourced by the scripts beside it. Everything listens on 127.0.0.1 only.
# State lives under $PEERS_STATE; every port can be overridden by the variable of that name.
# Users (address = sender each may use, see users()): anna, bernd, rechnungen, relay, grete, all @test.local.
set -u
HERE="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
: "${PEERS_STATE:=${TMPDIR:-/tmp}/peers}"     # keep it short: unix socket paths end at 107 octets
: "${PEERS_PYTHON:=python3}"
: "${PEERS_MAIL_UID:=5000}"            # numeric owner of delivered mail; needs no passwd entry
: "${P_KDC:=12088}"
: "${P_MX:=12525}"                     # no TLS, no AUTH: what a plain inside relay looks like
: "${P_CLEAR:=12526}"                  # AUTH without TLS (PLAIN LOGIN NTLM GSSAPI)
: "${P_SUBMISSION:=12587}"             # STARTTLS required, AUTH PLAIN LOGIN NTLM GSSAPI
: "${P_SMTPS:=12465}"                  # implicit TLS, the same mechanisms
: "${P_EXPIRED:=12466}"                # implicit TLS, expired certificate
: "${P_WRONGNAME:=12467}"              # implicit TLS, certificate of another host
: "${P_SELFSIGNED:=12468}"             # implicit TLS, unknown issuer
: "${P_OLDTLS:=12469}"                 # implicit TLS, TLS 1.0/1.1 only
: "${P_MUTUAL:=12470}"                # implicit TLS, asks for a client certificate of its CA, no AUTH
: "${P_CRAM:=12527}"                   # AUTH CRAM-MD5 alone, without TLS
: "${P_LOGIN:=12529}"                  # AUTH LOGIN alone, without TLS
: "${P_RATE:=12528}"                   # no TLS/AUTH, 3 messages a minute, 2 connections at once
: "${P_OAUTH:=12589}"                  # STARTTLS, Postfix + Dovecot SASL: XOAUTH2 OAUTHBEARER PLAIN LOGIN GSSAPI
: "${P_OAUTHCLEAR:=12593}"               # the same without TLS
: "${P_IMAP:=12143}"
: "${P_IMAPS:=12993}"
: "${P_DOVESUB:=12687}"                # Dovecot's own submission server (STARTTLS)
: "${P_INTROSPECT:=12080}"
: "${PEERS_SIZE_LIMIT:=10485760}"
: "${PEERS_RCPT_LIMIT:=50}"
REALM=TEST.LOCAL
KRB5_CONFIG_FILE="$PEERS_STATE/krb5/krb5.conf"

# name password senders(comma) -- "*" = may use every sender ("send as" right on all addresses)
users() {
  cat <<'U'
anna Anna-pw-1 anna@test.local,office@test.local
bernd Bernd-pw-2 bernd@test.local
rechnungen Rechnung-pw-3 rechnungen@test.local
relay Relay-pw-4 *
grete Grüße-pw-6€ grete@test.local
U
}

say() { printf '%s\n' "$*" >&2; }
base_dirs() { mkdir -p "$PEERS_STATE"/{tls,mail,run,log}; chmod 755 "$PEERS_STATE"; chown "$PEERS_MAIL_UID:$PEERS_MAIL_UID" "$PEERS_STATE/mail"; }

# make_certs: a private CA and leaf certificates good/expired/wrongname/client, plus one self-signed; made once per state folder.
make_certs() {
  local d="$PEERS_STATE/tls"; [ -s "$d/.done" ] && return 0
  local ext="$d/ext"
  printf 'subjectAltName=DNS:localhost,IP:127.0.0.1\n' > "$ext.good"
  printf 'subjectAltName=DNS:mail.somewhere-else.example\n' > "$ext.wrongname"
  cp "$ext.good" "$ext.expired"; cp "$ext.good" "$ext.client"
  openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -subj "/CN=Peers Test CA" -keyout "$d/ca.key" -out "$d/ca.pem" \
    -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign 2>/dev/null || return 1
  mkdir -p "$d/cadb"; : > "$d/cadb/index.txt"; echo 01 > "$d/cadb/serial"
  printf '[ca]\ndefault_ca=c\n[c]\ndatabase=%s/cadb/index.txt\nserial=%s/cadb/serial\nnew_certs_dir=%s/cadb\ndefault_md=sha256\npolicy=p\nunique_subject=no\n[p]\ncommonName=supplied\n' "$d" "$d" "$d" > "$d/ca.cnf"
  local n from to
  for n in good expired wrongname client; do
    from=$(date -u -d '-400 days' +%Y%m%d%H%M%SZ); to=$(date -u -d '+800 days' +%Y%m%d%H%M%SZ)
    [ $n = expired ] && to=$(date -u -d '-30 days' +%Y%m%d%H%M%SZ)
    openssl req -newkey rsa:2048 -nodes -subj "/CN=$n" -keyout "$d/$n.key" -out "$d/$n.csr" 2>/dev/null &&
    openssl ca -batch -notext -config "$d/ca.cnf" -cert "$d/ca.pem" -keyfile "$d/ca.key" -in "$d/$n.csr" -out "$d/$n.pem" \
      -startdate "$from" -enddate "$to" -extfile "$ext.$n" 2>/dev/null || return 1
  done
  openssl req -x509 -newkey rsa:2048 -nodes -days 365 -subj "/CN=localhost" -addext "subjectAltName=DNS:localhost,IP:127.0.0.1" \
    -keyout "$d/selfsigned.key" -out "$d/selfsigned.pem" 2>/dev/null || return 1
  chmod 644 "$d"/*.pem; echo ok > "$d/.done"
}

# running PID: a live process (no zombie) whose command line names our state folder, so a recycled pid is never ours
running() { [ -n "$1" ] && grep -qaF "$PEERS_STATE" "/proc/$1/cmdline" 2>/dev/null; }
alive() { [ -s "$1" ] && running "$(tr -dc 0-9 < "$1")"; }
# stop_pid FILE: ends the process this script wrote into FILE, and only that one
stop_pid() {
  alive "$1" || { rm -f "$1"; return 0; }
  local p i; p="$(tr -dc 0-9 < "$1")"; kill "$p" 2>/dev/null
  for i in $(seq 50); do running "$p" || break; sleep 0.1; done
  running "$p" && kill -9 "$p"; rm -f "$1"
}
wait_port() { local i; for i in $(seq 100); do (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null && return 0; sleep 0.1; done; say "port $1 did not open"; return 1; }
# wait_banner PORT: until a server there says 220 (a listening port alone proves nothing: master(8) accepts before smtpd works)
wait_banner() {
  local i l; for i in $(seq 20); do
    l=$( { exec 3<>"/dev/tcp/127.0.0.1/$1" && read -t 5 -r l <&3 && printf '%s' "$l"; } 2>/dev/null )
    case "$l" in 220*) return 0 ;; esac; sleep 0.3
  done; say "no SMTP banner on port $1"; return 1
}
