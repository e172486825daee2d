package main

import "github.com/spf13/cobra"

func newStore(config *string) *cobra.Command {
	return group("store", "The store and its backups",
		newStoreCheck(config),
		newStoreRepair(config),
		newStoreBackup(config),
		newStoreRestore(config),
		newStoreResume(config),
		newStoreCompact(config),
		newStoreExport(config),
		newStoreImport(config),
		newStoreRotateKey(config),
	)
}
