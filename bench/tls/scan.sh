#!/usr/bin/env bash
# What does a scanner think of the TLS of a server, and what is left of the server afterwards?
#
#   apt-get install testssl.sh openssl
#   cargo build --release
#   bench/tls/scan.sh threads [ec|rsa]      # or mio; the report, and descriptors, threads and memory before and after
set -euo pipefail
backend=${1:?threads or mio}
kind=${2:-ec}
port=${PORT:-24180}
program=${CARGO_TARGET_DIR:-$(dirname "$0")/../../target}/release/cherrystone
for tool in testssl openssl; do
    command -v "$tool" >/dev/null || { echo "$tool is missing: apt-get install testssl.sh openssl" >&2; exit 1; }
done
[ -x "$program" ] || { echo "$program is missing: cargo build --release" >&2; exit 1; }
folder=$(mktemp -d)
case $kind in
ec) new=(ec -pkeyopt ec_paramgen_curve:P-256) ;;
rsa) new=(rsa:2048) ;;
*) echo "ec or rsa" >&2; exit 1 ;;
esac
openssl req -x509 -nodes -days 30 -subj /CN=localhost -addext subjectAltName=DNS:localhost,IP:127.0.0.1 \
    -newkey "${new[@]}" -keyout "$folder/key" -out "$folder/pem" 2>/dev/null
"$program" --hello --backend "$backend" --threads 2:4 --bind "127.0.0.1:$port" \
    --tls-cert "$folder/pem" --tls-key "$folder/key" --log-level warn &
server=$!
trap 'kill "$server"; wait "$server" || true; rm -r "$folder"' EXIT
sleep 1

state() {
    echo "$1: $(ls "/proc/$server/fd" | wc -l) descriptors," \
        "$(awk '/Threads/ {t = $2} /VmRSS/ {m = $2} END {print t " threads, " m " KiB"}' "/proc/$server/status")"
}
ask() { curl -sSk -o "$folder/answer" "https://127.0.0.1:$port/"; }
ask
before=$(state before)
testssl --quiet --warnings off --color 0 "127.0.0.1:$port"
# Connections that the scanner left open end by themselves.
sleep "${AFTER:-1}"
ask
echo "$before"
state after
