package main

import (
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"

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
			g, err := gateway.New(cmd.Context(), cfg, gateway.Options{Logger: logger, Level: level, Load: load, Create: true})
			if err != nil {
				return err
			}
			if err := refuseLoadTest(cmd.Context(), g.Store().Directory(), g.Addresses()); err != nil {
				return errors.Join(err, g.Close())
			}
			slog.SetDefault(logger)
			return runReloading(cmd.Context(), g, signals)
		},
	}
}

func newConfig(path *string) *cobra.Command {
	cmd := &cobra.Command{Use: "config", Short: "The configuration file"}
	cmd.AddCommand(&cobra.Command{
		Use: "check", Short: "Say what is wrong with the configuration and the files it names", Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := config.Load(*path)
			if err != nil {
				return hint(err, *path)
			}
			if err := gateway.Check(cfg); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s: no fault found\n", *path)
			return nil
		},
	})
	return cmd
}

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Show the version", Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			version, goVersion := "development", ""
			if info, ok := debug.ReadBuildInfo(); ok {
				goVersion = info.GoVersion
				if v := info.Main.Version; v != "" && v != "(devel)" {
					version = v
				}
			}
			fmt.Fprintf(cmd.OutOrStdout(), "gosbridge %s %s\n", version, goVersion)
			return nil
		},
	}
}
