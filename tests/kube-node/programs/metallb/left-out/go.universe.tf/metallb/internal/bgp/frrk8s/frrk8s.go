// Package frrk8s has no BGP here: the library's release that MetalLB takes cannot be had.
package frrk8s

import (
	"errors"

	"github.com/go-kit/log"
	frr "github.com/metallb/frr-k8s/api/v1beta1"

	"go.universe.tf/metallb/internal/bgp"
	"go.universe.tf/metallb/internal/logging"
)

// NewSessionManager refuses.
func NewSessionManager(log.Logger, logging.Level, string, string) bgp.SessionManager {
	panic("this build of the tests has no frr-k8s")
}

// ConfigName is never asked for.
func ConfigName(node string) string { return node }

// ConfigToDump refuses.
func ConfigToDump(frr.FRRConfiguration) (string, error) {
	return "", errors.New("this build of the tests has no frr-k8s")
}
