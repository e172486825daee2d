package gateway

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"golang.org/x/sync/errgroup"

	"gosbridge/gateway/admin"
	"gosbridge/gateway/config"
	"gosbridge/gateway/imapd"
	"gosbridge/gateway/letter"
	"gosbridge/gateway/submission"
)

// listen binds every listener, so that a port in use or a bad certificate is
// an error of the start.
func (g *Gateway) listen(ctx context.Context) error {
	var err error
	if g.desk, err = admin.Listen(g.cfg.Data); err != nil {
		return err
	}
	var lc net.ListenConfig
	for i, l := range g.cfg.Listeners {
		d := door{config: l, tls: g.set.pairs[i]}
		if d.Listener, err = lc.Listen(ctx, "tcp", l.Address); err != nil {
			return fmt.Errorf("listener %s: %w", l.Address, err)
		}
		g.doors = append(g.doors, d)
	}
	return nil
}

// Run serves until ctx ends or a part fails, and closes the gateway. It stops
// in two steps: the doors first, so that every session ends with what it has
// begun; then the workers, which finish the batch in hand. What remains in
// the queue is done after the next start.
func (g *Gateway) Run(ctx context.Context) (err error) {
	defer func() { err = errors.Join(err, g.Close()) }()
	owner := fmt.Sprintf("%s/%d/%d", g.cfg.Hostname, os.Getpid(), g.now().UnixNano())
	working, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	workers, working := errgroup.WithContext(working)
	workers.Go(func() error { return g.courier.Run(working, owner) })
	workers.Go(func() error { return g.office.Run(working, owner) })
	workers.Go(func() error { return g.sweep(working) })
	workers.Go(func() error { return g.texts.Run(working) })
	workers.Go(func() error { return g.retain(working) })
	workers.Go(func() error { g.schedule.Run(working); return nil })
	workers.Go(func() error { g.templates.ProvideAll(working); return nil })

	doors, serving := errgroup.WithContext(ctx)
	for _, d := range g.doors {
		doors.Go(func() error { return g.serve(serving, d) })
	}
	doors.Go(func() error { return g.admin.Serve(serving, g.desk) })
	// A worker that fails takes the doors with it.
	doors.Go(func() error {
		select {
		case <-serving.Done():
		case <-working.Done():
			return errors.New("a worker stopped")
		}
		return nil
	})
	err = doors.Wait()
	stop()
	return errors.Join(err, workers.Wait())
}

// serve runs the server of one door.
func (g *Gateway) serve(ctx context.Context, d door) error {
	g.log.Info("listening", "protocol", d.config.Protocol, "address", d.Addr().String(), "tls", d.config.TLS)
	var secure *tls.Config
	if d.tls != nil {
		secure = d.tls.Config()
	}
	if d.config.Protocol == config.IMAP {
		mode := imapd.Mode{TLS: imapModes[d.config.TLS], Plaintext: d.config.Plaintext}
		return g.imap.Serve(ctx, d.Listener, mode, secure)
	}
	return g.submit.Serve(ctx, d.Listener, submitMode(d.config), secure)
}

// submitMode is the mode of a listener for SMTP.
func submitMode(l config.Listener) submission.Mode {
	switch {
	case l.TLS == config.ImplicitTLS:
		return submission.ImplicitTLS
	case l.TLS == config.StartTLS && l.Plaintext:
		return submission.OptionalTLS
	case l.TLS == config.StartTLS:
		return submission.StartTLS
	}
	return submission.Plaintext
}

var imapModes = map[config.TLS]imapd.TLSMode{
	config.ImplicitTLS: imapd.ImplicitTLS, config.StartTLS: imapd.StartTLS, config.NoTLS: imapd.NoTLS,
}

// sweep removes, now and then, bodies that no commit has named.
func (g *Gateway) sweep(ctx context.Context) error {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		report, err := g.store.Sweep(ctx, sweepGrace)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			g.log.Error("sweep failed", "err", err)
		case report.Removed > 0:
			g.log.Info("bodies swept", "removed", report.Removed, "octets", report.Octets)
		}
	}
}

// retain looks after the terms of letters, at the start and now and then.
func (g *Gateway) retain(ctx context.Context) error {
	tick := time.NewTicker(g.retaining)
	defer tick.Stop()
	for {
		// A store that was restored knows of no extension made after the backup.
		if g.recovery.Gate().Pass(ctx, letter.RetentionTerms); ctx.Err() != nil {
			return nil
		}
		if err := g.office.Retain(ctx); err != nil && ctx.Err() == nil {
			g.log.Error("terms of letters not looked after", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}
