#!/bin/sh
# The sign-up of a shop, configured by SMTP_URL and SHOP_DATA, a folder.
#
#   shop.sh sign-up EMAIL         mails a link and a code
#   shop.sh confirm EMAIL SECRET  succeeds if the secret is the link or the code
set -eu

waiting=$SHOP_DATA/$2
case $1 in
sign-up)
    token=$(od -A n -t x1 -N 16 /dev/urandom | tr -d ' \n')
    link="https://shop.example/confirm?token=$token"
    code=$(printf %06d $(($(od -A n -t u4 -N 4 /dev/urandom) % 1000000)))
    curl --silent --show-error --mail-from no-reply@shop.example --mail-rcpt "$2" --crlf --upload-file - "$SMTP_URL" <<MAIL
From: The Shop <no-reply@shop.example>
To: $2
Subject: Confirm your address

Confirm your address: $link

Or type this code: $code
MAIL
    printf '%s\n' "$link" "$code" >"$waiting"
    ;;
confirm)
    grep -Fqx -e "$3" "$waiting"
    ;;
esac
