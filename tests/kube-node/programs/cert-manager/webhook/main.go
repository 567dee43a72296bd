// The webhook of cert-manager, with all of its flags.
package main

import (
	"context"
	"os/signal"
	"syscall"

	"github.com/spf13/pflag"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"

	"github.com/cert-manager/cert-manager/internal/webhook"
	logf "github.com/cert-manager/cert-manager/pkg/logs"
	"github.com/cert-manager/cert-manager/pkg/webhook/options"
)

func main() {
	settings, err := options.NewWebhookConfiguration()
	must(err)
	options.AddConfigFlags(pflag.CommandLine, settings)
	pflag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	log := zap.New()
	ctrl.SetLogger(log)
	ctx = logf.NewContext(ctx, log)
	server, err := webhook.NewCertManagerWebhookServer(log, *settings)
	must(err)
	must(server.Run(ctx))
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
