#!/usr/bin/env bash
# Looks at a deployed daemon over its real sockets, without placing or changing anything.
#
#   TESTNET_TOKEN=… bash tests/smoke/run.sh
#
#   PORT=9000, HTTP_PORT=9001   where it listens on this machine
#   HOST=127.0.0.1              another address of it
#   CERBEROD=…                  the command to call it with; the release's, the clone's or the one on the PATH if not given
#
# One line for each check; exit code 0 when all passed, 1 when one failed, 2 when it could not begin.
set -uo pipefail

host=${HOST:-127.0.0.1} port=${PORT:-9000} http_port=${HTTP_PORT:-9001}
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
failed=0 passed=0
if [ -z "${TESTNET_TOKEN:-}" ]; then
    printf 'TESTNET_TOKEN must be given\n' >&2
    exit 2
fi
for cerberod in "${CERBEROD:-}" "$root/current/venv/bin/cerberod" "$root/.venv/bin/cerberod" cerberod; do
    [ -n "$cerberod" ] && command -v "$cerberod" >/dev/null && break
done
if ! command -v "$cerberod" >/dev/null || ! command -v curl >/dev/null; then
    printf 'curl and the command cerberod are needed (CERBEROD=… names it)\n' >&2
    exit 2
fi

report() { # PASSED? WHAT DETAIL
    if [ "$1" = yes ]; then
        passed=$((passed + 1))
        printf '  ok    %-34s %s\n' "$2" "$3"
    else
        failed=$((failed + 1))
        printf '  FAIL  %-34s %s\n' "$2" "$3"
    fi
}

# Prints "STATUS BODY". Headers come on standard input, so that no token shows in the list of processes.
get() {
    local answer
    answer=$(curl --silent --max-time 10 --noproxy '*' --config - --write-out '\n%{http_code}' "$@")
    printf '%s %s' "${answer##*$'\n'}" "$(tr -d '\n' <<<"${answer%$'\n'*}")"
}
header() { printf 'header = "%s"\n' "$@"; }

http() { # WHAT PATH STATUS [PART OF THE BODY]; headers on standard input
    local answer yes=no
    answer=$(get "http://$host:$http_port$2")
    [ "${answer%% *}" = "$3" ] && [[ "$answer" == *"${4:-}"* ]] && yes=yes
    report "$yes" "$1" "$(printf '%.100s' "$answer")"
}

handshake() { # WHAT STATUS; headers on standard input
    local answer yes=no
    answer=$({
        header "Connection: Upgrade" "Upgrade: websocket" "Sec-WebSocket-Version: 13"
        header "Sec-WebSocket-Key: c21va2Utc21va2Utc21vaw=="
        cat
    } | get --http1.1 "http://$host:$port/")
    [ "${answer%% *}" = "$2" ] && yes=yes
    report "$yes" "$1" "$(printf '%.100s' "$answer")"
}

call() { # WHAT METHOD [JSON]
    local answer yes=no
    answer=$(CERBEROD_URL="ws://$host:$port/" CERBEROD_TOKEN=$TESTNET_TOKEN "$cerberod" call "$2" "${3:-{\}}" --json 2>&1) && yes=yes
    report "$yes" "$1" "$(printf '%.100s' "$(printf '%s' "$answer" | tr -s '\n ' ' ')")"
    told=$answer
}

printf 'cerberod at ws://%s:%s and http://%s:%s\n' "$host" "$port" "$host" "$http_port"
http "health" /health 200 '"phase":"ready"' </dev/null
http "readiness" /health/ready 200 '"status":' </dev/null
handshake "a wrong token is refused" 401 < <(header "Authorization: Bearer not-a-token" "X-Bot-Tag: smoke")
handshake "a missing bot tag is refused" 400 < <(header "Authorization: Bearer $TESTNET_TOKEN")
http "the audit asks for a token" /admin/audit 401 </dev/null
call "whoami" session.whoami
for venue in $(printf '%s' "$told" | grep -o '"venue": *"[a-z]*"' | cut -d'"' -f4 | sort -u); do
    case $venue in
    deribit) call "a read from deribit" deribit.get_index_price '{"index_name": "btc_usd"}' ;;
    bybit) call "a read from bybit" bybit.get_server_time ;;
    *) report no "a read from $venue" "this script knows no read for it" ;;
    esac
done
http "audit query" "/admin/audit?limit=1" 200 '"count":' < <(header "Authorization: Bearer $TESTNET_TOKEN")
printf '%s passed, %s failed\n' "$passed" "$failed"
[ "$failed" = 0 ]
