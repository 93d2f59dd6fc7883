#!/bin/sh
# Tests shop.sh with a mail server on free ports, and prints the results in TAP. The first failure ends it.
set -eu
cd "$(dirname "$0")"

folder=$(mktemp -d)
mkfifo "$folder/ready"
python -m sirrchat_testkit serve --quiet --json --smtp-port 0 --http-port 0 >"$folder/ready" &
trap 'kill $! && wait; rm -r "$folder"' EXIT
read -r server <"$folder/ready" # one line of JSON, as soon as the server is ready

of_server() { printf '%s' "$server" | jq -er ".$1"; }

SMTP_URL=smtp://$(of_server smtp_host):$(of_server smtp_port)
SHOP_DATA=$folder
export SMTP_URL SHOP_DATA
url=$(of_server api_url)/testkit/v1
key=$(of_server api_key)

api() {
    path=$1
    shift
    curl --silent --show-error --header "X-API-Key: $key" "$@" "$url/$path"
}

new_address() { api addresses -d '{}' | jq -er .email; }

# Wait for a mail to the address $1, and print its field $2. If none arrives, fail with the reason.
receive() {
    field="if .error then error(.error.message) else .data[0].$2 // error(\"no $2, or several\") end"
    api wait --get --data-urlencode "to=$1" | jq -r "$field"
}

address=$(new_address)
./shop.sh sign-up "$address"
code=$(receive "$address" code)
./shop.sh confirm "$address" "$code"
echo "ok 1 - the code in the mail confirms the address"

address=$(new_address)
./shop.sh sign-up "$address"
link=$(receive "$address" link)
./shop.sh confirm "$address" "$link"
echo "ok 2 - the link in the mail confirms the address"

reason=$(api wait --get -d to="$address" -d subject=Welcome -d timeout=0.1 | jq -er .error.message)
case $reason in
"subject: wanted 'Welcome', was 'Confirm your address'"*) ;;
*)
    echo "$reason" >&2
    exit 1
    ;;
esac
echo "ok 3 - a wait that fails says what arrived instead"

echo 1..3
