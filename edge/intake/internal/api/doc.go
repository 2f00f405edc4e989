// Package api is the API's words as Go types, and its routes, as openapi.yaml has them.
//
// In:     ../../openapi.yaml.
// Out:    types for clients and tests; ServerInterface, which the door implements, so that no route of the specification can be missing.
// Keeps:  nothing.
// Fails:  not at all; the door reads events with a reader of its own and not through these types.
// Source: docs/decisions/0010-intake.md
package api

//go:generate go run github.com/oapi-codegen/oapi-codegen/v2/cmd/oapi-codegen@v2.8.2 -config oapi-codegen.yaml ../../openapi.yaml
