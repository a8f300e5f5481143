package main

import (
	"context"
	"fmt"
	"strings"

	coder "github.com/coder/websocket"
	gorilla "github.com/gorilla/websocket"
)

// Waits for ready, publishes an event of 100 kB, reads it back, and closes: see sockets.slow.test.ts.
var sockets = map[string]func(url string){
	"coder/websocket": func(url string) {
		background := context.Background()
		socket, _, err := coder.Dial(background, url, &coder.DialOptions{
			Subprotocols:    []string{"polycast.v1"},
			CompressionMode: coder.CompressionContextTakeover,
		})
		must(err)
		socket.SetReadLimit(1 << 20)
		_, message, err := socket.Read(background)
		must(err)
		fmt.Println(socket.Subprotocol(), string(message))
		must(socket.Write(background, coder.MessageText, []byte(publish())))
		for count := 0; count < 2; count++ {
			_, message, err = socket.Read(background)
			must(err)
			fmt.Println(string(message))
		}
		must(socket.Close(coder.StatusNormalClosure, ""))
		fmt.Println("closed 1000")
	},
	"gorilla/websocket": func(url string) {
		dialer := gorilla.Dialer{Subprotocols: []string{"polycast.v1"}, EnableCompression: true}
		socket, _, err := dialer.Dial(url, nil)
		must(err)
		_, message, err := socket.ReadMessage()
		must(err)
		fmt.Println(socket.Subprotocol(), string(message))
		must(socket.WriteMessage(gorilla.TextMessage, []byte(publish())))
		for count := 0; count < 2; count++ {
			_, message, err = socket.ReadMessage()
			must(err)
			fmt.Println(string(message))
		}
		must(socket.WriteMessage(gorilla.CloseMessage, gorilla.FormatCloseMessage(1000, "")))
		_, _, err = socket.ReadMessage()
		if closed, ok := err.(*gorilla.CloseError); ok {
			fmt.Println("closed", closed.Code)
		} else {
			must(err)
		}
	},
}

func publish() string {
	return `{"op":"publish","ref":1,"channel":"sockets","data":"` + strings.Repeat("é", 50_000) + `"}`
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
