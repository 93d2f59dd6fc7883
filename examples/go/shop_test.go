package shop

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"

	"shop.example/shop/testkit"
)

// The mail server, as it describes itself in one line of JSON when it is ready.
var server struct {
	Host string `json:"smtp_host"`
	Port int    `json:"smtp_port"`
	URL  string `json:"api_url"`
	Key  string `json:"api_key"`
}

var api *testkit.ClientWithResponses

func TestMain(m *testing.M) {
	command := exec.Command("python", "-m", "sirrchat_testkit", "serve", "--json", "--smtp-port", "0", "--http-port", "0")
	command.Stderr = os.Stderr
	output, err := command.StdoutPipe()
	if err == nil {
		err = command.Start()
	}
	if err == nil {
		err = json.NewDecoder(output).Decode(&server)
	}
	if err == nil {
		api, err = testkit.NewClientWithResponses(server.URL, testkit.WithRequestEditorFn(authorize))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "the mail server did not start:", err)
		os.Exit(1)
	}
	status := m.Run()
	command.Process.Signal(os.Interrupt)
	command.Wait()
	os.Exit(status)
}

func authorize(_ context.Context, request *http.Request) error {
	request.Header.Set("Authorization", "Bearer "+server.Key)
	return nil
}

func newShop() *Shop { return New(fmt.Sprintf("%s:%d", server.Host, server.Port)) }

// newAddress makes an address for one test, so that tests can run in parallel and in any order.
func newAddress(t *testing.T) string {
	t.Helper()
	answer, err := api.CreateAddressWithResponse(t.Context(), testkit.ControlNewAddress{})
	if err != nil {
		t.Fatal(err)
	}
	if answer.JSON201 == nil {
		t.Fatalf("%s: %s", answer.Status(), answer.Body)
	}
	return answer.JSON201.Email
}

// receive waits for a message to the address. If none arrives, the test fails with the reason.
func receive(t *testing.T, address string) testkit.ControlFoundMessage {
	t.Helper()
	answer, err := api.WaitForMessagesWithResponse(t.Context(), &testkit.WaitForMessagesParams{To: &address})
	if err != nil {
		t.Fatal(err)
	}
	if answer.JSON404 != nil {
		t.Fatal(answer.JSON404.Error.Message)
	}
	if answer.JSON200 == nil {
		t.Fatalf("%s: %s", answer.Status(), answer.Body)
	}
	return answer.JSON200.Data[0]
}

func TestTheCodeInTheMailConfirmsTheAddress(t *testing.T) {
	shop, address := newShop(), newAddress(t)

	if err := shop.SignUp(address); err != nil {
		t.Fatal(err)
	}

	message := receive(t, address)
	if message.Code == nil {
		t.Fatalf("no code, or several: %+v", message)
	}
	shop.Enter(address, *message.Code)
	if !shop.Confirmed[address] {
		t.Fatal("the code did not confirm the address")
	}
}

func TestTheLinkInTheMailConfirmsTheAddress(t *testing.T) {
	shop, address := newShop(), newAddress(t)

	if err := shop.SignUp(address); err != nil {
		t.Fatal(err)
	}

	message := receive(t, address)
	if message.Link == nil {
		t.Fatalf("no link, or several: %+v", message)
	}
	shop.Open(*message.Link)
	if !shop.Confirmed[address] {
		t.Fatal("the link did not confirm the address")
	}
}

func TestAWaitThatFailsSaysWhatArrivedInstead(t *testing.T) {
	address, subject, timeout := newAddress(t), "Welcome", 0.1
	if err := newShop().SignUp(address); err != nil {
		t.Fatal(err)
	}

	params := testkit.WaitForMessagesParams{To: &address, Subject: &subject, Timeout: &timeout}
	answer, err := api.WaitForMessagesWithResponse(t.Context(), &params)

	if err != nil || answer.JSON404 == nil {
		t.Fatal("the answer is not 404: ", err)
	}
	reason := answer.JSON404.Error.Message
	if !strings.HasPrefix(reason, "subject: wanted 'Welcome', was 'Confirm your address'") {
		t.Fatal(reason)
	}
}
