// SPDX-License-Identifier: Apache-2.0

// Package harness is the command line that the tests drive, around any locker:
//
//	PROGRAM acquire NAME [FLAGS]            print a line when the lock is had, let go at a line or the end of stdin
//	PROGRAM wrap NAME [FLAGS] -- CMD...     run CMD under the lock, end with its status
//
// Status 75: the lock was not had. "waiting" on stderr: it was not free.
package harness

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"time"
)

// ErrBusy is what a Locker answers for a lock that it did not get.
var ErrBusy = errors.New("the lock is held by another")

// Options of one acquisition.
type Options struct {
	Dir         string
	Shared      bool
	NonBlocking bool
	Timeout     time.Duration // 0: no limit
	OnWait      func()        // called once if the lock is not free
}

// Locker takes the lock and returns the function that lets go of it.
type Locker func(name string, options Options) (release func() error, err error)

// Main never returns.
func Main(lock Locker) {
	if len(os.Args) < 3 || (os.Args[1] != "acquire" && os.Args[1] != "wrap") {
		fmt.Fprintf(os.Stderr, "usage: %s acquire|wrap NAME [flags] [-- COMMAND...]\n", os.Args[0])
		os.Exit(64)
	}
	options := Options{OnWait: func() { fmt.Fprintln(os.Stderr, "waiting") }}
	flags := flag.NewFlagSet(os.Args[1], flag.ExitOnError)
	flags.StringVar(&options.Dir, "dir", os.Getenv("LOCKGATE_DIR"), "lock directory")
	flags.BoolVar(&options.Shared, "shared", false, "as a reader")
	flags.BoolVar(&options.NonBlocking, "non-blocking", false, "do not wait")
	flags.DurationVar(&options.Timeout, "timeout", 0, "wait at most so long")
	_ = flags.Parse(os.Args[3:]) // ExitOnError

	release, err := lock(os.Args[2], options)
	if errors.Is(err, ErrBusy) {
		os.Exit(75)
	}
	check(err)
	status := 0
	if os.Args[1] == "acquire" {
		fmt.Println("acquired", os.Getpid())
		_, _ = bufio.NewReader(os.Stdin).ReadString('\n')
	} else {
		status = run(flags.Args())
	}
	check(release())
	os.Exit(status)
}

func run(args []string) int {
	command := exec.Command(args[0], args[1:]...)
	command.Stdin, command.Stdout, command.Stderr = os.Stdin, os.Stdout, os.Stderr
	err := command.Run()
	var ended *exec.ExitError
	if !errors.As(err, &ended) {
		check(err)
	}
	return command.ProcessState.ExitCode()
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(70)
	}
}
