package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	cloudevents "github.com/cloudevents/sdk-go/v2"
	"github.com/cloudevents/sdk-go/v2/protocol"
	cehttp "github.com/cloudevents/sdk-go/v2/protocol/http"
)

// Publishes CloudEvents, one for each line of standard input: {"mode","id","source","type","subject","extensions","datacontenttype","data"}.
// Prints the status that the hub answers with, or the error, for each.
func publishCloudEvents(url string) {
	client, err := cloudevents.NewClientHTTP(cloudevents.WithTarget(url))
	must(err)
	lines := json.NewDecoder(os.Stdin)
	for lines.More() {
		var line struct {
			Mode, ID, Source, Type, Subject, DataContentType string
			Time                                             time.Time
			Extensions                                       map[string]any
			Data                                             json.RawMessage
		}
		must(lines.Decode(&line))
		event := cloudevents.NewEvent()
		event.SetID(line.ID)
		event.SetSource(line.Source)
		event.SetType(line.Type)
		event.SetSubject(line.Subject)
		event.SetTime(line.Time)
		for name, value := range line.Extensions {
			event.SetExtension(name, value)
		}
		var data any = line.Data
		if line.DataContentType != cloudevents.ApplicationJSON {
			var text string
			must(json.Unmarshal(line.Data, &text))
			data = text
		}
		must(event.SetData(line.DataContentType, data))
		sending := cloudevents.WithEncodingStructured(context.Background())
		if line.Mode == "binary" {
			sending = cloudevents.WithEncodingBinary(context.Background())
		}
		result := client.Send(sending, event)
		var answer *cehttp.Result
		if protocol.ResultAs(result, &answer) {
			fmt.Println(answer.StatusCode)
		} else {
			fmt.Println(result)
		}
	}
}
