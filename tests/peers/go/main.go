// SPDX-License-Identifier: Apache-2.0

// A command line around the file locker of github.com/werf/lockgate, for the tests and the benchmark.
package main

import (
	"strings"

	"github.com/werf/lockgate"
	"github.com/werf/lockgate/pkg/file_locker"

	"lockgate.test/goflock/harness"
)

func lock(name string, options harness.Options) (func() error, error) {
	locker, err := file_locker.NewFileLocker(options.Dir)
	if err != nil {
		return nil, err
	}
	acquired, handle, err := locker.Acquire(name, lockgate.AcquireOptions{
		Shared:      options.Shared,
		NonBlocking: options.NonBlocking,
		Timeout:     options.Timeout,
		OnWaitFunc: func(_ string, doWait func() error) error {
			options.OnWait()
			return doWait()
		},
	})
	switch {
	case err != nil && strings.Contains(err.Error(), "timeout"): // the library has no error value for it
		return nil, harness.ErrBusy
	case err != nil:
		return nil, err
	case !acquired:
		return nil, harness.ErrBusy
	}
	return func() error { return locker.Release(handle) }, nil
}

func main() { harness.Main(lock) }
