package config

import (
	"os"
	"path/filepath"
	"strings"
	"time"

	"gosbridge/policy"
)

// Backup is the schedule of backups. Without a folder there is none.
type Backup struct {
	Folder string        `toml:"folder"` // that they are made in; it is there
	At     string        `toml:"at"`     // time of day in Moscow, HH:MM
	Keep   int           `toml:"keep"`   // how many stay
	Rate   policy.Octets `toml:"rate"`   // octets per second
	// Command is run with the folder of the finished backup as its last
	// argument, for Timeout at most.
	Command []string        `toml:"command"`
	Timeout policy.Duration `toml:"timeout"`
}

// Time is the time of day. Validate has checked it.
func (b Backup) Time() (hour, minute int) {
	t, err := time.Parse("15:04", b.At)
	if err != nil {
		return 0, 0
	}
	return t.Hour(), t.Minute()
}

func (c Config) validateBackup(p *problems) {
	b := c.Backup
	if _, err := time.Parse("15:04", b.At); err != nil {
		p.add("backup.at", "%q is no time of day like 02:30", b.At)
	}
	p.positive("backup.keep", int64(b.Keep))
	if !b.Rate.Allows(1) {
		p.add("backup.rate", "must be above zero")
	}
	p.positive("backup.timeout", int64(b.Timeout))
	for i, word := range b.Command {
		if i == 0 && strings.TrimSpace(word) == "" || strings.ContainsRune(word, 0) {
			p.add("backup.command", "names no program")
		}
	}
	switch {
	case b.Folder == "" && len(b.Command) > 0:
		p.add("backup.command", "needs a folder, in which the backup is made first")
	case b.Folder != "" && c.Holds(b.Folder):
		p.add("backup.folder", "lies in the data folder, and would be lost with it")
	}
}

// Holds reports whether a path is the data folder or lies in it, links followed,
// also of what is not there yet.
func (c Config) Holds(path string) bool {
	data, err := filepath.Abs(c.Data)
	if err != nil || c.Data == "" {
		return false
	}
	if path, err = filepath.Abs(path); err != nil {
		return false
	}
	rel, err := filepath.Rel(resolved(data, maxLinks), resolved(path, maxLinks))
	return err == nil && filepath.IsLocal(rel)
}

// maxLinks is how many links are followed to what is not there yet.
const maxLinks = 8

// resolved follows the links in an absolute path as far as it is there.
func resolved(path string, links int) string {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real
	}
	parent := filepath.Dir(path)
	if parent == path {
		return path
	}
	if to, err := os.Readlink(path); err == nil && links > 0 {
		if !filepath.IsAbs(to) {
			to = filepath.Join(resolved(parent, links-1), to)
		}
		return resolved(to, links-1)
	}
	return filepath.Join(resolved(parent, links), filepath.Base(path))
}

// File is a file that a configuration names, or itself.
type File struct {
	Key string `json:"key"` // "config" is the configuration
	// Path is where it is; "$NAME" is an environment variable, "credential
	// NAME" one of systemd, and "program NAME" prints it.
	Path string `json:"path"`
	// Secret says that it holds a private key. Certificates says that nothing
	// of it belongs anywhere else but the certificates.
	Secret       bool `json:"-"`
	Certificates bool `json:"-"`
}

// Files are what the gateway needs beside its data folder. own is the file of
// the configuration; "" when it has none.
func (c Config) Files(own string) (all []File) {
	if own != "" {
		all = append(all, File{Key: "config", Path: own})
	}
	switch m := c.MasterKey; {
	case m.Environment != "":
		all = append(all, File{Key: "master_key.environment", Path: "$" + m.Environment, Secret: true})
	case m.Credential != "":
		all = append(all, File{Key: "master_key.credential", Path: m.Place(), Secret: true})
	case len(m.Command) > 0: // its arguments are not shown
		all = append(all, File{Key: "master_key.command", Path: m.Place(), Secret: true})
	}
	for _, p := range c.paths() {
		if p.folder || *p.path == "" {
			continue
		}
		all = append(all, File{
			Key: p.key, Path: *p.path,
			Secret:       p.key == "master_key.file" || strings.HasSuffix(p.key, ".key"),
			Certificates: p.key != "registry.file",
		})
	}
	return all
}
