package admin_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"gosbridge/gateway/admin"
)

// connectAs connects to a socket as another user, in a thread of its own that
// ends with it, sends octets and returns what comes back.
func connectAs(uid int, path, octets string) (string, error) {
	type answer struct {
		text string
		err  error
	}
	done := make(chan answer)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		text, err := func() (string, error) {
			id := uintptr(uid)
			if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, id, id, id); errno != 0 {
				return "", errno
			}
			fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
			if err != nil {
				return "", err
			}
			if err := unix.Connect(fd, &unix.SockaddrUnix{Name: path}); err != nil {
				return "", err
			}
			f := os.NewFile(uintptr(fd), "socket")
			defer f.Close()
			if _, err := io.WriteString(f, octets); err != nil {
				return "", err
			}
			all, err := io.ReadAll(f)
			return string(all), err
		}()
		done <- answer{text, err}
	}()
	a := <-done
	return a.text, a.err
}

// Another user is refused by name, even where the modes of socket and folder
// let them in.
func TestOtherUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root to connect as another user")
	}
	r := newRig(t)
	r.serve(t)
	path := admin.SocketPath(r.data)
	for file, mode := range map[string]os.FileMode{r.data: 0o711, filepath.Dir(path): 0o711, path: 0o666} {
		if err := os.Chmod(file, mode); err != nil {
			t.Fatal(err)
		}
	}
	body := `{}`
	request := fmt.Sprintf("POST /%s HTTP/1.1\r\nHost: gosbridge\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s", admin.OpAccountList, len(body), body)
	for uid, refused := range map[int]bool{65534: true, 0: false} {
		text, err := connectAs(uid, path, request)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := http.ReadResponse(bufio.NewReader(strings.NewReader(text)), nil)
		if err != nil {
			t.Fatalf("uid %d: %v in %q", uid, err, text)
		}
		var f struct{ Error, Kind string }
		if refused {
			err = json.NewDecoder(answer.Body).Decode(&f)
		}
		if err != nil || refused != (f.Kind == "forbidden") || refused != strings.Contains(f.Error, "uid 65534 may not operate this gateway, only uid 0") {
			t.Errorf("uid %d: %s %+v, %v", uid, answer.Status, f, err)
		}
	}
}
