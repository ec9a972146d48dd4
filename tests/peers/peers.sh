#!/bin/bash
# kdc, postfix and dovecot at once: peers.sh start|stop|status (the faulty servers have their own script)
cd "$(dirname "$0")"; rc=0
case "${1:-}" in
start) for s in kdc postfix dovecot; do ./$s.sh start || rc=1; done ;;
stop) for s in dovecot postfix kdc; do ./$s.sh stop || rc=1; done ;;
status) for s in kdc postfix dovecot; do ./$s.sh status || rc=1; done ;;
*) echo "usage: $0 start|stop|status" >&2; exit 2 ;;
esac
exit $rc
