#!/bin/sh
# The tests of test_shop.sh with the commands of sirrchat-testkit in place of curl. The first failure ends it.
set -eu
cd "$(dirname "$0")"

testkit() { python -m sirrchat_testkit "$@"; }

folder=$(mktemp -d)
mkfifo "$folder/ready"
python -m sirrchat_testkit serve --quiet --json --smtp-port 0 --http-port 0 >"$folder/ready" &
trap 'kill $! && wait; rm -r "$folder"' EXIT
read -r server <"$folder/ready" # one line of JSON, as soon as the server is ready

of_server() { printf '%s' "$server" | jq -er ".$1"; }

SMTP_URL=smtp://$(of_server smtp_host):$(of_server smtp_port)
SHOP_DATA=$folder
SIRRCHAT_TESTKIT_URL=$(of_server api_url)
SIRRCHAT_TESTKIT_API_KEY=$(of_server api_key)
export SMTP_URL SHOP_DATA SIRRCHAT_TESTKIT_URL SIRRCHAT_TESTKIT_API_KEY

address=$(testkit address create)
./shop.sh sign-up "$address"
code=$(testkit wait --to "$address" --json | jq -er .code)
./shop.sh confirm "$address" "$code"
echo "ok 1 - the code in the mail confirms the address"

address=$(testkit address create)
./shop.sh sign-up "$address"
link=$(testkit wait --to "$address" --json | jq -er .link)
./shop.sh confirm "$address" "$link"
echo "ok 2 - the link in the mail confirms the address"

if reason=$(testkit wait --to "$address" --subject Welcome --timeout 0.1 2>&1); then exit 1; fi
case $reason in
*"subject: wanted 'Welcome', was 'Confirm your address'"*) ;;
*)
    echo "$reason" >&2
    exit 1
    ;;
esac
echo "ok 3 - a wait that fails says what arrived instead"

echo 1..3
