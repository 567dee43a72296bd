// Package ext stands for the fields that Traefik's makers add to its configuration in other products: there are none.
package ext

// HTTP is empty.
type HTTP struct{}

// Router is empty.
type Router struct{}
