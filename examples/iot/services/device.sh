# A device in shell: curl polls for commands, and waits at the hub until there is one.
name=$1
cursor=$DATA_FOLDER/cursor
[ -s "$cursor" ] || echo earliest >"$cursor"
token=$(curl -sf --retry 9 --retry-connrefused "$REGISTRY_URL/api/token/$name")

hub() { curl -sf --max-time 40 -H "Authorization: Bearer $token" "$@"; }

publish() { hub "$SITE_URL/v1/channels/devices.$name.$1/events" -H 'Content-Type: application/json' -H "Polycast-Type: $1" -d "$2" >/dev/null; }

publish readings "{\"readings\":[{\"celsius\":21.5,\"at\":$(date +%s)}]}"
while :; do
  if answer=$(hub "$SITE_URL/v1/events?channel=devices.$name.commands&after=$(cat "$cursor")&wait=25"); then
    for number in $(echo "$answer" | grep -o '"number":[0-9]*' | cut -d: -f2); do
      publish acks "{\"number\":$number}" || continue 2
    done
    echo "$answer" | sed 's/.*"cursor":"\([^"]*\)".*/\1/' >"$cursor"
  else
    sleep 1
  fi
done
