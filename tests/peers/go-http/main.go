// SPDX-License-Identifier: Apache-2.0

// A command line around the HTTP server and client of github.com/werf/lockgate, for the tests and the benchmark:
//
//	go-http server                               serve on a port of 127.0.0.1, named in the first line printed
//	go-http hold URL NAME [FLAGS]                take the lock and keep it, let go at a line or the end of stdin
//	go-http try URL NAME [FLAGS]                 take the lock and let go
//	go-http call URL acquire|renew-lease|release JSON    one request with that body, its answer on stdout
//
// hold prints "acquired UUID PID", then "lost" if the library says so, and "released". "waiting" on stderr: the lock
// was not free. Status 75: it was not had; 76: its lease was lost; 70: any other failure, also a library that hangs.
package main

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/werf/lockgate"
	"github.com/werf/lockgate/pkg/distributed_locker"
)

// The library's release waits for ever for its own renewals once the lease was lost, and its requests have no limit.
const patience = 5 * time.Second

func main() {
	if len(os.Args) < 2 {
		usage()
	}
	switch command, args := os.Args[1], os.Args[2:]; {
	case command == "server" && len(args) == 0:
		fail(serve())
	case (command == "hold" || command == "try") && len(args) >= 2:
		os.Exit(hold(args[0], args[1], args[2:], command == "try"))
	case command == "call" && len(args) == 3:
		fail(call(args[0]+"/"+args[1], args[2]))
	default:
		usage()
	}
}

func usage() {
	fmt.Fprintln(os.Stderr, "usage: go-http server | hold|try URL NAME [flags] | call URL PATH JSON")
	os.Exit(64)
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(70)
	}
}

// serve does what the library's RunHttpBackendServer does, on a port that is free.
func serve() error {
	listener, err := net.Listen("tcp", "127.0.0.1:"+portWanted())
	if err != nil {
		return err
	}
	fmt.Println("listening on http://" + listener.Addr().String())
	return http.Serve(listener, distributed_locker.NewHttpBackendHandlerWithInMemoryStore())
}

// portWanted lets a test start the server anew where its clients look for it.
func portWanted() string {
	if port := os.Getenv("GO_HTTP_PORT"); port != "" {
		return port
	}
	return "0"
}

func hold(url, name string, args []string, try bool) int {
	lost := make(chan struct{}, 1)
	options := lockgate.AcquireOptions{
		OnWaitFunc: func(_ string, doWait func() error) error {
			fmt.Fprintln(os.Stderr, "waiting")
			return doWait()
		},
		OnLostLeaseFunc: func(lockgate.LockHandle) error {
			lost <- struct{}{}
			return nil
		},
	}
	flags := flag.NewFlagSet("hold", flag.ExitOnError)
	flags.BoolVar(&options.Shared, "shared", false, "as a reader")
	flags.BoolVar(&options.NonBlocking, "non-blocking", false, "do not wait")
	flags.DurationVar(&options.Timeout, "timeout", 0, "wait at most so long")
	_ = flags.Parse(args) // ExitOnError

	locker := distributed_locker.NewHttpLocker(url)
	acquired, handle, err := locker.Acquire(name, options)
	switch {
	case err != nil && err.Error() == "timeout": // the library has no error value for it
		return 75
	case err != nil:
		fail(err)
	case !acquired:
		return 75
	}
	if !try {
		fmt.Println("acquired", handle.UUID, os.Getpid())
		select {
		case <-lost:
			fmt.Println("lost")
			return 76
		case <-asked():
		}
	}
	fail(bounded(func() error { return locker.Release(handle) }))
	fmt.Println("released")
	return 0
}

// asked is closed when somebody wants the lock back.
func asked() <-chan struct{} {
	done := make(chan struct{})
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	line := make(chan struct{})
	go func() {
		_, _ = bufio.NewReader(os.Stdin).ReadString('\n')
		close(line)
	}()
	go func() {
		select {
		case <-signals:
		case <-line:
		}
		close(done)
	}()
	return done
}

func bounded(work func() error) error {
	result := make(chan error, 1)
	go func() { result <- work() }()
	select {
	case err := <-result:
		return err
	case <-time.After(patience):
		return errors.New("the library did not come back")
	}
}

// call sends what the test wants sent, also what this version of the library has no field for.
func call(url, body string) error {
	client := http.Client{Timeout: 2 * patience}
	reply, err := client.Post(url, "application/json", strings.NewReader(body))
	if err != nil {
		return err
	}
	defer reply.Body.Close()
	text, err := io.ReadAll(io.LimitReader(reply.Body, 1<<20))
	if err != nil {
		return err
	}
	fmt.Println(reply.StatusCode, strings.TrimSpace(string(text)))
	return nil
}
