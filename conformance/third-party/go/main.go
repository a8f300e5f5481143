// third-party events CLIENT URL: prints whatever the client hands over, one JSON object a line: {"event","id","data"}.
package main

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"time"

	donovanhide "github.com/donovanhide/eventsource"
	launchdarkly "github.com/launchdarkly/eventsource"
	r3labs "github.com/r3labs/sse/v2"
	tmaxmax "github.com/tmaxmax/go-sse"
)

func show(event, id, data string) {
	if event == "" {
		event = "message"
	}
	_ = json.NewEncoder(os.Stdout).Encode(map[string]string{"event": event, "id": id, "data": data})
}

func main() {
	if os.Args[1] == "verify" {
		verify()
		return
	}
	if os.Args[1] == "cloudevents" {
		publishCloudEvents(os.Args[2])
		return
	}
	client, url := os.Args[2], os.Args[3]
	if os.Args[1] == "sockets" {
		sockets[client](url)
		return
	}
	eventStreams[client](url)
}

var eventStreams = map[string]func(url string){
	"tmaxmax/go-sse": func(url string) {
		client := tmaxmax.Client{
			Backoff: tmaxmax.Backoff{InitialInterval: 200 * time.Millisecond, MaxInterval: time.Second},
		}
		request, _ := http.NewRequestWithContext(context.Background(), http.MethodGet, url, http.NoBody)
		connection := client.NewConnection(request)
		connection.Buffer(nil, 1<<20)
		connection.SubscribeToAll(func(event tmaxmax.Event) { show(event.Type, event.LastEventID, event.Data) })
		for {
			// It goes on by itself after a connection that broke, and not after a stream that the server ended.
			_ = connection.Connect()
			time.Sleep(200 * time.Millisecond)
		}
	},
	"launchdarkly/eventsource": func(url string) {
		stream, err := launchdarkly.SubscribeWithURL(url, launchdarkly.StreamOptionInitialRetry(200*time.Millisecond),
			launchdarkly.StreamOptionErrorHandler(func(error) launchdarkly.StreamErrorHandlerResult {
				return launchdarkly.StreamErrorHandlerResult{}
			}))
		if err != nil {
			panic(err)
		}
		for event := range stream.Events {
			show(event.Event(), event.Id(), event.Data())
		}
	},
	"donovanhide/eventsource": func(url string) {
		stream, err := donovanhide.Subscribe(url, "")
		if err != nil {
			panic(err)
		}
		go func() {
			for range stream.Errors {
			}
		}()
		for event := range stream.Events {
			show(event.Event(), event.Id(), event.Data())
		}
	},
	"r3labs/sse": func(url string) {
		client := r3labs.NewClient(url, r3labs.ClientMaxBufferSize(1<<20))
		for {
			_ = client.SubscribeRaw(func(event *r3labs.Event) { show(string(event.Event), string(event.ID), string(event.Data)) })
			time.Sleep(200 * time.Millisecond)
		}
	},
}
