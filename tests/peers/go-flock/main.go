// SPDX-License-Identifier: Apache-2.0

// OUR OWN stand-in for the file locker of github.com/werf/lockgate, for machines that cannot have the library. It
// shares the library's place and kind of lock (flock(2) on DIR/<hex sha256 of the name>) and its polling every
// 500 ms, and no line of its code; what the library itself does is shown only by the program in ../go.
package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"lockgate.test/goflock/harness"
)

const pollInterval = 500 * time.Millisecond

func lock(name string, options harness.Options) (func() error, error) {
	digest := sha256.Sum256([]byte(name))
	path := filepath.Join(options.Dir, hex.EncodeToString(digest[:]))
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	how := syscall.LOCK_EX | syscall.LOCK_NB
	if options.Shared {
		how = syscall.LOCK_SH | syscall.LOCK_NB
	}
	began := time.Now()
	for waited := false; ; waited = true {
		if err = syscall.Flock(int(file.Fd()), how); err == nil {
			return file.Close, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, err
		}
		if options.NonBlocking {
			return nil, harness.ErrBusy
		}
		if !waited {
			options.OnWait()
		}
		rest := pollInterval
		if options.Timeout != 0 {
			rest = min(rest, options.Timeout-time.Since(began))
		}
		if rest <= 0 {
			return nil, harness.ErrBusy
		}
		time.Sleep(rest)
	}
}

func min(a, b time.Duration) time.Duration {
	if a < b {
		return a
	}
	return b
}

func main() { harness.Main(lock) }
