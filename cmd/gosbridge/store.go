package main

import "github.com/spf13/cobra"

func newStore(config *string) *cobra.Command {
	return group("store", "The data folder",
		newStoreCheck(config),
		newStoreRepair(config),
	)
}
