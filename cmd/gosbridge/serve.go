package main

import (
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"gosbridge/gateway"
	"gosbridge/gateway/config"
)

func newServe(path *string) *cobra.Command {
	return &cobra.Command{
		Use: "serve", Short: "Run the gateway", Args: exactly(),
		Long: "Run the gateway of a configuration until SIGINT or SIGTERM. SIGHUP reloads it, as\n" +
			"gosbridge reload does. The data folder is made by gosbridge quickstart, or here when\n" +
			"it does not exist.",
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			signals, stop := hangups()
			defer stop()
			load := func() (config.Config, error) { return config.Load(*path) }
			cfg, err := load()
			if err != nil {
				return hint(err, *path)
			}
			logger, level := cfg.Log.Logger(cmd.ErrOrStderr())
			logger.Info("configuration", "file", *path, "effective", cfg)
			g, err := gateway.New(cmd.Context(), cfg, gateway.Options{Logger: logger, Level: level, Load: load, File: *path, Create: true})
			if err != nil {
				return err
			}
			if err := refuseLoadTest(cmd.Context(), g.Store().Directory(), g.Addresses()); err != nil {
				return errors.Join(err, g.Close())
			}
			slog.SetDefault(logger)
			g.Warn(cmd.Context())
			return runReloading(cmd.Context(), g, signals)
		},
	}
}

func newConfig(path *string) *cobra.Command {
	return group("config", "The configuration file", scriptable(&cobra.Command{
		Use: "check", Short: "Say what is wrong with the configuration and the files it names", Args: exactly(),
		Long: "Say all that is wrong with the configuration and the files it names, each with the line\n" +
			"and what to do. Exit status 0: no fault.",
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			faults, err := gateway.CheckFile(*path)
			if err != nil {
				return hint(err, *path)
			}
			return tellFaults(cmd, checked{File: *path, Faults: faults})
		},
	}))
}

// checked is what was found wrong with a configuration.
type checked struct {
	File   string         `json:"file"`
	Faults []config.Fault `json:"faults"`
}

// tellFaults tells them, and fails when there are any: for people as the error,
// for scripts as the answer.
func tellFaults(cmd *cobra.Command, found checked) error {
	if len(found.Faults) == 0 {
		found.Faults = []config.Fault{}
		return show(cmd, found, sentence("%s: no fault found", func(c checked) []any { return []any{c.File} }))
	}
	if wantsJSON(cmd) {
		if err := printJSON(cmd.OutOrStdout(), found); err != nil {
			return err
		}
		return fmt.Errorf("%s: %d faults", found.File, len(found.Faults))
	}
	lines := make([]string, len(found.Faults))
	for i, f := range found.Faults {
		lines[i] = f.String()
	}
	return errors.New(strings.Join(lines, "\n"))
}

// version is what runs.
type version struct {
	Version string `json:"version"`
	Go      string `json:"go"`
}

func newVersion() *cobra.Command {
	return scriptable(&cobra.Command{
		Use: "version", Short: "Show the version", Args: exactly(), ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			v := version{Version: gateway.Release(), Go: runtime.Version()}
			return show(cmd, v, sentence("gosbridge %s %s", func(v version) []any { return []any{v.Version, v.Go} }))
		},
	})
}
