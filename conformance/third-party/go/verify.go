package main

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"net/http"
	"os"
	"strings"

	standard "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// Reads deliveries from standard input, one a line: secret, id, timestamp, signature and the body in Base64, with tabs between.
// Prints "verified", or why not, for each.
func verify() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		parts := strings.Split(lines.Text(), "\t")
		webhook, err := standard.NewWebhook(parts[0])
		must(err)
		body, err := base64.StdEncoding.DecodeString(parts[4])
		must(err)
		headers := http.Header{}
		headers.Set("webhook-id", parts[1])
		headers.Set("webhook-timestamp", parts[2])
		headers.Set("webhook-signature", parts[3])
		if err := webhook.Verify(body, headers); err != nil {
			fmt.Println(err)
		} else {
			fmt.Println("verified")
		}
	}
}
