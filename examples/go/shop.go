// Package shop is the sign-up of a shop: it mails a link and a code, and either of them confirms the address.
package shop

import (
	"crypto/rand"
	"fmt"
	"math/big"
	"net/smtp"
)

const mail = "From: The Shop <no-reply@shop.example>\r\n" +
	"To: %s\r\n" +
	"Subject: Confirm your address\r\n" +
	"\r\n" +
	"Confirm your address: %s\r\n" +
	"\r\n" +
	"Or type this code: %s\r\n"

// Shop sends its mail to the SMTP server at Relay, which is a host and a port.
type Shop struct {
	Relay     string
	Confirmed map[string]bool
	waiting   map[string]string // addresses by link or code
}

// New returns a shop without customers.
func New(relay string) *Shop {
	return &Shop{Relay: relay, Confirmed: map[string]bool{}, waiting: map[string]string{}}
}

// SignUp mails a link and a code to the address.
func (s *Shop) SignUp(email string) error {
	number, err := rand.Int(rand.Reader, big.NewInt(1_000_000))
	if err != nil {
		return err
	}
	code := fmt.Sprintf("%06d", number)
	link := "https://shop.example/confirm?token=" + rand.Text()
	text := fmt.Sprintf(mail, email, link, code)
	if err := smtp.SendMail(s.Relay, nil, "no-reply@shop.example", []string{email}, []byte(text)); err != nil {
		return err
	}
	s.waiting[link], s.waiting[email+code] = email, email
	return nil
}

// Open confirms the address to which the link was sent.
func (s *Shop) Open(link string) { s.confirm(link) }

// Enter confirms the address if the code was sent to it.
func (s *Shop) Enter(email, code string) { s.confirm(email + code) }

func (s *Shop) confirm(secret string) {
	if email, found := s.waiting[secret]; found {
		s.Confirmed[email] = true
	}
}
