// What answers an HTTP-01 challenge for cert-manager.
package main

import (
	"github.com/spf13/pflag"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"

	"github.com/cert-manager/cert-manager/pkg/issuer/acme/http/solver"
)

func main() {
	var of solver.HTTP01Solver
	pflag.IntVar(&of.ListenPort, "listen-port", 8089, "")
	pflag.StringVar(&of.Domain, "domain", "", "")
	pflag.StringVar(&of.Token, "token", "", "")
	pflag.StringVar(&of.Key, "key", "", "")
	pflag.Parse()
	panic(of.Listen(zap.New()))
}
