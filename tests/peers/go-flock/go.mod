// OUR OWN stand-in for the file locker of github.com/werf/lockgate: standard library only.
module lockgate.test/goflock

go 1.20
