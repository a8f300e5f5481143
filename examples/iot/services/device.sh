# A device in shell: curl polls for commands, and waits at the hub until there is one.
name=$1
cursor=$DATA_FOLDER/cursor
[ -s "$cursor" ] || echo earliest >"$cursor"
get_token() { token=$(curl -sf --retry 9 --retry-connrefused "$REGISTRY_URL/api/token/$name"); }
get_token

hub() { curl -sf --max-time 40 -H "Authorization: Bearer $token" "$@"; }

publish() { hub "$SITE_URL/v1/channels/devices.$name.$1/events" -H 'Content-Type: application/json' -H "Polycast-Type: $1" -H "Idempotency-Key: $name-$1-$3" -d "$2" >/dev/null; }

publish readings "{\"readings\":[{\"celsius\":21.5,\"at\":$(date +%s)}]}" "$(date +%s)"
while :; do
  if answer=$(hub "$SITE_URL/v1/events?channel=devices.$name.commands&after=$(cat "$cursor")&wait=25"); then
    for number in $(echo "$answer" | grep -o '"number":[0-9]*' | cut -d: -f2); do
      # The hub may slow a device down. An acknowledgement that is sent again has the same key.
      publish acks "{\"number\":$number}" "$number" || { sleep 1; continue 2; }
    done
    echo "$answer" | sed 's/.*"cursor":"\([^"]*\)".*/\1/' >"$cursor.new"
    mv "$cursor.new" "$cursor"
  else
    sleep 1
    get_token
  fi
done
