// Package testkit is the client of the mail server's control API. oapi-codegen makes it of the OpenAPI document.
package testkit

//go:generate go run github.com/oapi-codegen/oapi-codegen/v2/cmd/oapi-codegen@v2.8.0 --config oapi-codegen.yaml ../../../docs/openapi.json
